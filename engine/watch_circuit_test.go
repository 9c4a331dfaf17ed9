package engine_test

import (
	"fmt"
	"testing"
	"time"
)

// Hosts that come out of data come and go: a circuit goes with the last source of its host, also
// while the host is down, and one that stays is probed by those that are left.
func TestWatchCircuitsGoWithTheirHosts(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		const where = `
source "sim" "where" {
  name     = "where"
  interval = "1s"
}
`
		m := newModule(t, "main.hcl", where+
			simSources("host = \"h${source.sim.where.value.n}\"\n  interval = \"5s\"", "a", "b")+
			simSources("host = \"stays\"\n  interval = \"5s\"", "c", "d"))
		for _, name := range []string{"a", "b", "c", "d"} {
			w.fails(name)
		}
		d := w.watch(m)
		circuits := func(want int) {
			t.Helper()
			got, err := d.Circuits(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("there are circuits of %d hosts, want %d", got, want)
			}
		}
		for n := range 30 {
			w.set("where", fmt.Sprintf(`{"n":%d}`, n))
			pass(time.Minute)
		}
		circuits(2)
		m.write("main.hcl", where+simSources("host = \"stays\"\n  interval = \"5s\"", "d"))
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		circuits(1)
		from := time.Now()
		pass(20 * time.Minute)
		if n := len(between(w.looks("d"), from, time.Now())); n < 3 {
			t.Errorf("the host was probed %d times", n)
		}
		m.write("main.hcl", where)
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		circuits(0)
	})
}
