package hclspec_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"tidegate/hclspec"
)

// FuzzFunctions calls functions with whatever comes: none may panic, answer what cannot be
// written, or differ from one time to the next.
func FuzzFunctions(f *testing.F) {
	for _, src := range lines(f, filepath.Join(recorded, "expressions.txt")) {
		f.Add(src)
	}
	for _, src := range []string{
		`deepmerge({ a = { b = 1 } }, local.partly_map, local.secret_map)`, `tomlencode({ a = [{ b = 1.5 }] })`, `tomldecode("a.b = [1]\n")`, `hcldecode("a \"b\" {\n c = 1\n}\n")`,
		`envencode({ A = "x y" })`, `envdecode("A='x'\nexport B=1\n")`, `propertiesencode({ "a b" = "é" })`, `propertiesdecode("a: \\u00e9\n")`, `iniencode({ s = { k = "v" } })`,
		`inidecode("[s]\nk = v\n")`, `csvencode([{ a = 1 }], ["a"])`, `gotemplate("hello.tftpl", {})`,
	} {
		f.Add(src)
	}
	funcs := hclspec.Functions(hclspec.FunctionOptions{ModuleDir: absolute(f, filepath.Join(recorded, "files"))})
	ctx := &hcl.EvalContext{Functions: funcs, Variables: map[string]cty.Value{"local": recordedLocals()}}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 500 {
			return
		}
		v, err := evaluate(ctx, src)
		if err != nil {
			if strings.Contains(err.Error(), "goroutine ") || strings.Contains(err.Error(), "panic") && !strings.Contains(src, "panic") {
				t.Fatalf("%s: %v", src, err)
			}
			return
		}
		again, err := evaluate(ctx, src)
		if err != nil || !again.RawEquals(v) {
			t.Fatalf("%s = %#v, then %#v, %v", src, v, again, err)
		}
		plain, _ := v.UnmarkDeep()
		if plain.IsWhollyKnown() {
			_, _ = stdlib.JSONEncode(plain) // infinities have no JSON
		}
	})
}
