//go:build unix

package file

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSink returns a sink "file" of the given body, relative to dir.
func newSink(t *testing.T, dir, format string, args ...any) *sink {
	t.Helper()
	env := providers.Env{ModuleDir: dir, RootDir: dir}
	return providertest.NewSink(t, Kind(), fmt.Sprintf(format, args...), env).(*sink)
}

func write(t *testing.T, s *sink) error {
	t.Helper()
	return s.Write(t.Context(), providers.Delivery{})
}

func mustWrite(t *testing.T, s *sink) {
	t.Helper()
	if err := write(t, s); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %.40q (%v), want %.40q", filepath.Base(path), got, err, want)
	}
}

func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// inside is set in a test that runs itself again in other surroundings.
const inside = "FILE_TEST_INSIDE"

// again runs the calling test a second time, by the given command. The first time it
// answers false, the second time true.
func again(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	cmd.Args = append(cmd.Args, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=yes")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
	return false
}

// withMounts runs the calling test again as the root of name spaces of its own, where it may
// mount.
func withMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) == "" && exec.Command("unshare", "-Urm", "true").Run() != nil {
		t.Skip("this platform has no user and mount name spaces")
	}
	return again(t, exec.Command("unshare", "-Urm", os.Args[0]))
}

// asNobody runs the calling test again without privileges, if it has any.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	cmd := exec.Command("/proc/self/exe") // the path of the test may be closed to nobody
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return again(t, cmd)
}

func mount(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v: %v %s", args, err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", args[len(args)-1]).Run() })
}
