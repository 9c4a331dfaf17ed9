package state

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// helperEnv names the helper that this test binary is to be instead of running tests.
// Tests start themselves again where they need another process: to be killed, to run as
// another user, or to have a disk of its own.
const helperEnv = "TIDEGATE_STATE_TEST_HELPER"

// helpers is filled in by the files that need processes; see helper_test.go.
var helpers = map[string]func(args []string) error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// helper returns the command that runs a helper in another process.
func helper(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	return cmd
}
