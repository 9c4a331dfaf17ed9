package hclspec

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

func evaluate(t *testing.T, dir, expression string, vars map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	expr, diags := ParseExpression([]byte(expression), "test.hcl")
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return expr.Value(&hcl.EvalContext{
		Variables: vars,
		Functions: Functions(FunctionOptions{ModuleDir: dir}),
	})
}

// fewerSteps keeps the tests of the limit on steps short.
func fewerSteps(t *testing.T) {
	t.Cleanup(func() { maxSteps = MaxSteps })
	maxSteps = 50_000
}

func TestExplodingExpressionsAreRefused(t *testing.T) {
	fewerSteps(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"loop.tpl":   `%{ for i in range(1024) }%{ for j in range(1024) }%{ for k in range(1024) }x%{ endfor }%{ endfor }%{ endfor }`,
		"large.tpl":  `%{ for i in range(1024) }${big}%{ endfor }`,
		"loop.tmpl":  `{{range 1024}}{{range 1024}}{{range 1024}}{{end}}{{end}}{{end}}`,
		"large.tmpl": `{{range 1024}}{{$.big}}{{end}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mega := cty.StringVal(strings.Repeat("x", 1<<20))
	list := make([]cty.Value, 5000)
	for i := range list {
		list[i] = cty.NumberIntVal(int64(i))
	}
	vars := map[string]cty.Value{
		"mega": mega, "list": cty.TupleVal(list), "secret": mega.Mark(Sensitive),
		"lines": cty.StringVal(strings.Repeat("\n", 1000)), "digits": cty.StringVal(strings.Repeat("1", 8<<20)),
	}
	for _, c := range []struct{ expression, part string }{
		{`[for i in range(1024): [for j in range(1024): [for k in range(1024): k]]]`, "steps"},
		{`{for i in range(1024): i => {for j in range(1024): j => {for k in range(1024): k => k}}}`, "steps"},
		{`[for i in range(1024): i if length([for j in range(1024): j if length([for k in range(1024): k if false]) > 0]) > 0]`, "steps"},
		{`{for i in list: length([for j in list: length([for k in list: k])]) => i...}`, "steps"},
		{`try([for i in range(1024): try([for j in range(1024): [for k in range(1024): k]], 1)][0], 2) == 2`, ""},
		{`[for i in range(1024): try([for j in range(1024): [for k in range(1024): k]], 1)]`, "steps"},
		{`[for i in range(1024): range(1024)][*][length([for j in list: [for k in list: k]])]`, "steps"},
		{`[for i in list: [for j in list: 1][*]]`, "steps"},
		{`"%{ for i in range(1024) }%{ for j in range(1024) }%{ for k in range(1024) }x%{ endfor }%{ endfor }%{ endfor }"`, "steps"},
		{`templatefile("loop.tpl", {})`, "steps"},
		{`[for i in list: try(templatefile("loop.tpl", {}), i)]`, "too long"},
		{`templatefile("large.tpl", {big = mega})`, "MiB of text"},
		{`templatestring("%{ for i in range(1024) }$${big}%{ endfor }", {big = mega})`, "64 MiB"},
		{`[for i in list: "${mega}${i}"]`, "256 MiB"},
		{`[for i in list: base64encode(mega)]`, "256 MiB"},
		{`"` + strings.Repeat("${mega}", 65) + `"`, "64 MiB"},
		{`"` + strings.Repeat("${secret}", 65) + `"`, "64 MiB"},
		{`format("%1000000000d", 1)`, "width"},
		{`format("%.1000000000f", 1)`, "width"},
		{`format("%-01000000000s", "x")`, "width"},
		{`format("` + strings.Repeat("%1000000d", 100) + `", 1)`, "64 MiB"},
		{`format("` + strings.Repeat("%[1]s", 100) + `", mega)`, "64 MiB"},
		{`formatlist("%999999d", list)`, "64 MiB"},
		{`formatlist("%s %d", mega, list)`, "64 MiB"},
		{`setproduct(list, list, list)`, "parts"},
		{`join(mega, [for i in list: "x"])`, "64 MiB"},
		{`join("", [for i in list: mega])`, "64 MiB"},
		{`replace(mega, "x", mega)`, "64 MiB"},
		{`replace(mega, "/xxxx/", "` + strings.Repeat("y", 400) + `")`, "64 MiB"},
		{`replace(mega, "/.*/", "` + strings.Repeat("$0", 100) + `")`, "64 MiB"},
		{`indent(1000000000, "a\nb")`, "64 MiB"},
		{`indent(1000000, lines)`, "64 MiB"},
		{`jsonencode([for i in list: mega])`, "64 MiB"},
		{`jsonencode({for i in list: i => mega})`, "64 MiB"},
		{`yamlencode([for i in list: mega])`, "64 MiB"},
		{`1e-1000000`, "range"},
		{`"${1e4000000}"`, "range"},
		{`1e3000 * 1e3000`, "range"},
		{`tonumber("1e-1000000")`, "range"},
		{`jsondecode("{\"a\":[1e-1000000]}")`, "range"},
		{`yamldecode("a: 1e-1000000")`, "range"},
		{`"1e-1000000" + 0`, "range"},
		{`1e999999999`, "range"},
		{`1e-999999999`, "range"},
		{`1e+9999999`, "range"},
		{`1e999999999 % 7`, "range"},
		{`"1e999999999" % 7`, "range"},
		{`"1e600000000" % 7`, "range"},
		{`7 % "1e600000000"`, "range"},
		{`-"1e600000000"`, "range"},
		{`"${-"1e600000000"}"`, "range"},
		{`"inf" + 1`, "range"},
		{`1 / 0`, "divides by zero"},
		{`-1 / 0`, "divides by zero"},
		{`log(0, 10) + 1`, "range"},
		{`log(0, 10) % 7`, "range"},
		{`abs(log(0, 10))`, "range"},
		{`pow(10, 10000000)`, "range"},
		{`pow(0, -1)`, "no negative powers"},
		{`tonumber("1e999999999")`, "range"},
		{`tonumber("1e-999999999")`, "range"},
		{`tonumber("inf")`, "range"},
		{`tonumber(digits)`, "range"},
		{`digits + 1`, "range"},
		{`ceil(digits)`, "range"},
		{`floor("1e600000000")`, "range"},
		{`max(1, "1e600000000")`, "range"},
		{`sum(["1e600000000"])`, "range"},
		{`sum([digits])`, "range"},
		{`format("%d", "1e600000000")`, "range"},
		{`format("%f", 1e99999999)`, "range"},
		{`format("%d", digits)`, "range"},
		{`formatlist("%s%d", "x", ["1", "1e600000000"])`, "range"},
		{`range("1e600000000")`, "range"},
		{`jsondecode("1e999999999")`, "range"},
		{`jsondecode("[1e600000000]")`, "range"},
		{`yamldecode("a: 1e999999999")`, "range"},
		{`yamldecode("a: .inf").a + 1`, "range"},
		{`log(0, 10) < 0`, ""},
		{`format("%s %s", "1e600000000", 1) == "1e600000000 1"`, ""},
		{`{"1e600000000" = true}["1e600000000"]`, ""},
		{`1e100 % 7 == 4`, ""},
		{`-1e4000 < 0 && !(1e-4000 < 0)`, ""},
		{`parseint(mega, 36)`, "digits"},
		{`split("", mega)`, "parts"},
		{`regexall("x", mega)`, "parts"},
		{`jsondecode("[${replace(mega, "x", "1,")}1]")`, "parts"},
		{`csvdecode("a${replace(mega, "x", "\n1")}")`, "parts"},
		{`length(jsondecode(jsonencode(replace(mega, "x", ",")))) > 0`, ""},
		{`length(distinct(flatten([for i in range(1024): [for j in range(20): "${i} ${j}"]]))) == 20480`, ""},
		{`cidrsubnet("fd00::/8", 1e9, 1)`, "insufficient"},
		{`gotemplate("loop.tmpl", {})`, "steps"},
		{`[for i in list: try(gotemplate("loop.tmpl", {}), i)]`, "too long"},
		{`gotemplate("large.tmpl", {big = mega})`, "64 MiB"},
	} {
		name := c.expression
		if len(name) > 80 {
			name = name[:80]
		}
		t.Run(name, func(t *testing.T) {
			if c.part == "too long" {
				defer func(d time.Duration) { maxLoopTime = d }(maxLoopTime)
				maxLoopTime = time.Second
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			v, diags := evaluate(t, dir, c.expression, vars)
			elapsed := time.Since(begun)
			runtime.ReadMemStats(&after)
			t.Logf("%v, %d MB", elapsed.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
			if elapsed > time.Minute {
				t.Errorf("it took %v", elapsed)
			}
			if c.part == "" {
				if diags.HasErrors() || !v.True() {
					t.Errorf("%#v %v", v, diags)
				}
				return
			}
			if len(diags) != 1 || diags[0].Severity != hcl.DiagError {
				t.Fatalf("%d diagnostics, want one error: %v", len(diags), diags)
			}
			if text := diags[0].Summary + " " + diags[0].Detail; !strings.Contains(text, c.part) {
				t.Errorf("%q is not in: %s", c.part, text)
			}
			if diags[0].Subject == nil {
				t.Error("the error has no place")
			}
		})
	}
}

// BenchmarkMostSteps is what it costs to come to the limit.
func BenchmarkMostSteps(b *testing.B) {
	const text = `{for i in range(1024): i => [for j in range(1024): [for k in range(1024): "${k}"]]}`
	expr, diags := ParseExpression([]byte(text), "test.hcl")
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, diags := expr.Value(&hcl.EvalContext{Functions: Functions(FunctionOptions{ModuleDir: "/"})})
		if len(diags) != 1 || diags[0].Summary != tooManySteps {
			b.Fatal(diags)
		}
	}
}

// A chain of locals, each twice the one before.
func TestDoublingIsRefused(t *testing.T) {
	fewerSteps(t)
	for name, c := range map[string]struct{ first, next string }{
		"text":    {`"0123456789"`, `"${x}${x}"`},
		"one":     {`"0123456789"`, `"${x}-${x}"`},
		"join":    {`"0123456789"`, `join("", [x, x])`},
		"list":    {`[1]`, `[x, x]`},
		"object":  {`{a = 1}`, `{a = x, b = x}`},
		"concat":  {`[1]`, `concat(x, x)`},
		"merge":   {`{a = 1}`, `merge({a = x}, {b = x})`},
		"wrapped": {`[1]`, `concat([x], [x])`},
		"numbers": {`10`, `x * x`},
		"loop":    {`[1]`, `[for i in [1, 2]: x]`},
	} {
		t.Run(name, func(t *testing.T) {
			x, diags := evaluate(t, "/", c.first, nil)
			begun := time.Now()
			for range 100 {
				if x, diags = evaluate(t, "/", c.next, map[string]cty.Value{"x": x}); diags.HasErrors() {
					break
				}
			}
			t.Log(time.Since(begun))
			if len(diags) != 1 {
				t.Errorf("%v", diags)
			}
			if d := time.Since(begun); d > time.Minute {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// What is large and no explosion goes through.
func TestLargeExpressionsWork(t *testing.T) {
	mega := cty.StringVal(strings.Repeat("x", 1<<20))
	vars := map[string]cty.Value{"mega": mega}
	for _, expression := range []string{
		`length([for i in range(300): [for j in range(300): j]]) == 300`,
		`md5("` + strings.Repeat("${mega}", 60) + `") != ""`,
		`md5(join("", [for i in range(60): mega])) != ""`,
		`length(format("%999999d", 1)) == 999999`,
		`md5(replace(mega, "/x/", "xx")) == md5("${mega}${mega}")`,
		`md5(replace(mega, "x", "xx")) == md5("${mega}${mega}")`,
		`length(setproduct(range(300), range(300))) == 90000`,
		`length([for a in [{b = [{c = 1}]}, {b = [{c = 2}]}]: a.b[*].c][*]) == 2`,
		`[{b = [{c = 1}]}, {b = [{c = 2}, {c = 3}]}][*].b[*].c == [[1], [2, 3]]`,
		`1e300 * 1e300 > 0`,
		`format("%5.1f|%-3s|%[1]d%%", 1, "a") == "  1.0|a  |1%"`,
		`formatlist("%s-%s", ["a", "b"], "c") == tolist(["a-c", "b-c"])`,
	} {
		begun := time.Now()
		if v, diags := evaluate(t, "/", expression, vars); diags.HasErrors() || !v.IsKnown() || v.False() {
			t.Errorf("%.80s: %#v %v", expression, v, diags)
		}
		t.Logf("%.80s: %v", expression, time.Since(begun))
	}
}

// In JSON, texts are templates, and mean what they mean to hcl.
func TestJSONExpressionsAreGuarded(t *testing.T) {
	fewerSteps(t)
	const explosion = `${length([for i in range(1024): [for j in range(1024): [for k in range(1024): k]]])}`
	for text, want := range map[string]string{
		`{"a":` + fmt.Sprintf("%q", explosion) + `}`:                           "steps",
		`{"a":{` + fmt.Sprintf("%q", explosion) + `:1}}`:                       "steps",
		`{"a":[[` + fmt.Sprintf("%q", explosion) + `]]}`:                       "steps",
		`{"a":{"x":1,"x":2}}`:                                                  "Duplicate",
		`{"a":"${broken"}`:                                                     "",
		`{"a":[1,"${1+1}","%{ for x in [1,2] }${x}%{ endfor }",true,null,{}]}`: `[1,2,"12",true,null,{}]`,
		`{"a":{"${"k"}y":"$${x}","b":{"c":"\u00e9"}}}`:                         "",
		`{"a":{"${\"k\"}y":"$${x}","b":{"c":"\u00e9"}}}`:                       `{"b":{"c":"é"},"ky":"${x}"}`,
	} {
		body, diags := parseBytes([]byte(text), "test.hcl.json")
		var v cty.Value
		if !diags.HasErrors() {
			attrs, more := body.JustAttributes()
			diags = append(diags, more...)
			if a := attrs["a"]; a != nil {
				v, more = a.Expr.Value(&hcl.EvalContext{Functions: Functions(FunctionOptions{ModuleDir: "/"})})
				diags = append(diags, more...)
			}
		}
		switch {
		case diags.HasErrors() && !strings.Contains(diags.Error(), want):
			t.Errorf("%s: %v", text, diags)
		case !diags.HasErrors():
			if got, err := appendJSON(nil, v); err != nil || string(got) != want {
				t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
			}
		}
	}
}
