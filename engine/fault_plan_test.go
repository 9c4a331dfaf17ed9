package engine_test

import (
	"context"
	"testing"

	"tidegate/engine"
)

// E12: what was reviewed is what is applied. A source that moves between plan and apply changes
// nothing of that; a target that somebody writes meanwhile is left to who wrote it, since
// nobody has seen what would be lost there.
func TestFaultE12TheWorldMovesBetweenPlanAndApply(t *testing.T) {
	for what, c := range map[string]struct {
		move  func(m *module)
		holds string
		fails string
	}{
		"the source":                    {func(m *module) { m.write("v.txt", "three") }, "two", ""},
		"the source, and back":          {func(m *module) { m.write("v.txt", "one") }, "two", ""},
		"the target":                    {func(m *module) { m.write("out.txt", "theirs") }, "theirs", "was changed by somebody else since the plan was made; plan again"},
		"the target, to what is wanted": {func(m *module) { m.write("out.txt", "two") }, "two", ""},
	} {
		t.Run(what, func(t *testing.T) {
			m := newModule(t, "v.txt", "one", "main.hcl", `
source "file" "v" { path = "v.txt" }
sink "file" "out" {
  path    = "out.txt"
  content = source.file.v.text
}`)
			m.mustApply()
			m.write("v.txt", "two")
			e, diags := m.load()
			defer e.Close()
			if diags.HasErrors() {
				t.Fatal(texts(diags))
			}
			ctx := context.Background()
			if err := e.Lock(ctx); err != nil {
				t.Fatal(err)
			}
			p, diags := e.Plan(ctx, engine.PlanOptions{})
			if diags.HasErrors() {
				t.Fatal(texts(diags))
			}
			c.move(m)
			_, diags = e.Apply(ctx, p)
			m.wantFile("out.txt", c.holds)
			if c.fails != "" {
				wantError(t, diags, c.fails)
			} else if diags.HasErrors() {
				t.Error(texts(diags))
			}
		})
	}
}
