package hclspec

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func TestOwnFunctions(t *testing.T) {
	funcs := Functions(FunctionOptions{ModuleDir: t.TempDir()})
	vars := map[string]cty.Value{
		"secret":  cty.StringVal("A='hunter2\n").Mark(Sensitive),
		"unknown": cty.DynamicVal, "unknown_text": cty.UnknownVal(cty.String), "unknown_map": cty.UnknownVal(cty.Map(cty.String)),
	}
	for src, want := range map[string]string{ // as JSON; "ERR" and what the error says; "?" for what is not known
		`deepmerge({a={x=1,y=[1]},b=1}, {a={y=[2],z=3}}, null, {b=null})`: `{"a":{"x":1,"y":[2],"z":3},"b":null}`,
		`deepmerge()`: `{}`,
		`deepmerge(tomap({a="x"}), {a={b=1}}, {a={c=2}})`: `{"a":{"b":1,"c":2}}`,
		`deepmerge({a={b=1}}, {a="x"}, {a={c=1}})`:        `{"a":{"c":1}}`,
		`deepmerge({a=1}, [1])`:                           `ERR a map or an object is needed, not tuple`,
		`deepmerge({a=1}, unknown)`:                       `?`,
		`deepmerge({a=1}, "x")`:                           `ERR a map or an object is needed, not string`,
		`deepmerge({a={b=1}, c=1}, {a=unknown}).c`:        `1`,
		`deepmerge({a={b=1}}, {a=unknown}).a`:             `?`,
		`deepmerge({a=unknown}, {a={b=1}}).a`:             `?`,
		`deepmerge({a=unknown}, {a=[1]}).a`:               `[1]`,
		`deepmerge({a={b=1}}, {a=unknown_text}).a`:        `?`,
		`deepmerge({a={b=1}}, {a=unknown_map}).a`:         `?`,
		`tomldecode("a = 1.50\n[b]\nc = [1979-05-27]")`:   `{"a":1.5,"b":{"c":["1979-05-27"]}}`,
		`tomldecode("a = 1\na = 2")`:                      `ERR duplicate key`,
		`tomldecode(unknown_text)`:                        `?`,
		`tomlencode({b={c=[1,"x"]},a=true})`:              `"a = true\n\n[b]\nc = [1, \"x\"]\n"`,
		`tomlencode({a=null})`:                            `ERR a: it is null, which TOML does not have`,
		`tomlencode({a=unknown})`:                         `?`,
		`tomlencode(unknown)`:                             `?`,
		`hcldecode("a \"b\" {\n  c = [1, -2]\n}\n")`:      `{"a":{"b":[{"c":[1,-2]}]}}`,
		`hcldecode("a = b")`:                              `ERR has to be computed`,
		`envdecode("A=1\nexport B='x y'\n")`:              `{"A":"1","B":"x y"}`,
		`envdecode("A=1\nA=2")`:                           `ERR duplicate key "A"`,
		`envencode({B="x y", A=1})`:                       `"A=1\nB='x y'\n"`,
		`envencode({"a-b"=1})`:                            `ERR a-b: it cannot be the name of a variable`,
		`propertiesdecode("a.b = \\u00e9\nc: 1")`:         `{"a.b":"é","c":"1"}`,
		`propertiesencode({"a.b"="é", c=true})`:           `"a.b=\\u00e9\nc=true\n"`,
		`inidecode("x=1\n[s]\ny = 2\n")`:                  `{"s":{"y":"2"},"x":"1"}`,
		`iniencode({x=1,s={y="2"}})`:                      `"x = 1\n\n[s]\ny = 2\n"`,
		`csvencode([{b=1,a="x,"},{b=null,a=true}])`:       `"a,b\n\"x,\",1\ntrue,\n"`,
		`csvencode([{b=1,a="x"}], ["b","a"])`:             `"b,a\n1,x\n"`,
		`csvencode([], ["b","a"])`:                        `"b,a\n"`,
		`csvencode([{b=1}], ["b"], ["c"])`:                `ERR one or two arguments`,
		`csvencode([{b=1}], [null])`:                      `ERR one is null`,
		`csvencode([{b=1}], "b")`:                         `ERR a list of texts`,
		`csvencode([{b=unknown}])`:                        `?`,
		`csvencode([{a=1},{b=1}])`:                        `ERR row 1: it has no attribute a`,
		`csvdecode(csvencode([{a="x, \"y\"",b="1"}])) == tolist([{a="x, \"y\"",b="1"}])`: `true`,
		`templatestring("$${envencode({ A = v })}", { v = 1 })`:                          `"A=1\n"`,
		`envdecode(secret)`: `ERR Why is not shown`,
	} {
		val, diags := eval(t, src, funcs, vars)
		if message, failed := strings.CutPrefix(want, "ERR "); failed {
			if !diags.HasErrors() || !strings.Contains(diags.Error(), message) || strings.Contains(diags.Error(), "hunter2") {
				t.Errorf("%s = %#v, %v; want an error with %q", src, val, diags, message)
			}
			continue
		}
		got := "?"
		if diags.HasErrors() {
			t.Errorf("%s: %v", src, diags)
			continue
		}
		if val.IsWhollyKnown() {
			b, err := ctyjson.Marshal(val, val.Type())
			if err != nil {
				t.Fatal(err)
			}
			got = string(b)
		}
		if got != want {
			t.Errorf("%s = %s, want %s", src, got, want)
		}
	}
}

func TestMarksFlowThroughOwnFunctions(t *testing.T) {
	funcs := Functions(FunctionOptions{ModuleDir: t.TempDir()})
	vars := map[string]cty.Value{
		"s": cty.StringVal("a=1").Mark(Sensitive),
		"m": cty.ObjectVal(map[string]cty.Value{"k": cty.StringVal("v").Mark(Sensitive)}),
		"w": cty.ObjectVal(map[string]cty.Value{"k": cty.StringVal("v")}).Mark(Sensitive),
	}
	for _, src := range []string{
		`envdecode(s)`, `propertiesdecode(s)`, `inidecode(s)`, `tomldecode(s)`, `hcldecode(s)`, `envencode(m)`, `propertiesencode(w)`, `iniencode({ s = m })`,
		`tomlencode(m)`, `csvencode([m])`, `csvencode([w])`, `csvencode([{ k = 1 }], sensitive(["k"]))`, `deepmerge(m, {})`, `deepmerge({ a = m }, { a = { b = 1 } })`,
		`deepmerge({ a = { b = 1 } }, { a = w })`, `deepmerge({ a = w }, { a = { b = 1 } })`, `deepmerge(w, { a = 1 })`, `deepmerge({ a = 1 }, w)`,
	} {
		if val, diags := eval(t, src, funcs, vars); diags.HasErrors() || !val.ContainsMarked() {
			t.Errorf("%s = %#v, %v", src, val, diags)
		}
	}
	if val, _ := eval(t, `deepmerge(m, { k = "open" })`, funcs, vars); val.ContainsMarked() {
		t.Errorf("a secret that is replaced leaves its mark: %#v", val)
	}
}

func TestOwnFunctionsKeepToLimits(t *testing.T) {
	defer func(n int) { maxSteps = n }(maxSteps)
	maxSteps = 1000
	funcs := Functions(FunctionOptions{ModuleDir: t.TempDir()})
	big := cty.StringVal(strings.Repeat("x", MaxTextBytes/2))
	long := cty.StringVal(strings.Repeat("[", 200_000))
	vars := map[string]cty.Value{"big": big, "long": long, "many": cty.TupleVal(make500())}
	for _, src := range []string{
		`tomlencode({ a = big, b = big, c = big })`, `envencode({ a = big, b = big, c = big })`, `csvencode([{ a = big, b = big, c = big }])`,
		`tomlencode({ a = many, b = many, c = many })`, `hcldecode("a = $${long}")`, `tomldecode("a = ${long}")`,
		`deepmerge({ a = many }, { b = many }, { c = many })`, `hcldecode("a = ${long}")`,
	} {
		if val, diags := eval(t, src, funcs, vars); !diags.HasErrors() {
			t.Errorf("%s = %s", src, val.Type().FriendlyName())
		}
	}
}

func make500() []cty.Value {
	out := make([]cty.Value, 500)
	for i := range out {
		out[i] = cty.Zero
	}
	return out
}
