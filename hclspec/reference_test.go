package hclspec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func describe(r *Reference) string {
	s := r.Root
	if !r.Target.IsZero() {
		s = r.Instance().String()
	}
	if r.Name != "" {
		s += " name=" + r.Name
	}
	for _, step := range r.Rest {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			s += " ." + step.Name
		case hcl.TraverseIndex:
			s += " []"
		}
	}
	return fmt.Sprintf("%s @%d-%d", s, r.Range.Start.Column, r.Range.End.Column)
}

func TestReferences(t *testing.T) {
	for src, want := range map[string]string{
		`var.x`:                      "var.x @1-6",
		`var.x["a"].b`:               "var.x [] .b @1-6",
		`local.x[0]`:                 "local.x [] @1-8",
		`source.http.app.value.a`:    "source.http.app .value .a @1-16",
		`source.http.app["k"].value`: `source.http.app["k"] .value @1-21`,
		`sink.file.app[2]`:           "sink.file.app[2] @1-17",
		`source.http.app[1.5]`:       "source.http.app [] @1-16",
		`source.http.app[*].value`:   "source.http.app @1-16",
		`env.HOME`:                   "env name=HOME @1-9",
		`env["a.b"]`:                 "env name=a.b @1-11",
		`path.module`:                "path name=module @1-12",
		`value.a`:                    "value .a @1-6",
		`text`:                       "text @1-5",
		`each.value.x`:               "each name=value .x @1-11",
		`count.index`:                "count name=index @1-12",
		`delivery.id`:                "delivery .id @1-9",
		`[for k, v in var.m : "${k}-${v}-${previous.x}"]`: "var.m @14-19; previous .x @35-43",
		`1 + 2`: "",
	} {
		expr, diags := parseExpression(src, "x")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		refs, diags := References(expr)
		if diags.HasErrors() {
			t.Errorf("%s: %v", src, diags)
		}
		var got []string
		for _, r := range refs {
			got = append(got, describe(r))
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}

func TestResolveLooksAtTheBlockNotTheInstance(t *testing.T) {
	spec := load(t, "main.hcl", `
source "http" "app" { for_each = {} }
locals { a = source.http.app["x"].value }
`)
	refs, diags := References(spec.Locals["a"].Expr)
	if diags.HasErrors() || len(refs) != 1 {
		t.Fatal(diags)
	}
	if d := spec.Resolve(refs[0]); d != nil {
		t.Error(d)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"source", "sink", "rule", "rate_limit", "detector", "var"}
	for word, want := range map[string]string{
		"sorce": "source", "soruce": "source", "snk": "sink", "ruel": "rule", "ratelimit": "rate_limit",
		"detecter": "detector", "vra": "var", "resource": "source", "x": "", "": "", "completely": "", "dector": "detector",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
