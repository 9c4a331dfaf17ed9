package hclspec

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func eval(t testing.TB, src string, funcs map[string]function.Function, vars map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	expr, diags := parseExpression(src, "x")
	if diags.HasErrors() {
		t.Fatalf("%s: %v", src, diags)
	}
	return expr.Value(&hcl.EvalContext{Functions: funcs, Variables: vars})
}

func TestThereAreTerraformsFunctions(t *testing.T) {
	const terraform = `abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 base64sha512 basename bcrypt can ceil chomp
chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce coalescelist compact concat contains csvdecode dirname distinct element endswith
ephemeralasnull file filebase64 filebase64sha256 filebase64sha512 fileexists filemd5 fileset filesha1 filesha256 filesha512 flatten floor format
formatdate formatlist indent index issensitive join jsondecode jsonencode keys length log lookup lower matchkeys max md5 merge min nonsensitive one
parseint pathexpand plantimestamp pow range regex regexall replace reverse rsadecrypt sensitive setintersection setproduct setsubtract setunion sha1
sha256 sha512 signum slice sort split startswith strcontains strrev substr sum templatefile templatestring textdecodebase64 textencodebase64 timeadd
timecmp timestamp title tobool tolist tomap tonumber toset tostring transpose trim trimprefix trimspace trimsuffix try upper urlencode uuid uuidv5
values yamldecode yamlencode zipmap`
	funcs := Functions(FunctionOptions{})
	names := strings.Fields(terraform)
	for _, name := range names {
		if _, ok := funcs[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	for name := range funcs {
		if InCore(name) != slices.Contains(names, name) {
			t.Errorf("%s: is it one of Terraform's?", name)
		}
	}
}

// Results are those of terraform 1.11 console.
func TestFunctionsAnswerLikeTerraform(t *testing.T) {
	funcs := Functions(FunctionOptions{ModuleDir: t.TempDir()})
	for src, want := range map[string]string{
		`length("héllo👨‍👩‍👧")`: `6`, `length({a=1})`: `1`, `length(toset(["a","a"]))`: `1`, `length([1,2])`: `2`,
		`index(["a","b"],"b")`: `1`, `lookup({a=1},"b",3)`: `3`, `lookup({a=1,b="x"},"b","d")`: `"x"`,
		`lookup(tomap({a=1}),"b","x")`: `ERR`, `lookup({},"b","d")`: `"d"`, `lookup({a=1},"b")`: `ERR`,
		`coalesce(null,"","x")`: `"x"`, `coalesce("","")`: `ERR`, `coalesce(1,"a")`: `"1"`,
		`merge({a=1},{b="x"},null)`: `{"a":1,"b":"x"}`, `merge({a={x=1}},{a={y=1}})`: `{"a":{"y":1}}`,
		`replace("hello","/(l+)(o)/","$2$1")`: `"heoll"`, `replace("a/b","/","-")`: `"a-b"`, `replace("x","/[/","y")`: `ERR`,
		`alltrue([])`: `true`, `alltrue([true,null])`: `false`, `anytrue([])`: `false`, `anytrue([null,true])`: `true`,
		`one([])`: `null`, `one([1])`: `1`, `one([1,2])`: `ERR`, `sum([1,2,3.5])`: `6.5`, `sum([])`: `ERR`, `sum(["1",2])`: `3`,
		`matchkeys(["a","b","c"],["x","y","x"],["x"])`: `["a","c"]`, `transpose({a=["x","y"],b=["y"]})`: `{"x":["a"],"y":["a","b"]}`,
		`timecmp("2017-11-22T00:00:00Z","2017-11-22T02:00:00Z")`: `-1`, `tobool("yes")`: `ERR`, `tonumber("12.50")`: `12.5`,
		`tolist(["a",1])`: `["a","1"]`, `toset(["b","a","b"])`: `["a","b"]`, `tostring(1e21)`: `"1000000000000000000000"`,
		`base64gzip("hello")`:                  `"H4sIAAAAAAAA/8pIzcnJBwAAAP//AQAA//+GphA2BQAAAA=="`,
		`base64decode("/w==")`:                 `ERR`,
		`textencodebase64("Hello","UTF-16LE")`: `"SABlAGwAbABvAA=="`, `textdecodebase64("SABlAGwAbABvAA==","UTF-16LE")`: `"Hello"`,
		`cidrsubnet("172.16.0.0/12",4,2)`: `"172.18.0.0/16"`, `cidrnetmask("fd00::/72")`: `ERR`, `cidrnetmask("172.16.0.0/12")`: `"255.240.0.0"`,
		`uuidv5("dns","www.terraform.io")`: `"a5008fae-b28c-5ba5-96cd-82b4c53552d6"`,
		`startswith("abc","ab")`:           `true`, `endswith("abc","x")`: `false`, `strcontains("abc","b")`: `true`,
		`try(1+"a","d")`: `"d"`, `can(1+1)`: `true`, `yamldecode("a: &x {p: 1}\nb: *x")`: `{"a":{"p":1},"b":{"p":1}}`,
		`yamldecode("y: 1")`: `{"true":1}`, `jsondecode("9007199254740993")`: `9007199254740993`,
		`jsonencode({a=9007199254740993,b=12345678901234567890.123456789})`: `"{\"a\":9007199254740993,\"b\":12345678901234567890.123456789}"`,
		`format("%s %05.1f %v","a",3.14159,[1])`:                            `"a 003.1 [1]"`,
	} {
		got := "ERR"
		if val, diags := eval(t, src, funcs, nil); !diags.HasErrors() {
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

func TestRefusedFunctionsSayWhy(t *testing.T) {
	funcs := Functions(FunctionOptions{})
	for _, src := range []string{"timestamp()", "plantimestamp()", "uuid()", `bcrypt("x")`, "bcrypt(unknown)"} {
		_, diags := eval(t, src, funcs, map[string]cty.Value{"unknown": cty.DynamicVal})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), "again and again") {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

// Every function must let the mark through: what is computed from a secret is a secret.
func TestMarksFlowThroughFunctions(t *testing.T) {
	dir := module(t, "f.txt", "x", "t.tpl", "${v}", "d/a", "")
	funcs := Functions(FunctionOptions{ModuleDir: dir})
	vars := map[string]cty.Value{
		"s": cty.StringVal("10").Mark(Sensitive),
		"l": cty.ListVal([]cty.Value{cty.StringVal("a").Mark(Sensitive)}),
		"m": cty.MapVal(map[string]cty.Value{"k": cty.StringVal("a").Mark(Sensitive)}),
		"f": cty.StringVal("f.txt").Mark(Sensitive), "t": cty.StringVal("t.tpl").Mark(Sensitive),
		"ip": cty.StringVal("10.0.0.0/8").Mark(Sensitive), "n": cty.NumberIntVal(4).Mark(Sensitive),
	}
	for _, src := range []string{
		`upper(s)`, `length(s)`, `jsonencode(l)`, `jsonencode(m)`, `yamlencode(m)`, `join(",", l)`, `format("%s", s)`,
		`replace(s, "1", "2")`, `lookup(m, "k")`, `lookup(m, "x", s)`, `merge(m, {})`, `concat(l, ["b"])`, `index(l, "a")`, `one(l)`,
		`sum([n, 1])`, `alltrue([s == "1"])`, `tolist(l)`, `tostring(n)`, `toset(l)`, `coalesce(s, "x")`, `base64encode(s)`, `sha256(s)`,
		`base64decode(base64encode(s))`, `base64gzip(s)`, `base64sha256(s)`, `templatestring("$${v}", { v = s })`, `templatefile("t.tpl", { v = s })`,
		`templatefile(t, { v = "a" })`, `file(f)`, `filesha256(f)`, `fileexists(f)`, `fileset(f, "*")`, `abspath(s)`, `try(s, "x")`,
		`yamldecode(s)`, `jsondecode(s)`, `cidrhost(ip, 1)`, `cidrnetmask(ip)`, `startswith(s, "1")`, `matchkeys(["a"], l, ["a"])`,
		`keys({ a = s })`, `values(m)`, `zipmap(["a"], l)`, `flatten([l])`, `regex("1", s)`, `sensitive("x")`, `textencodebase64(s, "UTF-8")`, `ephemeralasnull(s)`,
	} {
		val, diags := eval(t, src, funcs, vars)
		if diags.HasErrors() {
			t.Errorf("%s: %v", src, diags)
		} else if !val.ContainsMarked() && src != `keys({ a = s })` {
			t.Errorf("%s lost the mark: %#v", src, val)
		}
	}
	for src, want := range map[string]cty.Value{`nonsensitive(s)`: cty.StringVal("10"), `issensitive(s)`: cty.True, `issensitive("x")`: cty.False} {
		if val, _ := eval(t, src, funcs, vars); !val.RawEquals(want) {
			t.Errorf("%s = %#v", src, val)
		}
	}
	for _, src := range []string{
		`tonumber(sensitive("hunter2"))`, `lookup({}, sensitive("hunter2"))`, `lookup(tomap({}), sensitive("hunter2"))`,
		`file(sensitive("hunter2"))`, `templatefile(sensitive("hunter2"), {})`, `fileset(sensitive("../hunter2"), "*")`, `timecmp(sensitive("hunter2"), "x")`,
	} {
		_, diags := eval(t, src, funcs, nil)
		if !diags.HasErrors() || strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

func TestYAMLBombsAreRefused(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		p := "*a" + string(rune('0'+(i-1)%10))
		if i > 10 {
			p = "*b0"
		}
		name := "a" + string(rune('0'+i))
		if i >= 10 {
			name = "b" + string(rune('0'+i-10))
		}
		bomb.WriteString(name + ": &" + name + " [" + strings.TrimSuffix(strings.Repeat(p+",", 10), ",") + "]\n")
	}
	funcs := Functions(FunctionOptions{})
	for name, src := range map[string]string{
		"aliases": bomb.String(),
		"cycle":   "a: &a [*a]",
		"flow":    strings.Repeat("[", 100_000),
		"block":   strings.Repeat("- ", 20_000) + "x",
		"size":    "a: " + strings.Repeat("x", 17<<20),
	} {
		_, diags := eval(t, `yamldecode(s)`, funcs, map[string]cty.Value{"s": cty.StringVal(src)})
		if !diags.HasErrors() {
			t.Errorf("%s: decoded", name)
		}
	}
}

func TestFileFunctionsStayInside(t *testing.T) {
	outside := module(t, "secret.txt", "hunter2", "ok/a.txt", "allowed")
	dir := module(t, "a.txt", "hello", "sub/b.txt", "there", "bin", "\xff")
	for link, target := range map[string]string{"link.txt": outside + "/secret.txt", "linkdir": outside, "dangling": outside + "/none", "good.txt": "a.txt"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	var reads []string
	funcs := Functions(FunctionOptions{ModuleDir: dir, ReadPaths: []string{outside + "/ok"}, OnRead: func(r Read, found Found) {
		rel, _ := filepath.Rel(dir, r.Path)
		reads = append(reads, rel+"="+string(found.Content))
	}})
	vars := map[string]cty.Value{"out": cty.StringVal(outside), "dir": cty.StringVal(dir)}
	for src, want := range map[string]cty.Value{
		`file("a.txt")`:                   cty.StringVal("hello"),
		`file("sub/../good.txt")`:         cty.StringVal("hello"),
		`file("${out}/ok/a.txt")`:         cty.StringVal("allowed"),
		`filebase64("bin")`:               cty.StringVal("/w=="),
		`fileexists("a.txt")`:             cty.True,
		`fileexists("none/x.txt")`:        cty.False,
		`fileset(".", "**/*.txt")`:        cty.SetVal([]cty.Value{cty.StringVal("a.txt"), cty.StringVal("good.txt"), cty.StringVal("link.txt"), cty.StringVal("sub/b.txt")}),
		`fileset("none", "*")`:            cty.SetValEmpty(cty.String),
		`abspath("a/../b") == "${dir}/b"`: cty.True,
	} {
		val, diags := eval(t, src, funcs, vars)
		if diags.HasErrors() || !val.RawEquals(want) {
			t.Errorf("%s = %#v, %v", src, val, diags)
		}
	}
	for _, src := range []string{
		`file("link.txt")`, `file("linkdir/secret.txt")`, `file("${out}/secret.txt")`, `file("../x")`, `file("/etc/passwd")`, `fileexists("link.txt")`,
		`filesha256("link.txt")`, `templatefile("link.txt", {})`, `fileset("linkdir", "*")`, `fileset("..", "*")`, `fileexists("/etc/passwd")`, `file("~/x")`,
	} {
		_, diags := eval(t, src, funcs, vars)
		if !diags.HasErrors() || !strings.Contains(diags.Error(), "paths.read") {
			t.Errorf("%s: %v", src, diags)
		}
	}
	for _, src := range []string{`file("dangling")`, `file("bin")`, `file("none")`, `file("sub")`, `file("")`, `fileset(".", "../*")`, `file("a\u0000b")`} {
		if _, diags := eval(t, src, funcs, vars); !diags.HasErrors() {
			t.Errorf("%s: no error", src)
		}
	}
	if got := strings.Join(reads, " "); !strings.Contains(got, "a.txt=hello") || strings.Contains(got, "hunter2") {
		t.Errorf("OnRead got %s", got)
	}
}

func TestTemplates(t *testing.T) {
	dir := module(t, "t.tpl", "Hi ${name}\n%{ for i in items ~}\n- ${upper(i)}\n%{ endfor ~}\n", "one.tpl", "${x}",
		"rec.tpl", `${templatefile("one.tpl", { x = 1 })}`, "bomb.tpl", strings.Repeat("${[", 150_000), "bad.tpl", "\xff", "if.tpl", strings.Repeat("%{ if x }", 150_000))
	funcs := Functions(FunctionOptions{ModuleDir: dir})
	for src, want := range map[string]cty.Value{
		`templatefile("t.tpl", { name = "x", items = ["a", "b"] })`: cty.StringVal("Hi x\n- A\n- B\n"),
		`templatefile("one.tpl", { x = [1] })`:                      cty.TupleVal([]cty.Value{cty.NumberIntVal(1)}),
		`templatestring("a$${b}c", { b = 1 })`:                      cty.StringVal("a1c"),
	} {
		if val, diags := eval(t, src, funcs, nil); diags.HasErrors() || !val.RawEquals(want) {
			t.Errorf("%s = %#v, %v", src, val, diags)
		}
	}
	for src, want := range map[string]string{
		`templatefile("t.tpl", { nam = "x", items = [] })`: `Did you mean "nam"?`,
		`templatefile("rec.tpl", {})`:                      "cannot be called from inside a template",
		`templatefile("one.tpl", { "1x" = 1 })`:            "name of a template variable",
		`templatefile("one.tpl", "x")`:                     "map or object",
		`templatefile("bomb.tpl", {})`:                     "at most 200 deep",
		`templatefile("if.tpl", {})`:                       "at most 200 deep",
		`templatefile("bad.tpl", {})`:                      "UTF-8",
	} {
		if _, diags := eval(t, src, funcs, nil); !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v", src, diags)
		}
	}
}
