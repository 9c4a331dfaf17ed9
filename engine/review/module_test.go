package review_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine/modules"
)

// oneService is a module that writes one file.
const oneService = `
variable "name" {}
sink "file" "conf" {
  path    = "${path.root}/${var.name}.conf"
  content = "port 80"
}
`

// The directories of modules are those of the commit too, beside and below the root module.
func TestModulesAreThoseOfTheCommit(t *testing.T) {
	r := newRepository(t)
	r.commit("main.hcl", `
module "inner" {
  source = "./service"
  name   = "inner"
}
module "beside" {
  source = "../service"
  name   = "beside"
}
`, "service/main.hcl", oneService, "../service/main.hcl", `
variable "name" {}
module "deep" {
  source = "../deep"
  name   = var.name
}
`, "../deep/main.hcl", oneService)
	p := r.mustCompare("main")
	equal(t, "without a change", actions(p))
	if len(p.Base.Changes) > 0 {
		t.Errorf("changes: %v", p.Base.Changes)
	}
	r.commit("service/main.hcl", strings.ReplaceAll(oneService, "port 80", "port 8080"))
	r.write("../deep/main.hcl", strings.ReplaceAll(oneService, "port 80", "port 8081"))
	equal(t, "of both modules", actions(r.mustCompare("main~1")),
		"module.beside.module.deep.sink.file.conf update", "module.inner.sink.file.conf update")
	equal(t, "of the one beside", actions(r.mustCompare("main")), "module.beside.module.deep.sink.file.conf update")

	shallow := filepath.Join(t.TempDir(), "clone")
	r.commit()
	if out, err := exec.Command("git", "clone", "-q", "--depth=1", "--branch=main", "file://"+r.top, shallow).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := &repository{t, shallow, filepath.Join(shallow, "infra", "app")}
	c.git("fetch", "-q", "--depth=1", "origin", "main")
	c.write("../deep/main.hcl", strings.ReplaceAll(oneService, "port 80", "port 1"))
	equal(t, "in a shallow clone", actions(c.mustCompare("HEAD")), "module.beside.module.deep.sink.file.conf update")
}

// A module that comes with the change is new; one whose directory was not there is an error of
// the base.
func TestModulesThatComeWithTheChange(t *testing.T) {
	r := newRepository(t)
	r.commit("main.hcl", "locals { a = 1 }\n")
	r.write("main.hcl", "module \"s\" {\n  source = \"./service\"\n  name = \"s\"\n}\n", "service/main.hcl", oneService)
	equal(t, "of a new module", actions(r.mustCompare("main")), "module.s.sink.file.conf create")

	if err := os.RemoveAll(filepath.Join(r.dir, "service")); err != nil {
		t.Fatal(err)
	}
	r.commit()
	r.write("service/main.hcl", oneService)
	r.git("add", "infra/app/service")
	got := r.compare("main")
	if !strings.Contains(texts(got.Diags), "In the base: Directory not found") {
		t.Errorf("said:\n%s", texts(got.Diags))
	}
	equal(t, "of a base that does not load", actions(got.Plan), "module.s.sink.file.conf create")
}

// Modules from git are those that the lock file of the commit names.
func TestModulesFromGitAreThoseOfTheLock(t *testing.T) {
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	shared, r := newRepository(t), newRepository(t)
	shared.commit("../../service/main.hcl", oneService)
	r.commit("../../.gitignore", ".tidegate/\n", "main.hcl", `
module "s" {
  source = "git::file://`+shared.top+`//service?ref=main"
  name   = "s"
}
`)
	get := func(upgrade bool) {
		t.Helper()
		if got := modules.Get(context.Background(), modules.Options{Dir: r.dir, Upgrade: upgrade}); got.Diags.HasErrors() {
			t.Fatal(texts(got.Diags))
		}
	}
	get(false)
	r.commit()
	equal(t, "without a change", actions(r.mustCompare("main")))

	shared.commit("../../service/main.hcl", strings.ReplaceAll(oneService, "port 80", "port 8080"))
	get(true)
	equal(t, "of another commit", actions(r.mustCompare("main")), "module.s.sink.file.conf update")

	// Of what the base locks and nobody fetched, it says so.
	if err := os.RemoveAll(filepath.Join(r.dir, ".tidegate")); err != nil {
		t.Fatal(err)
	}
	get(false)
	got := r.compare("main")
	if !strings.Contains(texts(got.Diags), "In the base: Module not installed") {
		t.Errorf("said:\n%s", texts(got.Diags))
	}
	equal(t, "of a base that does not load", actions(got.Plan), "module.s.sink.file.conf create")
}
