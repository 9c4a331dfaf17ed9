package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// startControl serves the control socket until the test ends.
func startControl(t *testing.T, d Daemon) (*Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	ln, err := ListenControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ServeControl(ctx, ln, d, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("ServeControl: %v", err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("the socket is left behind")
		}
	})
	return ControlClient(path), path
}

func TestControl(t *testing.T) {
	d := &fakeDaemon{status: sampleStatus(), history: []state.Entry{{ID: 1, Address: sourceAddress("app"), Time: day, Action: "accept"}}}
	c, path := startControl(t, d)
	ctx := t.Context()
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	st, err := c.Status(ctx)
	if diff := cmp.Diff(d.status, st, cmp.Comparer(func(a, b address.Key) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	entries, err := c.History(ctx, sourceAddress("app"), 3)
	if diff := cmp.Diff(d.history, entries, cmp.Comparer(func(a, b address.Key) bool { return a == b })); err != nil || diff != "" || d.limit != 3 || d.historyOf != sourceAddress("app") {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := c.History(ctx, address.Address{}, 0); err != nil || d.limit != 0 || !d.historyOf.IsZero() {
		t.Errorf("%v, limit %d", err, d.limit)
	}
	p := engine.Pause{Pattern: "source.*", Reason: "maintenance", Until: day}
	if err := c.Pause(ctx, p); err != nil || len(d.paused) != 1 || !reflect.DeepEqual(d.paused[0], p) {
		t.Errorf("%v %v", err, d.paused)
	}
	if n, err := c.Resume(ctx, "source.*"); err != nil || n != 1 {
		t.Errorf("%v %d", err, n)
	}
	keyed := address.Address{Type: address.Sink, Kind: "file", Name: "app", Key: address.StringKey("a/b c")}
	if err := c.Approve(ctx, keyed); err != nil || len(d.approved) != 1 || d.approved[0] != keyed {
		t.Errorf("%v %v", err, d.approved)
	}
	if n, err := c.Rollback(ctx, keyed, engine.RevisionBefore); err != nil || n != 9 || len(d.rolledBack) != 1 || d.rolledBack[0] != keyed {
		t.Errorf("%v %d %v", err, n, d.rolledBack)
	}
	if err := c.Release(ctx, keyed); err != nil || len(d.released) != 1 || d.released[0] != keyed {
		t.Errorf("%v %v", err, d.released)
	}
	if err := c.Reload(ctx); err != nil || d.reloads != 1 {
		t.Errorf("%v %d", err, d.reloads)
	}
	d.set(func(f *fakeDaemon) { f.refuse = errors.New("main.hcl:3: there is no kind \"fil\"") })
	for what, err := range map[string]error{"reload": c.Reload(ctx), "approve": c.Approve(ctx, keyed), "release": c.Release(ctx, keyed), "pause": c.Pause(ctx, p)} {
		if err == nil || err.Error() != `main.hcl:3: there is no kind "fil"` {
			t.Errorf("%s: %v", what, err)
		}
	}
	d.set(func(f *fakeDaemon) { f.status, f.history, f.statusErr = nil, nil, errFake })
	if _, err := c.Status(ctx); !errors.Is(err, err) || err == nil || err.Error() != errFake.Error() {
		t.Errorf("%v", err)
	}
}

func TestControlRefusesWhatItDoesNotKnow(t *testing.T) {
	h := Control(&fakeDaemon{})
	for request, code := range map[string]int{
		`POST /v1/pause {"pattern":1}`: 400, `POST /v1/pause {"patern":"x"}`: 400, `POST /v1/pause {"pattern":"x"}{}`: 400, `POST /v1/pause `: 400,
		`POST /v1/approve {"address":"x"}`: 400, `GET /v1/history?limit=x `: 400, `GET /v1/pause `: 405, `POST /v1/status `: 405, `GET /v2/status `: 404,
		`POST /v1/resume {"pattern":"` + strings.Repeat("x", maxControl) + `"}`: 400,
		`GET /v1/history `: 200,
	} {
		parts := strings.SplitN(request, " ", 3)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(parts[0], parts[1], strings.NewReader(parts[2])))
		if w.Code != code {
			t.Errorf("%.60s: %d %s", request, w.Code, w.Body)
		}
	}
}

func TestClientSaysWhyNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	check := func(what string, path string, none bool, parts ...string) {
		t.Helper()
		_, err := ControlClient(path).Status(t.Context())
		if err == nil || errors.Is(err, ErrNoDaemon) != none {
			t.Errorf("%s: %v", what, err)
			return
		}
		for _, part := range append(parts, path) {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v has no %q", what, err, part)
			}
		}
	}
	check("missing", filepath.Join(dir, "none.sock"), true, "no control socket", "apply --watch")

	stale := filepath.Join(dir, "stale.sock")
	leave(t, stale)
	check("stale", stale, true, "left over")

	file := filepath.Join(dir, "file.sock")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("file", file, true, "left over")

	hangup := filepath.Join(dir, "hangup.sock")
	ln, err := net.Listen("unix", hangup)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	check("hangs up", hangup, false, "hung up")

	other := filepath.Join(dir, "other.sock")
	ln2, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>") })}
	go func() { _ = srv.Serve(ln2) }()
	defer srv.Close()
	check("other server", other, false, "another version")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ControlClient(other).Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// leave makes a socket that nobody listens behind any more, as a killed daemon does.
func leave(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
}

func TestControlSocketIsReplacedWhenStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	leave(t, path)
	ln, err := ListenControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another daemon answers") {
		t.Errorf("a socket in use: %v", err)
	}
	ln.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "precious" {
		t.Error("the file is gone")
	}
}

func TestControlSurvivesPanics(t *testing.T) {
	d := &fakeDaemon{}
	var c *Client
	c, _ = startControl(t, panicking{d})
	if err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Status(ctx); err != nil {
		t.Errorf("%v", err)
	}
}

type panicking struct{ *fakeDaemon }

func (panicking) Reload(context.Context) error { panic("no") }
