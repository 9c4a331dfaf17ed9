package engine_test

import (
	"testing"
	"time"

	"tidegate/engine"
)

// One address is resumed out of a paused glob; the rest stays paused, also after a restart.
func TestWatchResumesOneOutOfAPausedGlob(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "1s"`, "a", "b", "c"))
		d := w.watch(m)
		states := func(a, b, c string) {
			t.Helper()
			pass(5 * time.Second)
			for name, want := range map[string]string{"a": a, "b": b, "c": c} {
				if got, _ := d.stateOf("source.sim." + name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
		}
		pause := func() {
			t.Helper()
			if err := d.Pause(t.Context(), engine.Pause{Pattern: "source.sim.*", Reason: "maintenance"}); err != nil {
				t.Fatal(err)
			}
		}
		resume := func(pattern string, want int) {
			t.Helper()
			if n, err := d.Resume(t.Context(), pattern); err != nil || n != want {
				t.Errorf("resume %s: %d, %v", pattern, n, err)
			}
		}
		pass(time.Second)
		pause()
		states(engine.StatePaused, engine.StatePaused, engine.StatePaused)
		resume("source.sim.b", 1)
		states(engine.StatePaused, engine.StateOK, engine.StatePaused)
		if _, err := d.Resume(t.Context(), "source.sim.b"); err == nil {
			t.Error("it was resumed twice")
		}
		d.halt()
		d = w.watch(m)
		states(engine.StatePaused, engine.StateOK, engine.StatePaused)
		// Its own pause is another, and the glob takes all of them in again.
		if err := d.Pause(t.Context(), engine.Pause{Pattern: "source.sim.b"}); err != nil {
			t.Fatal(err)
		}
		states(engine.StatePaused, engine.StatePaused, engine.StatePaused)
		pause()
		resume("source.sim.b", 2)
		states(engine.StatePaused, engine.StateOK, engine.StatePaused)
		resume("source.sim.*", 1)
		states(engine.StateOK, engine.StateOK, engine.StateOK)
	})
}
