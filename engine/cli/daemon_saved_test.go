package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// heldSink is a chain of three sinks, of which the second one waits while there is a file "hold".
const heldSink = `
detector "hash" "slow" { interval = "1h" }
source "file" "v" {
  path      = "v.json"
  detectors = [detector.hash.slow]
}
sink "file" "first" {
  path    = "first"
  content = "first ${source.file.v.value.n}"
}
sink "exec" "run" {
  command    = ["sh", "-c", "echo $0 >> ran; if [ -e hold ]; then : > held; while [ -e hold ]; do sleep 0.02; done; fi", tostring(source.file.v.value.n)]
  depends_on = [sink.file.first]
}
sink "file" "last" {
  path       = "last"
  content    = "last ${source.file.v.value.n}"
  depends_on = [sink.exec.run]
}
`

// A daemon that is killed in the middle of a saved plan leaves nothing undone: whoever asked
// hears of it, the next daemon goes on from what the plan accepted, and nothing that was
// acknowledged is delivered again or undone.
func TestDaemonKilledInTheMiddleOfASavedPlan(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) string {
		data, _ := os.ReadFile(path(name))
		return string(data)
	}
	writeText(t, path("main.hcl"), heldSink)
	writeText(t, path("v.json"), `{"n":1}`)
	daemon := start(t, dir, nil, "apply", "--watch")
	daemon.eventually(t, "delivered", func() bool { return read("last") == "last 1" })
	writeText(t, path("v.json"), `{"n":2}`)
	start(t, dir, nil, "plan", "--out", "change.plan").ends(t, 0)
	writeText(t, path("hold"), "")
	apply := start(t, dir, nil, "apply", "change.plan")
	apply.eventually(t, "the program runs", func() bool { return there(path("held")) })
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait()
	apply.ends(t, 1)
	if out := apply.out.String(); !strings.Contains(out, "hung up in the middle of the plan") || !strings.Contains(out, "tidegate history") {
		t.Error(out)
	}
	if err := os.Remove(path("hold")); err != nil {
		t.Fatal(err)
	}
	if read("first") != "first 2" || read("last") != "last 1" {
		t.Errorf("%q, %q", read("first"), read("last"))
	}

	daemon = start(t, dir, nil, "apply", "--watch")
	daemon.eventually(t, "the rest is delivered", func() bool { return read("last") == "last 2" })
	// What had its delivery has it once; of what was under way nobody knew.
	if got := read("ran"); got != "1\n2\n2\n" {
		t.Errorf("it ran %q", got)
	}
	history := start(t, dir, nil, "history", "sink.file.first")
	history.ends(t, 0)
	if n := strings.Count(history.out.String(), "sink.file.first"); n != 2 {
		t.Errorf("%d deliveries:\n%s", n, history.out.String())
	}
	again := start(t, dir, nil, "apply", "change.plan")
	again.ends(t, 1)
	if !strings.Contains(again.out.String(), "Stale plan") {
		t.Error(again.out.String())
	}
	plan := start(t, dir, nil, "plan", "--detailed-exitcode")
	plan.ends(t, 0)
	daemon.stops(t)
}

// Whoever asked for a saved plan may leave: the daemon goes on with it.
func TestDaemonGoesOnWithASavedPlan(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) string {
		data, _ := os.ReadFile(path(name))
		return string(data)
	}
	writeText(t, path("main.hcl"), heldSink)
	writeText(t, path("v.json"), `{"n":1}`)
	daemon := start(t, dir, nil, "apply", "--watch")
	daemon.eventually(t, "delivered", func() bool { return read("last") == "last 1" })
	writeText(t, path("v.json"), `{"n":2}`)
	start(t, dir, nil, "plan", "--out", "change.plan").ends(t, 0)
	writeText(t, path("hold"), "")
	apply := start(t, dir, nil, "apply", "change.plan")
	apply.eventually(t, "the program runs", func() bool { return there(path("held")) })
	apply.signal(t, os.Interrupt)
	apply.ends(t, 1)
	if out := apply.out.String(); !strings.Contains(out, "tidegate history") {
		t.Error(out)
	}
	if err := os.Remove(path("hold")); err != nil {
		t.Fatal(err)
	}
	daemon.eventually(t, "the rest is delivered", func() bool { return read("last") == "last 2" })
	if got := read("ran"); got != "1\n2\n" {
		t.Errorf("it ran %q", got)
	}
	daemon.stops(t)
}

// A second plan beside one that is under way is refused with what to do, in words and as JSON.
// Nothing of it is lost: it is applied when the first one is done, where that left it alone, and
// refused as stale where it did not.
func TestDaemonRefusesASecondSavedPlanMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) string {
		data, _ := os.ReadFile(path(name))
		return string(data)
	}
	writeText(t, path("main.hcl"), heldSink+`
source "file" "w" {
  path      = "w.json"
  detectors = [detector.hash.slow]
}
sink "file" "other" {
  path    = "other"
  content = "other ${source.file.w.value.n}"
}
`)
	writeText(t, path("v.json"), `{"n":1}`)
	writeText(t, path("w.json"), `{"n":1}`)
	daemon := start(t, dir, nil, "apply", "--watch")
	daemon.eventually(t, "delivered", func() bool { return read("last") == "last 1" && read("other") == "other 1" })
	writeText(t, path("v.json"), `{"n":2}`)
	start(t, dir, nil, "plan", "--out", "first.plan").ends(t, 0)
	writeText(t, path("v.json"), `{"n":1}`)
	writeText(t, path("w.json"), `{"n":2}`)
	start(t, dir, nil, "plan", "--out", "second.plan").ends(t, 0)
	writeText(t, path("hold"), "")
	first := start(t, dir, nil, "apply", "first.plan")
	first.eventually(t, "the program runs", func() bool { return there(path("held")) })
	for _, plan := range []string{"second.plan", "first.plan"} {
		for _, flags := range [][]string{{}, {"--json"}} {
			again := start(t, dir, nil, append([]string{"apply", plan}, flags...)...)
			again.ends(t, 1)
			if out := strings.Join(strings.Fields(again.out.String()), " "); !strings.Contains(out, "Cannot apply the plan") ||
				!strings.Contains(out, "nother saved plan is being carried out by the daemon, and nothing of this one was done; try again when the other one is finished") {
				t.Errorf("%s %v: %s", plan, flags, out)
			}
		}
	}
	if got := read("other"); got != "other 1" {
		t.Errorf("the second plan did something: %q", got)
	}
	if err := os.Remove(path("hold")); err != nil {
		t.Fatal(err)
	}
	first.ends(t, 0)
	if got := read("last"); got != "last 2" {
		t.Errorf("the first plan came to %q", got)
	}
	second := start(t, dir, nil, "apply", "second.plan")
	second.ends(t, 0)
	if got := read("other"); got != "other 2" {
		t.Errorf("the second plan came to %q", got)
	}
	again := start(t, dir, nil, "apply", "first.plan")
	again.ends(t, 1)
	if out := again.out.String(); !strings.Contains(out, "Stale plan") {
		t.Error(out)
	}
	if got := read("ran"); got != "1\n2\n" {
		t.Errorf("it ran %q", got)
	}
	daemon.stops(t)
}
