package web

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPeers(t *testing.T) {
	for _, tt := range []struct {
		uid uint32
		own int
		ok  bool
	}{{0, 1000, true}, {1000, 1000, true}, {1001, 1000, false}, {1000, 0, false}, {0, 0, true}} {
		if err := allowPeer(tt.uid, tt.own); (err == nil) != tt.ok {
			t.Errorf("%d to %d: %v", tt.uid, tt.own, err)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if checkPeer(a) == nil {
		t.Error("a pipe has an owner")
	}
}

// Another user gets nowhere, even where the socket's mode lets it in.
func TestControlTurnsStrangersAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	d := &fakeDaemon{}
	_, path := startControl(t, d)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	for mode, want := range map[os.FileMode]string{0o600: "permission denied", 0o666: "hung up"} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestAskAsStranger$", "-test.v")
		cmd.Env = append(os.Environ(), "TIDEGATE_TEST_SOCKET="+path)
		cmd.Dir = "/"
		// The test's binary may lie where a stranger cannot reach it, so it is handed over open.
		binary, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = []*os.File{binary}
		cmd.Path = "/proc/self/fd/3"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		binary.Close()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("mode %v: %v %s", mode, err, out)
		}
	}
	if d.asked != 0 {
		t.Error("a stranger was answered")
	}
}

func TestAskAsStranger(t *testing.T) {
	path := os.Getenv("TIDEGATE_TEST_SOCKET")
	if path == "" {
		t.Skip("for TestControlTurnsStrangersAway")
	}
	_, err := ControlClient(path).Status(t.Context())
	fmt.Println("answer:", err)
}
