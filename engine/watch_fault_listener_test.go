//go:build linux

package engine_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// W18: a listener that cannot be opened is told of at the start, with its address and what to do;
// no target is touched. When it can be opened, the same start goes on.
func TestWatchW18ListenerCannotBeOpened(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	for what, c := range map[string]struct {
		address string
		nobody  bool // run without the right to do everything
		part    string
	}{
		"port in use":       {inUse, false, "address already in use"},
		"privileged port":   {"127.0.0.1:1", true, "permission denied"},
		"address of nobody": {"192.0.2.1:8420", false, "cannot assign requested address"},
	} {
		t.Run(what, func(t *testing.T) {
			m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile+fmt.Sprintf(`
tidegate {
  listener {
    address  = %q
    insecure = true
  }
}
source "webhook" "app" {}
`, c.address))
			cmd := m.command("apply", "--watch")
			if c.nobody {
				if first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err != nil || strings.TrimSpace(string(first)) == "0" {
					t.Skip("here every port is open to everybody")
				}
				m.openToOthers()
				if err := os.Chmod(m.dir, 0o777); err != nil {
					t.Fatal(err)
				}
				cmd = m.nobody("apply", "--watch")
			}
			finish(t, cmd).want(t, 1, "Open the listener at "+c.address, c.part, "free the port, or name another in the listener block or with --listen")
			if text, ok := m.read("out.json"); ok {
				t.Errorf("a target was written all the same: %s", text)
			}
			m.tool("plan").want(t, 0, "1 to add")
		})
	}
}

// W18: a reload that names an address which cannot be opened leaves the listener where it is, and
// whoever sends to it does not notice; so does one whose listener block is wrong, or names the same.
func TestWatchW18ReloadKeepsTheListener(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := func(address string) string {
		return fmt.Sprintf("tidegate {\n  listener { address = %q }\n}\n", address) + pushedToFile
	}
	m := newModule(t, "main.hcl", config("127.0.0.1:0"))
	s := m.serve()
	address := s.address()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	v := 0
	send := func(when string) {
		t.Helper()
		v++
		if code := postTo(t.Context(), client, address, fmt.Sprintf(`{"config_name":"app","config_data":{"v":%d}}`, v), ""); code != http.StatusOK {
			t.Errorf("%s: answered with %d\n%s", when, code, s.log)
		}
		eventually(t, fmt.Sprintf("%s: value %d arrives", when, v), func() bool { return m.v("out.json") == v })
	}
	send("at first")
	reloaded := 0
	for what, listener := range map[string]string{
		"a port in use":    taken.Addr().String(),
		"the same":         "127.0.0.1:0",
		"no address":       "nowhere",
		"another's":        "192.0.2.1:80",
		"a port beyond it": "127.0.0.1:65536",
	} {
		m.write("main.hcl", config(listener)+"# "+what)
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		reloaded++
		eventually(t, fmt.Sprintf("%s: reload %d was tried\n%s", what, reloaded, s.log), func() bool {
			return strings.Count(s.log.String(), "configuration reloaded")+strings.Count(s.log.String(), "configuration is broken and the old one goes on") >= reloaded
		})
		send(what)
	}
	s.stop(0)
}

// W18: when the listener of a running daemon breaks nobody could send to it again, so that it
// ends in good order, says why, and a supervisor starts it anew.
func TestWatchW18ListenerBreaks(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	s := m.serve("--listen", "127.0.0.1:0")
	address := s.address()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if code := postTo(t.Context(), client, address, `{"config_name":"app","config_data":{"v":1}}`, ""); code != http.StatusOK {
		t.Fatal(code)
	}
	shutListener(t, s.cmd.Process.Pid, address)
	if code := s.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	s.says("The listener broke")
	s = m.serve("--listen", "127.0.0.1:0")
	eventually(t, "what was taken in is in use", func() bool { return m.v("out.json") == 1 })
	s.stop(0)
}

// shutListener shuts a process's listening socket down, as the kernel may.
func shutListener(t *testing.T, pid int, address string) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Skip("this platform has no descriptors of processes")
	}
	defer unix.Close(process)
	for fd := range 64 {
		socket, err := unix.PidfdGetfd(process, fd, 0)
		if err != nil {
			continue
		}
		name, err := unix.Getsockname(socket)
		listens, _ := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if in, ok := name.(*unix.SockaddrInet4); err == nil && ok && listens == 1 && fmt.Sprint(in.Port) == port {
			err := unix.Shutdown(socket, unix.SHUT_RD)
			unix.Close(socket)
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		unix.Close(socket)
	}
	t.Skip("the socket of the listener cannot be reached")
}
