package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// What happens for a plan, and what became of it, comes over the socket as it was.
func TestControlAppliesASavedPlan(t *testing.T) {
	d := &fakeDaemon{}
	c, _ := startControl(t, d)
	data := []byte(strings.Repeat("a plan that is longer than other requests\n", 1<<16))
	a := address.Of(address.Sink, "file", "app")
	sent := []engine.Event{
		engine.PhaseStarted{Phase: engine.Applying, Total: 2},
		engine.Accepted{Address: sourceAddress("app"), Version: "v2"},
		engine.DeliveryStarted{Address: a, Action: plan.Update, Target: "/app", Delivery: "dlv_1"},
		engine.DeliveryRetried{Address: a, Attempt: 1, Err: "busy", Wait: time.Second},
		engine.DeliveryFinished{Address: a, Action: plan.Update, Target: "/app", Err: "busy", Elapsed: time.Minute},
		engine.DeliverySkipped{Address: a, Action: plan.Create, Reason: "later", Until: day},
		engine.ApplyFinished{Result: engine.Result{Failed: 1}},
	}
	result := engine.Result{Accepted: 1, Failed: 1, Skipped: 1, Interrupted: true}
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Delivery failed", Detail: "busy"}, {Severity: hcl.DiagWarning, Summary: "w", Detail: "d"}}
	d.apply = func(_ context.Context, events func(engine.Event)) (engine.Result, hcl.Diagnostics, error) {
		events(engine.DaemonReady{}) // no part of a plan
		for _, ev := range sent {
			events(ev)
		}
		return result, diags, nil
	}
	var heard []engine.Event
	got, more, err := c.ApplySaved(t.Context(), data, func(ev engine.Event) { heard = append(heard, ev) })
	if err != nil || got != result || string(d.saved) != string(data) {
		t.Errorf("%+v %v, %d bytes", got, err, len(d.saved))
	}
	same := cmp.Comparer(func(a, b address.Key) bool { return a == b })
	if diff := cmp.Diff(sent, heard, same); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(diags, more); diff != "" {
		t.Error(diff)
	}

	refused := &engine.PlanRefusal{Summary: "Stale plan", Detail: "Not applied.", Moved: []string{"main.hcl was edited"}}
	d.apply = func(context.Context, func(engine.Event)) (engine.Result, hcl.Diagnostics, error) {
		return engine.Result{}, nil, refused
	}
	_, _, err = c.ApplySaved(t.Context(), nil, nil)
	var is *engine.PlanRefusal
	if !errors.As(err, &is) || cmp.Diff(refused, is) != "" {
		t.Errorf("a refusal: %v", err)
	}
	d.apply = func(context.Context, func(engine.Event)) (engine.Result, hcl.Diagnostics, error) {
		return engine.Result{}, nil, errFake
	}
	if _, _, err = c.ApplySaved(t.Context(), nil, nil); err == nil || err.Error() != errFake.Error() {
		t.Errorf("an error: %v", err)
	}
	d.apply = func(context.Context, func(engine.Event)) (engine.Result, hcl.Diagnostics, error) { panic("no") }
	if _, _, err = c.ApplySaved(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("a panic: %v", err)
	}
}

// Who hangs up ends the waiting; who is hung up on hears what to do.
func TestControlApplyThatBreaksOff(t *testing.T) {
	d := &fakeDaemon{}
	c, _ := startControl(t, d)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	d.apply = func(ctx context.Context, events func(engine.Event)) (engine.Result, hcl.Diagnostics, error) {
		events(engine.PhaseStarted{Phase: engine.Applying, Total: 1})
		<-ctx.Done()
		close(gone)
		return engine.Result{}, nil, ctx.Err()
	}
	if _, _, err := c.ApplySaved(ctx, nil, func(engine.Event) { leave() }); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "tidegate history") {
		t.Errorf("%v", err)
	}
	<-gone

	path := filepath.Join(t.TempDir(), "dies.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"phase_started":{"Phase":"apply","Total":1}}`+"\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	heard := 0
	_, _, err = ControlClient(path).ApplySaved(t.Context(), nil, func(engine.Event) { heard++ })
	if err == nil || heard != 1 || !strings.Contains(err.Error(), "hung up in the middle of the plan") || !strings.Contains(err.Error(), "tidegate history") {
		t.Errorf("%v after %d events", err, heard)
	}
	older := &http.Server{Handler: http.NotFoundHandler()}
	olderPath := filepath.Join(t.TempDir(), "older.sock")
	if ln, err = net.Listen("unix", olderPath); err != nil {
		t.Fatal(err)
	}
	go func() { _ = older.Serve(ln) }()
	defer older.Close()
	if _, _, err := ControlClient(olderPath).ApplySaved(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "of another version") {
		t.Errorf("an older daemon: %v", err)
	}
}
