package view

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

func sampleDaemonEvents() []engine.Event {
	app, file := source("http", "app"), sink("file", "app")
	return []engine.Event{
		engine.DaemonStarted{Sources: 2, Sinks: 1, LastGood: true},
		engine.DaemonReady{Elapsed: 1500 * time.Millisecond},
		engine.Rejected{Address: app, Version: "v3", Reason: "timeout_seconds out of range: 0"},
		engine.SourceState{Address: app, From: engine.StateOK, To: engine.StateDegraded, Reason: "status 503"},
		engine.SinkState{Address: file, From: engine.StateOK, To: engine.StateDeferred, Reason: "rate limit", Until: day},
		engine.PushReceived{Address: app, Name: "my\u009bapp", Outcome: engine.PushRejected, Elapsed: time.Millisecond},
		engine.ApprovalNeeded{Address: file, Target: "/etc/x"},
		engine.CheckState{Address: address.Of(address.Check, "", "fresh"), From: "pass", To: "fail", Reason: "The value is stale."},
		engine.ReloadStarted{},
		engine.Reloaded{Added: 1, Elapsed: time.Second},
		engine.Reloaded{Err: "main.hcl:3: no such block"},
		engine.StateTrouble{Err: "no space left on device"},
		engine.StateTrouble{},
		engine.InstancesChanged{Added: 1, Removed: 2, Elapsed: time.Second},
		engine.InstancesChanged{Block: file, Err: "for_each is empty"},
		engine.PauseChanged{Pause: engine.Pause{Pattern: "source.*", Reason: "maintenance", Since: day}},
		engine.DaemonStopping{Grace: 10 * time.Second},
		engine.DaemonStopped{Parked: 1},
		engine.DeliverySkipped{Address: file, Action: plan.Update, Reason: "interrupted"},
	}
}

func TestEventJSON(t *testing.T) {
	var b bytes.Buffer
	for _, e := range append(sampleEvents(), sampleDaemonEvents()...) {
		line := EventJSON(e, day)
		if !json.Valid(line) {
			t.Errorf("%T: %s", e, line)
		}
		b.Write(append(line, '\n'))
	}
	golden(t, "events_daemon.jsonl", b.Bytes())
}

// The set of events is closed, so each of them has to be rendered.
func TestEveryEventHasJSON(t *testing.T) {
	rendered := map[string]bool{}
	for _, e := range append(sampleEvents(), sampleDaemonEvents()...) {
		rendered[reflect.TypeOf(e).Name()] = EventJSON(e, day) != nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "event.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "event" {
			continue
		}
		if name := f.Recv.List[0].Type.(*ast.Ident).Name; !rendered[name] {
			t.Errorf("engine.%s has no JSON, or no sample here", name)
		}
	}
}
