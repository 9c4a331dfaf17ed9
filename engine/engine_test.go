package engine_test

import (
	"testing"

	"tidegate/engine/plan"
)

const staticToFile = `
source "static" "app" {
  value = { name = "app", port = 8080 }
}
sink "file" "app" {
  path    = "out/app.json"
  content = jsonencode(source.static.app.value)
  create_dirs = true
}
`

func TestValueTravelsToFileAndSettles(t *testing.T) {
	m := newModule(t, "main.hcl", staticToFile)
	p, diags := m.plan()
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	if c := sinkChange(t, p, "sink.file.app"); c.Action != plan.Create {
		t.Errorf("the plan says %s, want create", c.Action)
	}
	if _, ok := m.read("out/app.json"); ok {
		t.Error("plan wrote the file")
	}
	if _, ok := m.read(".tidegate"); ok {
		t.Error("plan made a state")
	}
	_, result := m.mustApply()
	if result.Added != 1 || result.Accepted != 1 {
		t.Errorf("result = %+v", result)
	}
	m.wantFile("out/app.json", `{"name":"app","port":8080}`)
	m.wantNoChanges()
	_, result = m.mustApply()
	if result.Added+result.Changed+result.Accepted != 0 {
		t.Errorf("the second apply did something: %+v", result)
	}
}
