//go:build unix

package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// listeningAt is a configuration with a listener, and a value that is pushed to a file.
func listeningAt(address, more string) string {
	return fmt.Sprintf("tidegate {\n  listener {\n    address = %q\n    %s\n  }\n}\n", address, more) + pushedToFileAt("hook.json") + "\n"
}

// freeAddress is one that nobody listened at a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// answers returns the status of a page, 0 where nobody listens.
func answers(t *testing.T, address, page string) int {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+page, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// halfSent is a push of which only a part of the body was sent.
type halfSent struct {
	t    *testing.T
	conn net.Conn
	rest string
}

func sendHalf(t *testing.T, address, body string) *halfSent {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	// The answer says that the request is under way.
	line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	if err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	fmt.Fprint(conn, body[:10])
	return &halfSent{t, conn, body[10:]}
}

func (h *halfSent) finish() {
	h.t.Helper()
	fmt.Fprint(h.conn, h.rest)
	_ = h.conn.SetReadDeadline(time.Now().Add(patience))
	in := bufio.NewReader(h.conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			h.t.Fatalf("the request under way was cut off: %v", err)
		}
		if strings.HasPrefix(line, "HTTP/1.1 ") {
			if !strings.HasPrefix(line, "HTTP/1.1 200") {
				h.t.Errorf("the request under way was answered %q", line)
			}
			return
		}
	}
}

// W18: a reload moves the listener, changes it where it is, or closes it. The new address is open
// before the old one is closed; one that cannot be opened refuses the reload; requests under way
// come to their end.
func TestWatchW18ListenerFollowsAReload(t *testing.T) {
	first, second := freeAddress(t), freeAddress(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	m := newModule(t, "main.hcl", listeningAt(first, ""))
	s := m.serve()
	if got := s.address(); got != first {
		t.Fatalf("it listens at %s", got)
	}
	eventually(t, "it runs", func() bool { return answers(t, first, "/readyz") == 200 })
	change := func(config string) toolResult {
		t.Helper()
		m.write("main.hcl", config)
		return m.tool("reload")
	}
	push := func(v int) string { return fmt.Sprintf(`{"config_name":"app","config_data":{"v":%d}}`, v) }

	// It is changed in its place: nobody is refused meanwhile.
	half := sendHalf(t, first, push(1))
	stop, gaps := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			conn, err := net.Dial("tcp", first)
			if err != nil {
				n++
			} else {
				_ = conn.Close()
			}
			select {
			case <-stop:
				gaps <- n
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	change(listeningAt(first, `tokens = ["a-token-of-enough-bytes"]`)).want(t, 0)
	eventually(t, "it asks for a token", func() bool { return answers(t, first, "/api/v1/status") == 401 })
	close(stop)
	if n := <-gaps; n > 0 {
		t.Errorf("the address was closed %d times while it changed hands", n)
	}
	half.finish()
	eventually(t, "what was sent meanwhile travels", func() bool { return m.v("hook.json") == 1 })

	// Where it cannot go to, it does not go, and nothing else changes.
	change(listeningAt(taken.Addr().String(), "")+`output "x" { value = 1 }`).want(t, 1, "main.hcl:2", "The listener cannot be opened", "address already in use")
	if got := answers(t, first, "/api/v1/status"); got != 401 {
		t.Errorf("the old listener answers %d", got)
	}
	if listed := m.tool("status", "--json"); !strings.Contains(listed.stdout, "address already in use") || !strings.Contains(listed.stdout, first) {
		t.Errorf("the status does not say so: %s", listed.stdout)
	}
	change(listeningAt("0.0.0.0:0", "")).want(t, 1, "can be reached from other machines and lacks")
	change(listeningAt(first, `token = []`)).want(t, 1, "main.hcl:4")

	// It moves.
	half = sendHalf(t, first, push(2))
	change(listeningAt(second, "")).want(t, 0)
	if got := answers(t, second, "/api/v1/status"); got != 200 {
		t.Errorf("the new listener answers %d", got)
	}
	eventually(t, "the old address is closed", func() bool { return answers(t, first, "/healthz") == 0 })
	half.finish()
	eventually(t, "what was sent meanwhile travels", func() bool { return m.v("hook.json") == 2 })
	if listed := m.tool("status", "--json"); !strings.Contains(listed.stdout, second) {
		t.Errorf("the status names another address: %s", listed.stdout)
	}

	// It is closed, and opened again.
	change(`output "x" { value = 1 }`).want(t, 0)
	eventually(t, "it is closed", func() bool { return answers(t, second, "/healthz") == 0 })
	change(listeningAt(second, "")).want(t, 0)
	if got := answers(t, second, "/healthz"); got != 200 {
		t.Errorf("it is open again and answers %d", got)
	}
	if s.over() {
		t.Fatalf("the daemon ended:\n%s", s.log)
	}
}

// W18: the listener moves between addresses that exclude each other: from one address of the machine
// to all of them and back. What somebody else holds is not taken from him, and refuses the reload.
func TestWatchW18ListenerMovesToAnAddressThatItExcludes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("two sockets of one user have a port together on Linux alone")
	}
	one := freeAddress(t)
	_, port, err := net.SplitHostPort(one)
	if err != nil {
		t.Fatal(err)
	}
	other := net.JoinHostPort("127.0.0.2", port)
	m := newModule(t, "main.hcl", listeningAt(one, ""))
	s := m.serve()
	eventually(t, "it runs", func() bool { return answers(t, one, "/readyz") == 200 })
	v := 0
	move := func(to string) {
		t.Helper()
		v++
		half := sendHalf(t, one, fmt.Sprintf(`{"config_name":"app","config_data":{"v":%d}}`, v))
		m.write("main.hcl", listeningAt(to, "insecure = true"))
		m.tool("reload").want(t, 0)
		half.finish()
		eventually(t, "what was sent meanwhile travels", func() bool { return m.v("hook.json") == v })
		if got := answers(t, one, "/healthz"); got != 200 {
			t.Errorf("at %s it answers %d", to, got)
		}
	}
	for range 2 {
		move(":" + port)
		if got := answers(t, other, "/healthz"); got != 200 {
			t.Errorf("at all addresses it answers %d", got)
		}
		move("0.0.0.0:" + port) // the same
		move(one)
		eventually(t, "it is closed elsewhere", func() bool { return answers(t, other, "/healthz") == 0 })
	}
	move("localhost:" + port)

	taken, err := net.Listen("tcp", other)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	m.write("main.hcl", listeningAt(":"+port, "insecure = true"))
	m.tool("reload").want(t, 1, "The listener cannot be opened", "address already in use")
	if got := answers(t, one, "/healthz"); got != 200 {
		t.Errorf("the old listener answers %d", got)
	}
	_ = taken.Close()
	move(":" + port)
	if ln, err := net.Listen("tcp", other); err == nil {
		_ = ln.Close()
		t.Error("somebody else gets in beside it")
	}
	if s.over() {
		t.Fatalf("the daemon ended:\n%s", s.log)
	}
}

// The status page and the graph tell of a real daemon how everything is, and nothing that is secret.
func TestWatchStatusPageAndGraph(t *testing.T) {
	address := freeAddress(t)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	m := newModule(t, "app.json", `{"v":"hunter2-canary"}`, "main.hcl", fmt.Sprintf("tidegate {\n  listener { address = %q }\n}\n", address)+`
source "file" "app" {
  path      = "app.json"
  sensitive = true
}
source "webhook" "hook" { secrets = ["`+secret+`"] }
rule "assert" "never" {
  assertion {
    condition     = false
    error_message = "it is ${value.v}"
  }
}
source "file" "refused" {
  path      = "app.json"
  sensitive = true
  rules     = [rule.assert.never]
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}
sink "file" "hook" {
  path    = "hook.json"
  content = jsonencode(source.webhook.hook.value)
}`)
	m.serve()
	get := func(page string) string {
		resp, err := http.Get("http://" + address + page)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	for page, parts := range map[string][]string{
		"/": {"source.file.app", "source.webhook.hook", "waiting for first push", "rejected", "sink.file.out", "source.webhook.hook has no value", "blocked"},
		"/api/v1/graph": {
			`"address": "sink.file.out"`, `"state": "delivered"`, `"state": "accepted"`, `"state": "blocked"`, `"state": "rejected"`, `"address": "rule.assert.never"`,
		},
		"/api/v1/graph?format=svg": {"<svg", "sink.file.out: delivered"},
	} {
		body := ""
		eventually(t, fmt.Sprintf("%s has %q", page, parts), func() bool {
			body = get(page)
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(body, part) })
		})
		if strings.Contains(body, "hunter2") || strings.Contains(body, secret) {
			t.Errorf("%s tells a secret:\n%s", page, body)
		}
	}
}
