//go:build unix

package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// movable is a configuration that notes every delivery of its program, so that a second one shows.
const movable = `
source "file" "old" { path = "app.json" }
sink "file" "old" {
  path    = "out"
  content = jsonencode(source.file.old.value)
}
sink "exec" "old" {
  command  = ["sh", "-c", "echo ran >> ran"]
  triggers = [sink.file.old]
}
`

const movedBlocks = `
moved {
  from = source.file.old
  to   = source.file.new
}
moved {
  from = sink.file.old
  to   = sink.file.new
}
moved {
  from = sink.exec.old
  to   = sink.exec.new
}
`

func renamedConfig() string {
	return strings.ReplaceAll(strings.ReplaceAll(movable, `"old"`, `"new"`), ".old", ".new") + movedBlocks
}

func TestMovedKeepsWhatIsKnown(t *testing.T) {
	m := newModule(t, "main.hcl", movable, "app.json", `{"v":1}`)
	m.mustApply()
	m.write("main.hcl", renamedConfig())
	p, diags := m.plan()
	if diags.HasErrors() || len(p.Moves) != 3 || !p.HasChanges() || !p.Acts() {
		t.Fatalf("%d moves: %s", len(p.Moves), texts(diags))
	}
	for _, c := range p.Sinks {
		if from, ok := p.PreviousAddress(c.Address); c.Action != plan.NoOp || c.Wait != nil || !ok || !strings.HasSuffix(from.String(), ".old") {
			t.Errorf("%s, which was %s: %s", c.Address, from, c.Action)
		}
	}
	m.mustApply()
	if got := m.lines("ran"); len(got) != 1 {
		t.Errorf("the program ran %d times", len(got))
	}
	m.wantNoChanges()
	e, _ := m.load()
	defer e.Close()
	reader, err := e.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := reader.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for a := range ledger.Sinks {
		names = append(names, a.String())
	}
	for a := range ledger.Sources {
		names = append(names, a.String())
	}
	if got := strings.Join(names, " "); strings.Contains(got, "old") || len(names) != 3 {
		t.Errorf("the state knows %s", got)
	}
	// What comes next is delivered once.
	m.write("app.json", `{"v":2}`)
	m.mustApply()
	m.wantFile("out", `{"v":2}`)
	if got := m.lines("ran"); len(got) != 2 {
		t.Errorf("the program ran %d times", len(got))
	}
}

func TestMovedIntoModulesAndInstances(t *testing.T) {
	one := `
sink "file" "conf" {
  path    = "${path.root}/conf"
  content = "x"
}
`
	for name, c := range map[string]struct{ before, after, to string }{
		"into a module":       {one, "module \"m\" { source = \"./m\" }\nmoved {\n  from = sink.file.conf\n  to = module.m.sink.file.conf\n}\n", "module.m.sink.file.conf"},
		"module renamed":      {"module \"a\" { source = \"./m\" }\n", "module \"m\" { source = \"./m\" }\nmoved {\n  from = module.a\n  to = module.m\n}\n", "module.m.sink.file.conf"},
		"module repeated":     {"module \"a\" { source = \"./m\" }\n", "module \"m\" {\n  source = \"./m\"\n  for_each = { \"a.b\" = 1 }\n}\nmoved {\n  from = module.a\n  to = module.m[\"a.b\"]\n}\n", `module.m["a.b"].sink.file.conf`},
		"repeated renamed":    {"module \"a\" {\n  source = \"./m\"\n  count = 1\n}\n", "module \"m\" {\n  source = \"./m\"\n  count = 1\n}\nmoved {\n  from = module.a\n  to = module.m\n}\n", `module.m[0].sink.file.conf`},
		"into an instance":    {one, "sink \"file\" \"conf\" {\n  for_each = { web = 1 }\n  path = \"conf\"\n  content = \"x\"\n}\nmoved {\n  from = sink.file.conf\n  to = sink.file.conf[\"web\"]\n}\n", `sink.file.conf["web"]`},
		"count without moved": {one, strings.Replace(one, "path ", "count = 1\n  path ", 1), "sink.file.conf[0]"},
		"chain":               {one, strings.Replace(one, `"conf"`, `"third"`, 1) + "moved {\n  from = sink.file.conf\n  to = sink.file.second\n}\nmoved {\n  from = sink.file.second\n  to = sink.file.third\n}\n", "sink.file.third"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", c.before, "m/main.hcl", one)
			m.mustApply()
			m.write("main.hcl", c.after)
			p, _ := m.mustApply()
			if len(p.Moves) != 1 || p.Moves[0].To.String() != c.to || len(p.Sinks) != 1 || p.Sinks[0].Action != plan.NoOp {
				t.Errorf("moves %v, planned %s", p.Moves, actionsOf(p))
			}
			m.wantNoChanges()
		})
	}
}

func TestMovedMistakes(t *testing.T) {
	sink := func(name string) string {
		return fmt.Sprintf("sink \"file\" %q {\n  path = %q\n  content = \"x\"\n}\n", name, name)
	}
	move := func(from, to string) string { return fmt.Sprintf("moved {\n  from = %s\n  to = %s\n}\n", from, to) }
	for name, c := range map[string]struct{ text, want string }{
		"still there":          {sink("a") + sink("b") + move("sink.file.a", "sink.file.b"), "is still declared"},
		"another kind":         {sink("b") + move("sink.exec.a", "sink.file.b"), "cannot become"},
		"a module":             {sink("b") + move("module.a", "sink.file.b"), "one end of this move is a module"},
		"a variable":           {sink("b") + move("var.a", "var.b"), "no address of a source"},
		"itself":               {move("sink.file.a", "sink.file.a"), "Both ends"},
		"circle":               {move("sink.file.a", "sink.file.b") + move("sink.file.b", "sink.file.a"), "lead back"},
		"twice":                {move("sink.file.a", "sink.file.b") + move("sink.file.a", "sink.file.c"), "becomes sink.file.b already"},
		"a text":               {move(`"sink.file.a"`, "sink.file.b"), "as it is"},
		"removed, there":       {sink("a") + "removed {\n  from = sink.file.a\n  lifecycle {\n    destroy = false\n  }\n}\n", "is still declared"},
		"removed, naked":       {"removed {\n  from = sink.file.a\n}\n", "lifecycle"},
		"removed, an instance": {"removed {\n  from = sink.file.a[0]\n  lifecycle {\n    destroy = false\n  }\n}\n", "without instance keys"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", c.text)
			if _, diags := m.plan(); !diags.HasErrors() || !strings.Contains(texts(diags), c.want) {
				t.Errorf("got %q, want %q", texts(diags), c.want)
			}
		})
	}
}

// Where both names are known nothing is moved: what would be lost is said.
func TestMovedOntoWhatIsKnown(t *testing.T) {
	sink := "sink \"file\" %q {\n  path = %q\n  content = \"x\"\n}\n"
	m := newModule(t, "main.hcl", fmt.Sprintf(sink, "a", "a")+fmt.Sprintf(sink, "b", "b"))
	m.mustApply()
	m.write("main.hcl", fmt.Sprintf(sink, "b", "b")+"moved {\n  from = sink.file.a\n  to = sink.file.b\n}\n")
	p, diags := m.plan()
	if diags.HasErrors() || !strings.Contains(texts(diags), "knows sink.file.b already") {
		t.Errorf("nothing says so: %s", texts(diags))
	}
	if got := actionsOf(p); got != "forget sink.file.a" || len(p.Moves) != 0 {
		t.Errorf("planned %s", got)
	}
}

func TestRemovedDecidesOverTheTarget(t *testing.T) {
	for destroy, want := range map[bool]plan.Action{false: plan.Forget, true: plan.Delete} {
		for _, policy := range []string{"keep", "delete"} {
			m := newModule(t, "main.hcl", fmt.Sprintf("sink \"file\" \"a\" {\n  path = \"a\"\n  content = \"x\"\n  on_destroy = %q\n}\n", policy))
			m.mustApply()
			m.write("main.hcl", fmt.Sprintf("removed {\n  from = sink.file.a\n  lifecycle {\n    destroy = %t\n  }\n}\n", destroy))
			p, _ := m.mustApply()
			if len(p.Sinks) != 1 || p.Sinks[0].Action != want {
				t.Errorf("on_destroy %s, destroy %t: %s", policy, destroy, actionsOf(p))
			}
			if reason := strings.Join(p.Sinks[0].Reasons, "; "); !destroy && !strings.Contains(reason, "its removed block keeps it") {
				t.Errorf("on_destroy %s: the reason is %q", policy, reason)
			}
			if _, there := m.read("a"); there == destroy {
				t.Errorf("on_destroy %s, destroy %t: the target is there: %t", policy, destroy, there)
			}
			m.wantNoChanges()
		}
	}
}

// Whoever wants that deleted which nobody can delete is told so.
func TestRemovedProgramCannotBeDeleted(t *testing.T) {
	m := newModule(t, "main.hcl", `sink "exec" "a" { command = ["true"] }`)
	m.mustApply()
	m.write("main.hcl", "removed {\n  from = sink.exec.a\n  lifecycle {\n    destroy = true\n  }\n}\n")
	p, _ := m.mustApply()
	if reason := strings.Join(p.Sinks[0].Reasons, "; "); actionsOf(p) != "forget sink.exec.a" || !strings.Contains(reason, "cannot be deleted") {
		t.Errorf("%s: %s", actionsOf(p), reason)
	}
}

// A daemon takes over what is called otherwise when it starts and when it reloads.
func TestWatchMoved(t *testing.T) {
	m := newModule(t, "main.hcl", movable, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out", `{"v":1}`)
	d.await("the program ran", func() bool { return len(m.lines("ran")) == 1 && d.sink("sink.exec.old").State == engine.StateOK })
	m.write("main.hcl", renamedConfig())
	d.mustReload()
	d.await("the renamed sinks are well", func() bool {
		s, err := d.Status(t.Context())
		return err == nil && len(s.Sinks) == 2 && s.Sinks[0].State == engine.StateOK && s.Sinks[1].State == engine.StateOK && strings.HasSuffix(s.Sinks[0].Address.String(), "new")
	})
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out", `{"v":2}`)
	d.await("the program ran again", func() bool { return len(m.lines("ran")) == 2 })
	d.halt()
	// Back again, at a start.
	m.write("main.hcl", movable+strings.NewReplacer("old", "new", "new", "old").Replace(movedBlocks))
	d = m.watch()
	d.await("the sinks are well", func() bool {
		s, err := d.Status(t.Context())
		return err == nil && len(s.Sinks) == 2 && s.Sinks[0].State == engine.StateOK && s.Sinks[1].State == engine.StateOK
	})
	d.await("every source was tried", d.Ready)
	if got := m.lines("ran"); len(got) != 2 {
		t.Errorf("the program ran %d times", len(got))
	}
	m.replace("app.json", `{"v":3}`)
	d.awaitFile("out", `{"v":3}`)
	d.await("the program ran a third time", func() bool { return len(m.lines("ran")) == 3 })
}

// What was moved is counted, and its history goes on under the new name.
func TestMovedIsCountedAndKeepsItsHistory(t *testing.T) {
	m := newModule(t, "main.hcl", movable, "app.json", `{"v":1}`)
	m.mustApply()
	m.write("main.hcl", renamedConfig())
	m.tool("apply", "--auto-approve").want(t, 0, "Apply complete: 0 added, 0 changed, 0 destroyed, 3 moved.")
	m.tool("history", "sink.file.new").want(t, 0, "moved from sink.file.old", "sink.file.old create")
	m.tool("history", "--limit", "1", "sink.file.new").want(t, 0, "moved from sink.file.old")
	r := m.tool("history", "--json", "sink.file.new")
	r.want(t, 0, `"address": "sink.file.old"`, `"action": "create"`)

	m.write("main.hcl", movable+strings.NewReplacer(".new", ".old", ".old", ".new").Replace(movedBlocks))
	m.tool("apply", "--auto-approve", "--json").want(t, 0, `"move":3`)
}

func TestWatchMovedIsCountedAndKeepsItsHistory(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", movable, "app.json", `{"v":1}`)
	m.mustApply()
	m.write("main.hcl", renamedConfig())
	d := m.watch(func(_ *engine.Options, w *engine.WatchOptions) { w.ConfigInterval = 10 * time.Millisecond })
	d.await("it says how many were moved", func() bool {
		list := events[engine.DaemonStarted](d)
		return len(list) == 1 && list[0].Moved == 3
	})
	m.write("main.hcl", strings.NewReplacer(`"old"`, `"newer"`, ".old", ".newer").Replace(movable)+movedBlocks+strings.NewReplacer(".new", ".newer", ".old", ".new").Replace(movedBlocks))
	d.await("it says how many were moved", func() bool {
		for _, ev := range events[engine.Reloaded](d) {
			if ev.Moved == 3 {
				return true
			}
		}
		return false
	})
	a, err := address.Parse("sink.exec.newer")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := d.History(t.Context(), a, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s %s", e.Action, e.Address))
	}
	if got, want := strings.Join(got, ", "), "move sink.exec.newer, move sink.exec.new, create sink.exec.old"; got != want {
		t.Errorf("its history is %s, want %s", got, want)
	}
}
