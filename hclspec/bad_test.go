package hclspec

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

var update = flag.Bool("update", false, "write what comes out to where it is expected: testdata/bad/*.want, testdata/terraform/errors.txt")

// TestBadConfigurations loads each testdata/bad/NAME.hcl (or .hcl.json) alone and compares
// all diagnostics, up to unresolved references and failed validations, with NAME.want.
func TestBadConfigurations(t *testing.T) {
	files, err := filepath.Glob("../testdata/bad/*.hcl*")
	if err != nil || len(files) == 0 {
		t.Fatal("no files in testdata/bad", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := module(t, filepath.Base(path), string(src))
			got := strings.ReplaceAll(messages(everyMistake(dir)), dir, "DIR")
			wantFile := strings.TrimSuffix(strings.TrimSuffix(path, ".json"), ".hcl") + ".want"
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func everyMistake(dir string) hcl.Diagnostics {
	spec, diags := Load(dir)
	if diags.HasErrors() {
		return diags
	}
	for _, l := range spec.Locals {
		diags = append(diags, resolveAll(spec, l.Expr)...)
	}
	for _, b := range spec.Blocks {
		attrs, _ := b.Body.JustAttributes()
		for name, attr := range attrs {
			if name == "detectors" || name == "rules" || name == "rate_limits" || name == "depends_on" {
				refs, refDiags := StaticReferences(attr.Expr)
				diags = append(diags, refDiags...)
				diags = append(diags, resolve(spec, refs)...)
				continue
			}
			diags = append(diags, resolveAll(spec, attr.Expr)...)
		}
	}
	_, valueDiags := spec.VariableValues(map[string]VariableInput{
		"given": {Value: cty.StringVal("wrong"), Source: "--var"},
	}, false)
	diags = append(diags, valueDiags...)
	sortDiagnostics(diags)
	return diags
}

func resolveAll(spec *Spec, expr hcl.Expression) hcl.Diagnostics {
	refs, diags := References(expr)
	return append(diags, resolve(spec, refs)...)
}

func resolve(spec *Spec, refs []*Reference) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range refs {
		if d := spec.Resolve(r); d != nil {
			diags = append(diags, d)
		}
	}
	return diags
}
