package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
)

// instanceKeys are the keys of the sinks of a daemon that are instances.
func instanceKeys(d *daemon) string {
	var out []string
	for _, s := range d.status().Sinks {
		if k := s.Address.Key.String(); k != "" {
			out = append(out, strings.Trim(k, `[]"`))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// The instances are those of the accepted value, whatever else its source brings.
func TestWatchInstancesFollowTheAcceptedValue(t *testing.T) {
	const sink = `
sink "sim" "one" {
  for_each = source.sim.all.value
  name     = each.key
  value    = each.value
}
`
	t.Run("rejected", func(t *testing.T) {
		simulate(t, func(t *testing.T, w *sim) {
			m := newModule(t, "main.hcl", sink+`
rule "assert" "few" {
  assertion {
    condition     = length(value) < 3
    error_message = "too many"
  }
}
source "sim" "all" {
  name     = "all"
  interval = "10s"
  rules    = [rule.assert.few]
}
`)
			w.set("all", `{"a":"1","b":"1"}`)
			d := w.watch(m)
			pass(time.Minute)
			w.set("all", `{"a":"2","c":"2","d":"2"}`)
			pass(time.Minute)
			if got := instanceKeys(d); got != "a,b" {
				t.Errorf("with a rejected value the keys are %s", got)
			}
			wantValues(t, "a", w.got("a"), "1")
			wantValues(t, "c", w.got("c"))
			d.halt()
			d = w.watch(m)
			pass(time.Minute)
			if got := instanceKeys(d); got != "a,b" {
				t.Errorf("after a restart the keys are %s", got)
			}
			w.set("all", `{"c":"3"}`)
			pass(time.Minute)
			if got := instanceKeys(d); got != "c" {
				t.Errorf("the keys are %s", got)
			}
		})
	})
	t.Run("rate limited", func(t *testing.T) {
		simulate(t, func(t *testing.T, w *sim) {
			m := newModule(t, "main.hcl", sink+`
rate_limit "sliding_window" "slow" {
  max = 1
  per = "10m"
}
source "sim" "all" {
  name        = "all"
  interval    = "10s"
  rate_limits = [rate_limit.sliding_window.slow]
}
`)
			w.set("all", `{"a":"1"}`)
			d := w.watch(m)
			pass(time.Minute)
			for i := range 5 { // all but the last are superseded
				w.set("all", fmt.Sprintf(`{"b%d":"1"}`, i))
				pass(time.Minute)
				if got := instanceKeys(d); got != "a" {
					t.Errorf("while it is deferred the keys are %s", got)
				}
			}
			pass(10 * time.Minute)
			if got := instanceKeys(d); got != "b4" {
				t.Errorf("after that the keys are %s", got)
			}
			for i := range 4 {
				wantValues(t, "superseded", w.got(fmt.Sprintf("b%d", i)))
			}
		})
	})
	t.Run("flapping", func(t *testing.T) {
		simulate(t, func(t *testing.T, w *sim) {
			m := newModule(t, "main.hcl", sink+`
source "sim" "all" {
  name     = "all"
  interval = "10s"
}
`)
			w.set("all", `{"a":"1"}`)
			d := w.watch(m)
			pass(time.Minute)
			// Two replicas that disagree.
			w.answers("all", func(n int, _ string) (providers.Snapshot, error) {
				return providers.Snapshot{Data: []byte([]string{`{"a":"1"}`, `{"b":"1"}`}[n%2]), Format: "json"}, nil
			})
			pass(10 * time.Minute)
			if !slices.ContainsFunc(events[engine.SourceState](d), func(e engine.SourceState) bool { return e.To == engine.StateFlapping }) {
				t.Fatal("the source does not flap")
			}
			held := instanceKeys(d)
			said := len(instancesSaid(d))
			pass(10 * time.Minute)
			if got := instanceKeys(d); got != held || len(instancesSaid(d)) != said || strings.Contains(got, ",") {
				t.Errorf("while it flaps the keys are %s, were %s; %d changes, were %d", got, held, len(instancesSaid(d)), said)
			}
		})
	})
}

// A count shrinks and grows with a reload and with data: what stays is not touched, what goes follows
// its on_destroy, after approval where it was an edit.
func TestWatchCountShrinksAndGrows(t *testing.T) {
	config := func(count string) string {
		return `
source "file" "n" { path = "n.json" }
sink "file" "part" {
  count      = ` + count + `
  path       = "part-${count.index}"
  content    = "part ${count.index}"
  on_destroy = "delete"
}
sink "exec" "note" {
  count    = ` + count + `
  command  = ["sh", "-c", "echo ${count.index} >> '${path.module}/runs'"]
  triggers = [sink.file.part[count.index]]
}
sink "file" "all" {
  path    = "all"
  content = join(" ", [for p in sink.file.part : basename(p.path)])
}
`
	}
	m := newModule(t, "main.hcl", config("source.file.n.value"), "n.json", "3")
	d := m.watch()
	d.awaitFile("all", "part-0 part-1 part-2")
	d.await("all have run", func() bool { return len(m.lines("runs")) == 3 })
	m.replace("n.json", "1")
	d.awaitFile("all", "part-0")
	d.awaitNone("part-1")
	d.awaitNone("part-2")
	m.replace("n.json", "2")
	d.awaitFile("all", "part-0 part-1")
	d.awaitFile("part-1", "part 1")
	d.await("the one that came has run", func() bool { return len(m.lines("runs")) == 4 })

	// A value that is no count changes nothing, and says so; one that is empty all of a sudden likewise.
	for text, says := range map[string]string{"-1": "from 0 on", "1.5": "whole number", `"x"`: "whole number", "0": "would remove all 2 instances"} {
		m.replace("n.json", text)
		d.await("it says what is wrong with "+text, func() bool { return strings.Contains(fmt.Sprint(instancesSaid(d)), says) })
	}
	m.wantFile("all", "part-0 part-1")

	// By a reload: from data to a number and back.
	m.replace("n.json", "2")
	m.write("main.hcl", config("1"))
	d.mustReload()
	d.await("the removed one waits for approval", func() bool { return len(d.status().Approvals) == 1 })
	d.awaitFile("all", "part-0")
	m.wantFile("part-1", "part 1")
	m.write("main.hcl", config("3"))
	d.mustReload()
	d.awaitFile("all", "part-0 part-1 part-2")
	d.await("nothing waits any more", func() bool { return len(d.status().Approvals) == 0 })
	m.write("main.hcl", config("source.file.n.value"))
	d.mustReload()
	d.awaitFile("all", "part-0 part-1")
	// It is an edit that takes it away, although the number comes from the data now.
	d.await("the removed one waits for approval", func() bool { return len(d.status().Approvals) == 1 })
	m.wantFile("part-2", "part 2")
	if err := d.Approve(t.Context(), addressOf(t, "sink.file.part[2]")); err != nil {
		t.Fatal(err)
	}
	d.awaitNone("part-2")
	d.await("all are in step", func() bool {
		return !slices.ContainsFunc(d.status().Sinks, func(s *engine.SinkStatus) bool { return s.State != engine.StateOK })
	})
	d.halt()
	for _, line := range m.lines("runs")[:4] {
		if strings.Count(strings.Join(m.lines("runs"), ""), "0") != 1 {
			t.Errorf("part 0 ran more than once (%s): %q", line, m.lines("runs"))
			break
		}
	}
}

// Real files take part in virtual time: they are polled for.
func TestSimulateWithRealFiles(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", followers, "services.json", `{"a":1}`)
		d := w.watch(m)
		pass(time.Minute)
		m.wantFile("out-a.json", "1")
		m.write("services.json", `{"a":1,"b":2}`)
		pass(2 * time.Minute)
		m.wantFile("out-b.json", "2")
		m.wantFile("index", "a,b")
		if got := instanceKeys(d); got != "a,b" {
			t.Errorf("the keys are %s", got)
		}
	})
}
