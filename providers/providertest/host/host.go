//go:build unix

package host

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// inside is set in the second run of a test.
const inside = "TIDEGATE_TEST_INSIDE"

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

// Self returns this test binary. Its path may be closed to the user that runs it, its process
// is not.
func Self() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	return os.Args[0]
}

// AsNobody runs the calling test again without privileges, if it has any. The test goes on
// where it answers true.
func AsNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	cmd := exec.Command(Self())
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return again(t, cmd)
}

// WithMounts runs the calling test again as the root of name spaces of its own, where it may
// mount. The test goes on where it answers true.
func WithMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) == "" && exec.Command("unshare", "-Urm", "true").Run() != nil {
		t.Skip("this platform has no user and mount name spaces")
	}
	return again(t, exec.Command("unshare", "-Urm", os.Args[0]))
}

// Mount calls mount(8); the last argument is the mount point, which ends with the test.
func Mount(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v: %v %s", args, err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", args[len(args)-1]).Run() })
}

// FillDisk writes to a file until nothing more fits and returns how to give the space back.
func FillDisk(t *testing.T, path string) (free func()) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// straceDir hands the directory to the second run of a test.
const straceDir = "TIDEGATE_TEST_DIR"

// WithStrace runs the calling test again under strace, which injects the faults that options
// says for a directory, for example "-P", dir+"/f", "-e", "inject=read:error=EIO:when=2". The
// test goes on, with the directory, where it answers true.
func WithStrace(t *testing.T, options func(dir string) []string) (dir string, goOn bool) {
	t.Helper()
	if os.Getenv(inside) != "" {
		return os.Getenv(straceDir), true
	}
	strace, err := exec.LookPath("strace")
	if err != nil || exec.Command(strace, "-f", "-o", os.DevNull, "true").Run() != nil {
		t.Skip("this platform cannot trace")
	}
	dir = t.TempDir()
	t.Setenv(straceDir, dir)
	args := append([]string{"-f", "-o", os.DevNull}, options(dir)...)
	return dir, again(t, exec.Command(strace, append(args, "--", os.Args[0])...))
}
