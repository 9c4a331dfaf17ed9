package engine_test

import (
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
)

// pushedWith is a source whose block depends on the value of another one.
const pushedWith = `
source "sim" "key" {
  name     = "key"
  interval = "10s"
}
source "sim" "app" {
  name = source.sim.key.value.origin
  interval = "1h"
  push {
    config_name = "app"
    %s
  }
}
sink "sim" "out" {
  name  = "out"
  value = jsonencode(source.sim.app.value)
}
`

func secretsOf(d *daemon, name string) (secrets string, taken bool) {
	r := d.Receivers().Sources[name]
	if r == nil {
		return "", false
	}
	return strings.Join(r.Secrets, ",") + r.Token, true
}

// What says how values are sent to a source may come out of data. It is known to the listener once
// it is known at all, it follows the data, and what it does not say any more opens nothing.
func TestWatchPushBlockOutOfData(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", strings.Replace(pushedWith, "%s", "bearer_token = source.sim.key.value.token", 1))
		w.fails("key")
		d := w.watch(m)
		pass(time.Minute)
		if _, taken := secretsOf(d, "app"); taken {
			t.Error("it is taken in before anybody knows what a sender must prove")
		}
		key := func(text, want string) {
			t.Helper()
			w.set("key", text)
			pass(20 * time.Minute)
			if got, taken := secretsOf(d, "app"); !taken || got != want {
				t.Errorf("a sender must prove %q, %t; want %q", got, taken, want)
			}
		}
		key(`{"origin":"a","token":"first-token-of-a-length"}`, "first-token-of-a-length")
		key(`{"origin":"a","token":"second-token-of-a-length"}`, "second-token-of-a-length")
		if got := d.push("app", `{"n":7}`, ""); got.Outcome != engine.PushAccepted {
			t.Errorf("%+v", got)
		}
		pass(time.Minute)
		if got := w.got("out"); len(got) == 0 || got[len(got)-1] != `{"n":7}` {
			t.Errorf("delivered %q", got)
		}
		// A reload takes the block away, and with it the name.
		m.write("main.hcl", strings.Replace(strings.Replace(pushedWith, "%s", "", 1), "push {\n    config_name = \"app\"\n    \n  }", "", 1))
		d.mustReload()
		pass(time.Minute)
		if _, taken := secretsOf(d, "app"); taken {
			t.Error("it is taken in though nothing says so any more")
		}
	})
}

// What a push block says without any data is known at once. A value that comes before the rest is
// known is asked for again, and not lost, refused or taken without a judgement.
func TestWatchPushBeforeTheBlockIsKnown(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", strings.Replace(pushedWith, "%s", `bearer_token = "a-token-of-some-length"`, 1))
		w.fails("key")
		d := w.watch(m)
		pass(time.Minute)
		if got, taken := secretsOf(d, "app"); !taken || got != "a-token-of-some-length" {
			t.Fatalf("a sender must prove %q, %t", got, taken)
		}
		got := d.push("app", `{"n":7}`, "once")
		if got.Outcome != engine.PushBusy || !strings.Contains(got.Reason, "source.sim.key has no value") || got.After <= 0 {
			t.Errorf("%+v", got)
		}
		w.set("key", `{"origin":"a"}`)
		pass(20 * time.Minute)
		if got := d.push("app", `{"n":7}`, "once"); got.Outcome != engine.PushAccepted {
			t.Errorf("sent again: %+v", got)
		}
		pass(time.Minute)
		wantValues(t, "delivered", w.got("out")[len(w.got("out"))-1:], `{"n":7}`)
	})
}

// A rule that waits for the value of another source cannot judge what is pushed: it is to be sent
// again. What another rule refuses meanwhile is refused.
func TestWatchPushThatARuleCannotJudgeYet(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
source "sim" "most" {
  name     = "most"
  interval = "10s"
}
rule "assert" "below" {
  assertion {
    condition     = value.n < source.sim.most.value.n
    error_message = "too big: ${value.n}"
  }
}
rule "assert" "positive" {
  assertion {
    condition     = value.n > 0
    error_message = "not positive: ${value.n}"
  }
}
source "webhook" "app" { rules = [rule.assert.below, rule.assert.positive] }
sink "sim" "out" {
  name  = "out"
  value = jsonencode(source.webhook.app.value)
}`)
		w.fails("most")
		d := w.watch(m)
		pass(time.Minute)
		got := d.push("app", `{"n":5}`, "a")
		if got.Outcome != engine.PushBusy || !strings.Contains(got.Reason, "rule.assert.below cannot judge it yet: source.sim.most has no value") || got.After < time.Second {
			t.Errorf("before it can be judged: %+v", got)
		}
		got = d.push("app", `{"n":-5}`, "b")
		if got.Outcome != engine.PushRejected || !strings.Contains(strings.Join(got.Findings, ";"), "not positive: -5") {
			t.Errorf("what the other rule refuses: %+v", got)
		}
		w.set("most", `{"n":10}`)
		pass(20 * time.Minute)
		for _, step := range []struct {
			data, id string
			want     engine.PushOutcome
		}{{`{"n":11}`, "c", engine.PushRejected}, {`{"n":5}`, "a", engine.PushAccepted}} {
			if got := d.push("app", step.data, step.id); got.Outcome != step.want {
				t.Errorf("%s: %+v, want %d", step.data, got, step.want)
			}
		}
		pass(time.Minute)
		wantValues(t, "delivered", w.got("out"), `{"n":5}`)
	})
}

// Two sources whose names come out of data and turn out to be one: the first keeps it.
func TestWatchPushNamesThatTurnOutToBeOne(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		var log logText
		w.set("names", `{"a":"one","b":"two"}`)
		m := newModule(t, "main.hcl", `
source "sim" "names" {
  name     = "names"
  interval = "10s"
}
source "sim" "a" {
  name = "a"
  push { config_name = source.sim.names.value.a }
}
source "sim" "b" {
  name = "b"
  push { config_name = source.sim.names.value.b }
}`)
		d := w.watch(m, log.option)
		pass(20 * time.Minute)
		of := func(name string) string {
			if r := d.Receivers().Sources[name]; r != nil {
				return r.Address.Name
			}
			return ""
		}
		if of("one") != "a" || of("two") != "b" {
			t.Errorf("one is %q, two is %q", of("one"), of("two"))
		}
		w.set("names", `{"a":"one","b":"one"}`)
		pass(20 * time.Minute)
		if of("one") != "a" || of("two") != "" || log.count("taken already") == 0 {
			t.Errorf("one is %q, two is %q\n%s", of("one"), of("two"), log.text.String())
		}
		if d.Receivers().Wildcard != nil {
			t.Error("everything is taken in")
		}
		w.set("names", `{"a":"one","b":"`+providers.AllNames+`"}`)
		pass(20 * time.Minute)
		if r := d.Receivers().Wildcard; r == nil || r.Address.Name != "b" {
			t.Errorf("everything else is taken in by %+v", r)
		}
	})
}
