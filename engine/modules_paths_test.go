//go:build unix

package engine_test

import (
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine"
)

// pathsOfModules has sinks of a module and of the root module whose relative paths are alike.
func pathsOfModules(t *testing.T) *module {
	return newModule(t, "v.json", `{"n":1}`, "m/sub/.keep", "", "sub/.keep", "", "main.hcl", `
source "file" "v" { path = "v.json" }
module "m" {
  source = "./m"
  n      = source.file.v.value.n
}
sink "file" "root" {
  path    = "a"
  content = "root"
}
`, "m/main.hcl", `
variable "n" {}
sink "file" "a" {
  path       = "a"
  content    = "module ${var.n}"
  on_destroy = "delete"
}
sink "exec" "default" {
  command = ["/bin/sh", "-c", "pwd >> ran; cat >> ran"]
  stdin   = "${var.n}\n"
}
sink "exec" "below" {
  command = ["/bin/sh", "-c", "pwd >> ran; cat >> ran"]
  stdin   = "${var.n}\n"
  dir     = "sub"
}
`)
}

// wantPaths checks who wrote where.
func (m *module) wantPaths(n string, runs string) {
	m.t.Helper()
	m.wantFile("a", "root")
	m.wantFile("m/a", "module "+n)
	dir, err := filepath.EvalSymlinks(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	m.wantFile("ran", strings.ReplaceAll(runs, "DIR", dir))
	m.wantFile("m/sub/ran", strings.ReplaceAll(runs, "DIR", dir+"/m/sub"))
	for _, name := range []string{"sub/ran", "m/ran"} {
		if exists(m.path(name)) {
			m.t.Errorf("%s is there", name)
		}
	}
}

// What a sink of a module writes, and where its program runs, is below the module's directory, when
// it is planned as when it is delivered, and from the state alone.
func TestRelativePathsOfAModuleAreBelowIt(t *testing.T) {
	m := pathsOfModules(t)
	m.mustApply()
	m.wantPaths("1", "DIR\n1\n")
	m.wantNoChanges()
	m.write("v.json", `{"n":2}`)
	m.mustApplySaved(m.savePlan())
	m.wantPaths("2", "DIR\n1\nDIR\n2\n")
	m.wantNoChanges()
	m.write("m/a", "somebody else's")
	m.mustApply()
	m.wantPaths("2", "DIR\n1\nDIR\n2\n")
	if _, _, diags := m.run(engine.PlanOptions{Destroy: true}); diags.HasErrors() {
		t.Fatal(diags)
	}
	if exists(m.path("m/a")) {
		t.Error("m/a is still there")
	}
	m.wantFile("a", "root")
}

func TestWatchRelativePathsOfAModuleAreBelowIt(t *testing.T) {
	m := pathsOfModules(t)
	d := m.watch()
	d.inStep()
	m.wantPaths("1", "DIR\n1\n")
	m.replace("v.json", `{"n":2}`)
	d.awaitFile("m/a", "module 2")
	d.await("the programs have run", func() bool { return len(m.lines("ran")) == 4 && len(m.lines("m/sub/ran")) == 4 })
	d.inStep()
	m.wantPaths("2", "DIR\n1\nDIR\n2\n")
	d.halt()
	m.wantNoChanges()
}
