package httpclient

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain closes the kept connections before it looks for leaks: they are meant to stay.
func TestMain(m *testing.M) {
	code := m.Run()
	CloseIdle()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
