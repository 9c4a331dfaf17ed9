package httpfault

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package and looks for leaks. Kept connections are meant to stay:
// closeIdle, which is httpclient.CloseIdle, closes them before.
func Main(m *testing.M, closeIdle func()) {
	code := m.Run()
	closeIdle()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
