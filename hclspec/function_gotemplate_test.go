package hclspec

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestGoTemplates(t *testing.T) {
	outside := module(t, "x.tmpl", "hunter2")
	dir := module(t, "app.tmpl", "{{range .servers}}\nserver {{.host | quote}}:{{.port}};\n{{- end}}\n", "one.tmpl", "{{.v}}", "number.tmpl", "{{.a}} {{.b}} {{.c}} {{add .a 1}}",
		"broken.tmpl", "x\n{{if", "bin.tmpl", "\xff", "loop.tmpl", "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "print.tmpl", "{{range $k, $v := .}}{{$k}}={{$v}} {{end}}",
		"decode.tmpl", "{{ .v | b64dec | mustFromJson }}")
	var reads []string
	funcs := Functions(FunctionOptions{ModuleDir: dir, OnRead: func(r Read, _ Found) { reads = append(reads, r.Path) }})
	vars := map[string]cty.Value{
		"s": cty.StringVal("hunter2").Mark(Sensitive), "unknown": cty.UnknownVal(cty.String), "out": cty.StringVal(outside + "/x.tmpl"),
	}
	for src, want := range map[string]cty.Value{
		`gotemplate("app.tmpl", { servers = [{ host = "a", port = 80 }, { host = "b", port = 81 }] })`: cty.StringVal("\nserver \"a\":80;\nserver \"b\":81;\n"),
		`gotemplate("one.tmpl", { v = s })`:                                                        cty.StringVal("hunter2").Mark(Sensitive),
		`gotemplate("one.tmpl", { v = 1, w = s })`:                                                 cty.StringVal("1").Mark(Sensitive),
		`gotemplate("one.tmpl", tomap({ v = "x" }))`:                                               cty.StringVal("x"),
		`gotemplate("one.tmpl", { v = unknown })`:                                                  cty.UnknownVal(cty.String).RefineNotNull(),
		`gotemplate("number.tmpl", { a = 9007199254740993, b = 0.1, c = 12345678901234567890.5 })`: cty.StringVal("9007199254740993 0.1 12345678901234567890.5 9007199254740994"),
		`gotemplate("print.tmpl", { b = true, a = ["x", 1], c = toset(["z", "y"]) })`:              cty.StringVal("a=[x 1] b=true c=[y z] "),
		`core::upper(gotemplate("one.tmpl", { v = "x" }))`:                                         cty.StringVal("X"),
		`templatestring("$${gotemplate(\"one.tmpl\", { v = 1 })}", {})`:                            cty.StringVal("1"),
	} {
		if val, diags := eval(t, src, funcs, vars); diags.HasErrors() || !val.RawEquals(want) {
			t.Errorf("%s = %#v, %v", src, val, diags)
		}
	}
	if len(reads) == 0 || reads[0] != dir+"/app.tmpl" && !strings.HasPrefix(reads[0], dir) {
		t.Errorf("the files do not count as configuration: %v", reads)
	}
	for src, want := range map[string]string{
		`gotemplate("app.tmpl", { servers = [{ host = "a" }] })`: `app.tmpl:2:27: executing "app.tmpl" at <.port>: map has no entry for key "port"`,
		`gotemplate("one.tmpl", { v = null })`:                   "one.tmpl:1:2: a value that is null is printed here",
		`gotemplate("one.tmpl", ["x"])`:                          "map or object",
		`gotemplate("broken.tmpl", {})`:                          "broken.tmpl:2: ",
		`gotemplate("broken.tmpl", { v = unknown })`:             "broken.tmpl:2: ",
		`gotemplate("bin.tmpl", {})`:                             "UTF-8",
		`gotemplate("none.tmpl", {})`:                            "no file exists",
		`gotemplate(out, {})`:                                    "paths.read",
		`gotemplate("../x", {})`:                                 "paths.read",
		`gotemplate("loop.tmpl", {})`:                            "does one call itself?",
		`gotemplate("decode.tmpl", { v = s })`:                   "decode.tmpl:1:17: why is not shown",
		`gotemplate("none.tmpl", { v = s })`:                     "no file exists",
		`gotemplate("one.tmpl", { w = s })`:                      `map has no entry for key "v"`,
		`gotemplate(s, {})`:                                      "sensitive path",
	} {
		if _, diags := eval(t, src, funcs, vars); !diags.HasErrors() || !strings.Contains(diags.Error(), want) || strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

// What goes wrong in a template is told also where one of its variables is a secret.
func TestTemplatesTellWhatIsWrongBesideSecrets(t *testing.T) {
	dir := module(t, "a.tpl", "x\n${nam}", "b.tpl", "${cidrhost(v, 1)}", "c.tpl", "${cidrhost(w, 1)}")
	funcs := Functions(FunctionOptions{ModuleDir: dir})
	vars := map[string]cty.Value{"s": cty.StringVal("hunter2").Mark(Sensitive), "o": cty.ObjectVal(map[string]cty.Value{"v": cty.StringVal("hunter2")}).Mark(Sensitive)}
	for src, want := range map[string]string{
		`templatefile("a.tpl", { name = s })`:                            `Did you mean "name"?`,
		`templatefile("b.tpl", { v = s })`:                               "Why is not shown",
		`templatefile("b.tpl", o)`:                                       "Why is not shown",
		`templatefile("c.tpl", { v = s, w = "visible" })`:                "invalid CIDR address: visible",
		`templatestring("$${cidrhost(w, 1)}", { v = s, w = "visible" })`: "invalid CIDR address: visible",
	} {
		if _, diags := eval(t, src, funcs, vars); !diags.HasErrors() || !strings.Contains(diags.Error(), want) || strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: %v", src, diags)
		}
	}
	for _, src := range []string{`templatefile("b.tpl", { v = "10.0.0.0/8", w = s })`, `templatestring("$${w}", { v = s, w = "x" })`} {
		if val, diags := eval(t, src, funcs, vars); diags.HasErrors() || !val.HasMark(Sensitive) {
			t.Errorf("%s = %#v, %v", src, val, diags)
		}
	}
}
