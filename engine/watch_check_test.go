//go:build unix

package engine_test

import (
	"testing"

	"tidegate/engine"
)

// A check is judged once the sources that it depends on were looked at: a start warns of nothing that
// nobody knows yet.
func TestWatchChecksWaitForTheFirstLook(t *testing.T) {
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile+`
source "exec" "slow" {
  command = ["/bin/sh", "-c", "until [ -e go ]; do sleep 0.02; done; echo 1"]
  decode  = "json"
}
check "fresh" {
  assert {
    condition     = !source.exec.slow.stale
    error_message = "It does not answer."
  }
}
check "other" {
  assert {
    condition     = source.file.app.value.v < 2
    error_message = "It is too large."
  }
}
`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	checks := func() map[string]string {
		out := map[string]string{}
		for _, c := range d.status().Checks {
			out[c.Address.String()] = c.Status
		}
		return out
	}
	// The other check is judged twice meanwhile.
	d.await("the other check holds", func() bool { return checks()["check.other"] == "pass" })
	m.replace("app.json", `{"v":2}`)
	d.await("the other check does not hold", func() bool { return checks()["check.other"] == "fail" })
	if got, judged := checks()["check.fresh"]; judged {
		t.Errorf("it is judged before there is anything to judge: %s", got)
	}
	m.write("go", "")
	d.await("it holds", func() bool { return checks()["check.fresh"] == "pass" })
	for _, ev := range events[engine.CheckState](d) {
		if ev.Address.String() == "check.fresh" {
			t.Errorf("the start tells of it: %+v", ev)
		}
	}
}
