//go:build unix

package engine_test

import (
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/state"
)

// deposit puts a document into the state of a module over which nothing runs.
func (m *module) deposit(doc *state.Document) {
	m.t.Helper()
	s, err := state.Open(m.t.Context(), state.Options{Path: m.path(engine.DefaultState), Command: "test"})
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	if err := s.Commit(m.t.Context(), &state.Batch{Documents: []*state.Document{doc}}); err != nil {
		m.t.Fatal(err)
	}
}

// What was sent to a source and waited cannot be read by the next daemon. It says so, also where a
// value was accepted before, until a value is sent.
func TestWatchLostPushIsTold(t *testing.T) {
	for name, accepted := range map[string]bool{"nothing accepted": false, "something accepted": true} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", pushedToFile)
			d := m.watch()
			d.awaitSource("source.webhook.app", engine.StateWaiting)
			if accepted {
				d.push("app", `{"v":1}`, "")
				d.awaitFile("out.json", `{"v":1}`)
			}
			d.halt()
			m.deposit(&state.Document{Name: "push/source.webhook.app", Data: []byte("{")})
			d = m.watch()
			d.awaitSource("source.webhook.app", engine.StateDegraded)
			s := d.source("source.webhook.app")
			if !strings.Contains(s.LostPush, "send it again") || !strings.Contains(s.Reason, s.LostPush) {
				t.Errorf("status: %+v", s)
			}
			if accepted {
				m.wantFile("out.json", `{"v":1}`)
			}
			// The sender says that what is accepted is the newest there is.
			if got := d.push("app", `{"v":1}`, ""); got.Outcome != engine.PushAccepted {
				t.Errorf("%+v", got)
			}
			d.awaitSource("source.webhook.app", engine.StateOK)
			if s := d.source("source.webhook.app"); s.LostPush != "" {
				t.Errorf("it is still lost: %+v", s)
			}
			d.awaitFile("out.json", `{"v":1}`)
			d.halt()
			d = m.watch() // what was lost is not there any more
			d.awaitSource("source.webhook.app", engine.StateOK)
		})
	}
}

// The accepted value was sent, and the state loses it. It is told of until it was sent again, and is
// there from then on.
func TestWatchLostAcceptedPushIsHadAgain(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	d := m.watch()
	d.awaitSource("source.webhook.app", engine.StateWaiting)
	d.push("app", `{"v":1}`, "")
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	d.halt()
	m.sql("UPDATE blobs SET data = x'00112233'")
	m.write("main.hcl", pushedToFile+`
sink "file" "new" {
  path    = "new.json"
  content = jsonencode(source.webhook.app.value)
}`)
	d = m.watch()
	d.await("the loss is told of", func() bool { return strings.Contains(d.source("source.webhook.app").LostPush, "send it again") })
	m.wantFile("out.json", `{"v":1}`)
	if got := d.push("app", `{"v":1}`, ""); got.Outcome != engine.PushAccepted {
		t.Errorf("%+v", got)
	}
	d.awaitFile("new.json", `{"v":1}`)
	d.awaitSource("source.webhook.app", engine.StateOK)
	if s := d.source("source.webhook.app"); s.LostPush != "" {
		t.Errorf("it is still lost: %+v", s)
	}
	if n := m.stored(`data = CAST('{"v":1}' AS BLOB)`); n != 1 {
		t.Errorf("the state holds it %d times", n)
	}
	d.halt()
	m.wantNoChanges()
}
