package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"tidegate/engine"
	"tidegate/engine/plan"
)

func sampleEvents() []engine.Event {
	app, reload := sink("file", "app"), sink("exec", "reload")
	return []engine.Event{
		engine.PhaseStarted{Phase: engine.Observing, Total: 2},
		engine.LookStarted{Address: source("http", "app")},
		engine.LookFinished{Address: source("http", "app"), Standing: plan.Candidate, Elapsed: 2 * time.Second},
		engine.LookFinished{Address: source("http", "down"), Standing: plan.Accepted, Problem: plan.Failed, Reason: "status 503", Elapsed: time.Millisecond},
		engine.PhaseStarted{Phase: engine.Applying, Total: 3},
		engine.Accepted{Address: source("http", "app"), Version: "v2"},
		engine.DeliveryStarted{Address: app, Action: plan.Create, Target: "/etc/x", Delivery: "dlv_1"},
		engine.DeliveryRetried{Address: app, Attempt: 1, Err: "no space", Wait: 200 * time.Millisecond},
		engine.DeliveryFinished{Address: app, Action: plan.Create, Target: "/etc/x", Elapsed: 3 * time.Millisecond},
		engine.DeliveryStarted{Address: reload, Action: plan.Update, Target: "systemctl reload x"},
		engine.DeliveryFinished{Address: reload, Action: plan.Update, Target: "systemctl reload x", Err: "exit status 1", Elapsed: 65 * time.Second},
		engine.DeliverySkipped{Address: sink("file", "b"), Action: plan.Update, Reason: "sink.exec.reload failed"},
		engine.DeliverySkipped{Address: sink("file", "c"), Action: plan.Update, Reason: "rate limit", Until: day},
		engine.ApplyFinished{Result: engine.Result{Added: 1, Failed: 1, Skipped: 1}},
	}
}

func TestEventLines(t *testing.T) {
	var b bytes.Buffer
	for _, e := range sampleEvents() {
		NewLines(&b).Event(e)
	}
	golden(t, "events.txt", b.Bytes())
}

// Where nothing else tells the reason, the line does.
func TestEventLinesWithReasons(t *testing.T) {
	for want, e := range map[string]engine.Event{
		"source.http.a: failed: status 503":             engine.LookFinished{Address: source("http", "a"), Problem: plan.Failed, Reason: "status 503", Elapsed: time.Microsecond},
		"source.http.a: rejected: no port":              engine.LookFinished{Address: source("http", "a"), Problem: plan.Rejected, Reason: "no port"},
		"sink.exec.a: failed after 1m5s: exit status 1": engine.DeliveryFinished{Address: sink("exec", "a"), Err: "exit status 1", Elapsed: 65 * time.Second},
	} {
		if got := EventLine(e); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEventStream(t *testing.T) {
	var b bytes.Buffer
	s := NewStream(&b, func() time.Time { return day })
	s.Version("0.1.0")
	s.Plan(fullPlan())
	for _, e := range sampleEvents() {
		s.Event(e)
	}
	diags, src := sampleDiagnostics(t)
	s.Diagnostics(diags, src)
	s.Outputs(sampleOutputs())
	s.Result(engine.Result{Added: 1, Failed: 1, Skipped: 1}, false)
	golden(t, "events.jsonl", b.Bytes())
	for line := range strings.Lines(b.String()) {
		var msg struct {
			Type string `json:"type"`
			Hook struct {
				Resource struct{ Addr string }
			}
		}
		if err := json.Unmarshal([]byte(line), &msg); err != nil || msg.Type == "" {
			t.Fatalf("%v: %s", err, line)
		}
		if _, err := tfjson.UnmarshalLogMessage([]byte(line)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestApplyText(t *testing.T) {
	for _, tt := range []struct {
		r       engine.Result
		destroy bool
		want    string
	}{
		{engine.Result{Added: 1, Changed: 2}, false, "Apply complete: 1 added, 2 changed, 0 destroyed."},
		{engine.Result{Destroyed: 1, Forgotten: 1}, true, "Destroy complete: 0 added, 0 changed, 1 destroyed, 1 forgotten."},
		{engine.Result{Accepted: 2, Deferred: 1}, false, "Apply complete: 0 added, 0 changed, 0 destroyed, 2 values accepted, 1 deferred."},
		{engine.Result{Failed: 1, Skipped: 2}, false, "Apply incomplete: 0 added, 0 changed, 0 destroyed, 2 skipped, 1 failed."},
		{engine.Result{Interrupted: true}, false, "Interrupted: 0 added, 0 changed, 0 destroyed."},
	} {
		if got := ApplyText(tt.r, tt.destroy); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

type safeBuffer struct {
	mutex sync.Mutex
	b     bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.b.Write(p)
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b safeBuffer
		l := NewLive(&b, Style{Width: 60})
		l.Event(engine.PhaseStarted{Phase: engine.Applying, Total: 2})
		l.Event(engine.DeliveryStarted{Address: sink("file", "quick"), Action: plan.Create})
		l.Event(engine.DeliveryFinished{Address: sink("file", "quick"), Action: plan.Create, Elapsed: time.Millisecond})
		l.Event(engine.DeliveryStarted{Address: sink("exec", "long"), Action: plan.Create})
		time.Sleep(3*time.Second + time.Millisecond)
		l.Event(engine.DeliveryFinished{Address: sink("exec", "long"), Action: plan.Create, Elapsed: 3 * time.Second})
		l.Close()
		got := b.b.String()
		if !strings.HasPrefix(got, "sink.file.quick: created in 1ms\nApplying: 1 of 2, 1 under way, sink.exec.long for 1s\r\x1b[K") {
			t.Errorf("begins with %q", got)
		}
		if !strings.HasSuffix(got, "\r\x1b[Ksink.exec.long: ran in 3s\n") {
			t.Errorf("ends with %q", got[len(got)-100:])
		}
	})
}

func TestLiveSaysNothingOfWhatIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b safeBuffer
		l := NewLive(&b, Style{Width: 60})
		l.Event(engine.PhaseStarted{Phase: engine.Observing, Total: 1})
		time.Sleep(900 * time.Millisecond)
		l.Event(engine.LookFinished{Address: source("http", "a"), Elapsed: 900 * time.Millisecond})
		time.Sleep(5 * time.Second)
		l.Close()
		if got := b.b.String(); got != "" {
			t.Errorf("wrote %q", got)
		}
	})
}
