//go:build unix

package engine_test

import (
	"fmt"
	"testing"

	"tidegate/hclspec/address"
)

// Nothing older than what was acknowledged is ever delivered by a saved plan: where the sinks of the
// plan were delivered to since it was saved, it is refused with the list of what moved, also where
// the targets and the values look by now as they did then.

// sinceSaved are the ways in which deliveries come between a plan and its application. The plan is
// from 1 to 2; between them the value becomes what is listed, and 0 is a rollback to the first
// revision, from which on what was there before stays away.
var sinceSaved = map[string]struct {
	values []int
	app    string
}{
	"newer":                                       {[]int{3}, "n = 3\n"},
	"newer, and back to what it was":              {[]int{3, 1}, "n = 1\n"},
	"newer, and rolled back":                      {[]int{3, 0}, "n = 1\n"},
	"newer, rolled back and delivered again":      {[]int{3, 0, 4}, "n = 4\n"},
	"newer, rolled back and what it was again":    {[]int{3, 0, 1}, "n = 1\n"},
	"the same, rolled back, and the same again":   {[]int{2, 0, 3, 2}, "n = 3\n"},
	"the same as planned by a delivery before it": {[]int{2}, "n = 2\n"},
}

var appSink = address.Of(address.Sink, "file", "app")

func TestSavedPlanNeverDeliversWhatIsOlder(t *testing.T) {
	for name, c := range sinceSaved {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", slowConfiguration, "v.json", `{"n":1}`)
			m.mustApply()
			m.write("v.json", `{"n":2}`)
			saved := m.savePlan()
			for _, v := range c.values {
				if v == 0 {
					if _, _, diags := m.rollbackOf(appSink, 1); diags.HasErrors() {
						t.Fatal(texts(diags))
					}
					continue
				}
				m.write("v.json", fmt.Sprintf(`{"n":%d}`, v))
				m.mustApply()
			}
			m.wantFile("app", c.app)
			ran, _ := m.read("ran")
			serial := m.ledger().Serial
			_, _, err := m.applySaved(saved)
			wantRefusal(t, err, "Stale plan", "source.file.v accepted", "sink.file.app", "sink.exec.run", "sink.file.after")
			m.wantFile("app", c.app)
			m.wantFile("ran", ran)
			if got := m.ledger().Serial; got != serial {
				t.Errorf("the state went from serial %d to %d", serial, got)
			}
		})
	}
}

func TestWatchSavedPlanNeverDeliversWhatIsOlder(t *testing.T) {
	for name, c := range sinceSaved {
		t.Run(name, func(t *testing.T) {
			m, d, saved := besideModule(t, slowConfiguration)
			for _, v := range c.values {
				if v == 0 {
					if _, err := d.Rollback(t.Context(), appSink, 1); err != nil {
						t.Fatal(err)
					}
					d.awaitFile("app", "n = 1\n")
					continue
				}
				m.replace("v.json", fmt.Sprintf(`{"n":%d}`, v))
				d.restart(m)
				d.awaitFile("after", fmt.Sprintf("after %d", v))
				d.inStep()
			}
			m.wantFile("app", c.app)
			ran, _ := m.read("ran")
			_, _, err := d.applySaved(saved)
			wantRefusal(t, err, "Stale plan", "source.file.v accepted", "sink.file.app", "sink.exec.run", "sink.file.after")
			d.inStep()
			m.wantFile("app", c.app)
			m.wantFile("ran", ran)
		})
	}
}
