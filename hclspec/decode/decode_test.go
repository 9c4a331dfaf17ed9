package decode

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func toJSON(t *testing.T, v cty.Value) string {
	t.Helper()
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		format Format
		in     string
		want   string // as JSON
	}{
		{JSON, ` {"a" : [ 1 , true,false,null ,"x" ] } ` + "\r\n", `{"a":[1,true,false,null,"x"]}`},
		{JSON, `{}`, `{}`},
		{JSON, `[]`, `[]`},
		{JSON, `[{},[[]]]`, `[{},[[]]]`},
		{JSON, `""`, `""`},
		{JSON, `"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00\uFFFD"`, `"\"\\/\b\f\n\r\t\u0000é😀�"`},
		{JSON, "\"\u2028\u202e\"", `"\u2028` + "\u202e" + `"`},
		{JSON, "\"e\u0301\"", `"é"`},
		{JSON, `[0,-0,1.0,1e3,1E+2,100e-2,0.1,9007199254740993,-123456789012345678901234567890]`, `[0,-0,1,1000,100,1,0.1,9007199254740993,-123456789012345678901234567890]`},
		{JSON, `0e999999999999`, `0`},
		{JSON, `1` + strings.Repeat("0", 300) + `e-300`, `1`},
		{JSON, `123456789.123456789123456789123456789`, `123456789.123456789123456789123456789`},

		{YAML, "", `null`},
		{YAML, "# nothing\n", `null`},
		{YAML, "---\n", `null`},
		{YAML, "~", `null`},
		{YAML, "a: 1\r\nb: x\r\n", `{"a":1,"b":"x"}`},
		{YAML, "%YAML 1.2\n---\na: 1\n...\n", `{"a":1}`},
		{YAML, `{"a": [1, 2.50, "1", null]}`, `{"a":[1,2.5,"1",null]}`},
		{YAML, "# c\n%YAML 1.2\n%TAG !e! x\n---\n%YAML: 1\n", `err`},
		{YAML, "[y, n, yes, no, on, off, Yes, NO]", `["y","n","yes","no","on","off","Yes","NO"]`},
		{YAML, "[true, True, TRUE, false, null, Null, ~, ]", `[true,true,true,false,null,null,null]`},
		{YAML, "[2024-01-01, 2024-01-01T00:00:00Z, 12:30, 1:30:00, 1_000, 0b1, 08:00]", `["2024-01-01","2024-01-01T00:00:00Z","12:30","1:30:00","1_000","0b1","08:00"]`},
		{YAML, "[0o17, 0x1F, +1, -1, .5, 5., 1e3, 00.5, 9007199254740993]", `[15,31,1,-1,0.5,5,1000,0.5,9007199254740993]`},
		{YAML, "[- a, -, ., 1.2.3, +, 0x, 0o8, -0x1]", `err`},
		{YAML, "['-', '.', 1.2.3, 0o8, -0x1, 1e, e1, <<, =]", `["-",".","1.2.3","0o8","-0x1","1e","e1","\u003c\u003c","="]`},
		{YAML, "a: !!str 1\nb: !!int 1\nc: !!float 1\nd: !!null ~\ne: !!bool true\nf: ! 1\ng: !!seq []\nh: !!map {}\ni: !!timestamp 2024-01-01\nj: !!int '7'", `{"a":"1","b":1,"c":1,"d":null,"e":true,"f":"1","g":[],"h":{},"i":"2024-01-01","j":7}`},
		{YAML, `"\u2028\N\x85"`, `"\u2028` + "\u0085\u0085" + `"`},
		{YAML, "1: a\ntrue: b\n2.50: c\nyes: d\n2024-01-01: e\n'': f\n'null': g", `{"":"f","1":"a","2.50":"c","2024-01-01":"e","null":"g","true":"b","yes":"d"}`},
		{YAML, "a: |\n  x\n   y\nb: >-\n  x\n  y\n", `{"a":"x\n y\n","b":"x y"}`},
		{YAML, "a: &x [1, 2]\nb: *x\nc: {d: *x}\n", `{"a":[1,2],"b":[1,2],"c":{"d":[1,2]}}`},
		{YAML, "? &k key\n: 1\nb: *k\n", `{"b":"key","key":1}`},
		{YAML, "&k a: 1\nb: {*k : 2}\n", `{"a":1,"b":{"a":2}}`},
		{YAML, "- &x 1\n- &x 2\n- *x\n", `[1,2,2]`},
		// Merge keys: the mapping itself wins wherever it stands, then the first in the list.
		{YAML, "a: &a {x: 1, y: 1}\nb: {y: 2, <<: *a, z: 2}\n", `{"a":{"x":1,"y":1},"b":{"x":1,"y":2,"z":2}}`},
		{YAML, "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b]}\nd: {<<: [*b, *a]}\n", `{"a":{"x":1,"y":1},"b":{"y":2,"z":2},"c":{"x":1,"y":1,"z":2},"d":{"x":1,"y":2,"z":2}}`},
		{YAML, "a: &a {<<: {x: 1}, y: 2}\nb: {<<: *a, y: 3}\n", `{"a":{"x":1,"y":2},"b":{"x":1,"y":3}}`},
		{YAML, "'<<': 1\n", `{"\u003c\u003c":1}`},

		{TOML, "", `{}`},
		{TOML, "# nothing\n", `{}`},
		{TOML, "a = 1\n\"b c\" = 'x'\nd.e.f = true\nd.e.g = [1, 'x', [2]]\n", `{"a":1,"b c":"x","d":{"e":{"f":true,"g":[1,"x",[2]]}}}`},
		{TOML, "[a.b]\nx=1\n[a]\ny=2\n[a.c]\nz=3\n", `{"a":{"b":{"x":1},"c":{"z":3},"y":2}}`},
		{TOML, "[[t]]\nx=1\n[t.s]\ny=1\n[[t.u]]\n[[t.u]]\nz=1\n[[t]]\n[t.s]\ny=2\n", `{"t":[{"s":{"y":1},"u":[{},{"z":1}],"x":1},{"s":{"y":2}}]}`},
		{TOML, "a = {b = 1, c.d = 2, e = []}\n", `{"a":{"b":1,"c":{"d":2},"e":[]}}`},
		{TOML, "a = [0xFF, 0o17, 0b101, 1_000, +1, -1, 0, -9223372036854775808, 9223372036854775807]", `[255,15,5,1000,1,-1,0,-9223372036854775808,9223372036854775807]`},
		{TOML, "a = [1.50, 1e3, 6.626e-34, 1_0.2_5, +0.1, 0.12345678901234567890123456789]", `[1.5,1000,0.0000000000000000000000000000000006626,10.25,0.1,0.12345678901234567890123456789]`},
		{TOML, "a = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00.1230+01:30, 1979-05-27T07:32:00.999, 1979-05-27, 07:32:00, 1979-05-27t07:32:00z]", `["1979-05-27T07:32:00Z","1979-05-27T07:32:00.1230+01:30","1979-05-27T07:32:00.999","1979-05-27","07:32:00","1979-05-27T07:32:00Z"]`},
		{TOML, "a = \"\"\"x\n\\\"\"\"\"\"\nb = '''\n''q''''\n", `{"a":"x\n\"\"","b":"''q'"}`},

		{Text, "", `""`},
		{Text, " {\"a\"\x00\r\n", `" {\"a\"\u0000\r\n"`},
		{Bytes, "", `""`},
		{Bytes, "\xef\xbb\xbf\xff\x00", `"77u//wA="`},
	} {
		v, err := Decode(c.format, []byte(c.in), Limits{})
		if c.want == "err" {
			if err == nil {
				t.Errorf("%s %q: want an error", c.format, c.in)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.format, c.in, err)
			continue
		}
		got := toJSON(t, v)
		if c.format == TOML && strings.HasPrefix(c.want, "[") {
			got = toJSON(t, v.GetAttr("a"))
		}
		if got != c.want {
			t.Errorf("%s %q\n got %s\nwant %s", c.format, c.in, got, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		format       Format
		in           string
		line, column int
		message      string // a part of it
	}{
		// C1 duplicate keys
		{JSON, "{\"a\": 1,\n \"a\": 2}", 2, 2, `duplicate key "a"; keep one`},
		{JSON, `{"é":1,"` + "e\u0301" + `":2}`, 1, 8, `duplicate key`},
		{JSON, `{"a":1,"\u0061":2}`, 1, 8, `duplicate key`},
		{YAML, "a: 1\nb: 2\na: 3\n", 3, 1, `duplicate key "a"`},
		{YAML, "1: a\n'1': b\n", 2, 1, `duplicate key "1"`},
		{YAML, "{é: 1, e\u0301: 2}", 1, 8, `duplicate key`},
		{YAML, "a: &a {x: 1}\nb: {<<: *a, <<: *a}\n", 2, 13, `duplicate key "<<"`},
		{TOML, "a = 1\na = 2\n", 2, 1, `duplicate key "a"`},
		{TOML, "a = {b = 1, b = 2}\n", 1, 13, `duplicate key "b"`},
		{TOML, "é = 1\n\"e\\u0301\" = 2\n", -1, 0, ``},
		{TOML, "\"é\" = 1\n\"e\\u0301\" = 2\n", 2, 1, `duplicate key "é"`},
		{TOML, "[a]\n[a]\n", 2, 2, `duplicate key "a"`},
		{TOML, "a.b = 1\n[a]\n", 2, 2, `duplicate key "a"`},
		{TOML, "[a.b]\n[a]\nb.c = 1\n", 3, 1, `cannot be added to here`},
		{TOML, "a = []\n[[a]]\n", 2, 3, `no array of tables`},
		{TOML, "a = {}\n[a.b]\n", 2, 2, `cannot be a table`},
		{TOML, "[[a]]\n[a]\n", 2, 2, `duplicate key "a"`},
		// C2 encodings
		{JSON, "\xef\xbb\xbf{}", 1, 1, "byte order mark (UTF-8)"},
		{YAML, "\xef\xbb\xbfa: 1", 1, 1, "byte order mark (UTF-8)"},
		{TOML, "\xef\xbb\xbfa=1", 1, 1, "byte order mark (UTF-8)"},
		{Text, "\xef\xbb\xbfa", 1, 1, `set decode = "bytes"`},
		{YAML, "\xff\xfea\x00", 1, 1, "byte order mark (UTF-16)"},
		{JSON, "{\"a\":\n\"é\xff\"}", 2, 3, "invalid UTF-8"},
		{YAML, "a: \xed\xa0\x80", 1, 4, "invalid UTF-8"},
		{TOML, "a = '\xc0\x80'", 1, 6, "invalid UTF-8"},
		{Text, "a\nb\x80", 2, 2, "invalid UTF-8"},
		{JSON, "\"a\x00b\"", 1, 3, "control character"},
		{JSON, "\"a\nb\"", 1, 3, "control character"},
		{YAML, "a:\n é\x01", 2, 3, "control character"},
		{YAML, "a:\n 'x\u0085y'", 2, 4, `line separator ('\u0085')`},
		{YAML, "a: x\u2028y", 1, 5, "line separator"},
		{JSON, `"\ud800"`, 1, 2, "surrogate"},
		{JSON, `"\ud800\u0041"`, 1, 2, "surrogate"},
		{JSON, `"\udc00\ud800"`, 1, 2, "surrogate"},
		{YAML, `"\ud800"`, 1, 4, "invalid Unicode"},
		{TOML, `a = "\ud800"`, 1, 0, "not a valid unicode"},
		// C3 numbers
		{JSON, `[NaN]`, 1, 2, "a value was expected"},
		{JSON, `-Infinity`, 1, 2, "a digit was expected"},
		{JSON, "[1,\n1e999]", 2, 1, "out of range"},
		{JSON, "1e999999999", 1, 1, "out of range"},
		{JSON, "1e-999999999999999999999999", 1, 1, "out of range"},
		{JSON, strings.Repeat("7", 151), 1, 1, "150 significant digits"},
		{JSON, "012", 1, 1, "leading zero"},
		{JSON, "1.", 1, 3, "ends too early"},
		{JSON, "+1", 1, 1, "a value was expected"},
		{YAML, "a: .nan", 1, 4, "quote it"},
		{YAML, "a: -.Inf", 1, 4, "quote it"},
		{YAML, "a: 1e999", 1, 4, "out of range"},
		{YAML, "a: 0644", 1, 4, "0o"},
		{YAML, "a: 0x" + strings.Repeat("f", 300), 1, 4, "digits"},
		{TOML, "a = inf", 1, 1, `the value of "a"`},
		{TOML, "a = -nan", 1, 1, "infinite"},
		{TOML, "a = 1e999", 1, 1, "out of range"},
		{TOML, "a = 9223372036854775808", 1, 1, "64 bits"},
		{TOML, "a = 2024-02-30", 1, 1, "no such date"},
		// C10 more than one document
		{JSON, "{} {}", 1, 4, "more data after the end"},
		{JSON, "1 #", 1, 3, "more data after the end"},
		{YAML, "a: 1\n---\nb: 2\n", 2, 1, "second document"},
		{YAML, "a: 1\n...\nb: 2\n", 3, 1, "second document"},
		{YAML, "--- a\n--- [\n", 3, 1, ""},
		// YAML's own
		{YAML, "a: !!binary aGk=", 1, 4, "!!binary cannot be used"},
		{YAML, "a: !!set {x: ~}", 1, 4, "!!set"},
		{YAML, "a: !thing {x: 1}", 1, 4, "a tag of its own making"},
		{YAML, "!thing a: 1", 1, 1, "a tag of its own making"},
		{YAML, "a: !!int x", 1, 4, "not what its tag !!int says"},
		{YAML, "[a]: 1", 1, 1, "as a key"},
		{YAML, "{a: 1}: 1", 1, 1, "as a key"},
		{YAML, ": 1", 1, 1, "empty or null key"},
		{YAML, "~: 1", 1, 1, "empty or null key"},
		{YAML, "a: &a [*a]", 1, 8, "an alias inside what it names"},
		{YAML, "a: &a {<<: *a}", 1, 12, "an alias inside what it names"},
		{YAML, "a: {<<: 1}", 1, 9, "<< takes a mapping"},
		{YAML, "a: *b", 1, 4, "an alias without an anchor"},
		{YAML, "%YAML 1.1\n---\na: yes", 1, 1, "%YAML 1.1"},
		{YAML, "a: [1", 2, 1, "did not find"},
		{YAML, "\ta: 1", 1, 1, "cannot start"},
		// JSON's own
		{JSON, `{"a":1,}`, 1, 8, "a key in quotes was expected"},
		{JSON, `[1,]`, 1, 4, "a value was expected"},
		{JSON, `{"a" 1}`, 1, 6, "a colon"},
		{JSON, `{a:1}`, 1, 2, "a key in quotes"},
		{JSON, `[1 2]`, 1, 4, "a comma or ]"},
		{JSON, `{"a":1]`, 1, 7, "a comma or }"},
		{JSON, `"a`, 1, 3, "ends too early"},
		{JSON, `"\x"`, 1, 2, "unknown escape"},
		{JSON, `"\u12g4"`, 1, 2, "four hexadecimal"},
		{JSON, `{"a":[1,`, 1, 9, "ends too early"},
		{JSON, "// c\n{}", 1, 1, "a value was expected"},
		{JSON, "<html>", 1, 1, "a value was expected"},
		{JSON, "nul", 1, 1, "a value was expected"},
		{JSON, "\x00", 1, 1, "a value was expected"},
	} {
		_, err := Decode(c.format, []byte(c.in), Limits{})
		var se *SyntaxError
		if !errors.As(err, &se) {
			if c.line != -1 || err == nil {
				t.Errorf("%s %.60q: %v, want a *SyntaxError", c.format, c.in, err)
			}
			continue
		}
		if c.line == -1 {
			continue
		}
		if se.Format != c.format || !strings.Contains(se.Message, c.message) {
			t.Errorf("%s %.60q: %v, want %q", c.format, c.in, err, c.message)
		}
		if se.Line != c.line || c.column > 0 && se.Column != c.column {
			t.Errorf("%s %.60q: at %d:%d, want %d:%d: %v", c.format, c.in, se.Line, se.Column, c.line, c.column, err)
		}
	}
}

func TestEmptyDocument(t *testing.T) {
	for _, in := range []string{"", " \t\r\n"} {
		if _, err := Decode(JSON, []byte(in), Limits{}); !errors.Is(err, ErrEmpty) {
			t.Errorf("%q as JSON: %v", in, err)
		}
		for _, f := range []Format{YAML, TOML} {
			if v, err := Decode(f, []byte(in), Limits{}); err != nil || !Empty(v) {
				t.Errorf("%q as %s: %#v, %v", in, f, v, err)
			}
		}
	}
	if _, err := Decode(JSON, []byte("x"), Limits{}); errors.Is(err, ErrEmpty) {
		t.Error("a wrong document is not an empty one")
	}
}

func TestEmpty(t *testing.T) {
	for _, c := range []struct {
		v    cty.Value
		want bool
	}{
		{cty.NullVal(cty.DynamicPseudoType), true},
		{cty.NullVal(cty.String), true},
		{cty.EmptyObjectVal, true},
		{cty.EmptyTupleVal, true},
		{cty.ListValEmpty(cty.String), true},
		{cty.MapValEmpty(cty.String), true},
		{cty.SetValEmpty(cty.String), true},
		{cty.StringVal(""), true},
		{cty.StringVal("").Mark("secret"), true},
		{cty.NilVal, true},
		{cty.StringVal(" "), false},
		{cty.Zero, false},
		{cty.False, false},
		{cty.UnknownVal(cty.String), false},
		{cty.DynamicVal, false},
		{cty.TupleVal([]cty.Value{cty.NullVal(cty.String)}), false},
	} {
		if got := Empty(c.v); got != c.want {
			t.Errorf("Empty(%#v) = %v", c.v, got)
		}
	}
}

// C4, C7: limits, each just met and just passed.
func TestLimits(t *testing.T) {
	nest := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	for _, c := range []struct {
		name   string
		format Format
		fits   string
		passes string
		limits Limits
	}{
		{"bytes", Text, "12345678", "123456789", Limits{MaxBytes: 8}},
		{"bytes", Bytes, "12345678", "123456789", Limits{MaxBytes: 8}},
		{"depth", JSON, nest("[", "", "]", 200), nest("[", "", "]", 201), Limits{}},
		{"depth", JSON, nest(`{"a":`, "1", "}", 200), nest(`{"a":`, "1", "}", 201), Limits{}},
		{"depth", YAML, nest("[", "", "]", 200), nest("[", "", "]", 201), Limits{}},
		{"depth", YAML, nest("{a: ", "1", "}", 200), nest("{a: ", "1", "}", 201), Limits{}},
		{"depth", YAML, strings.Repeat("- ", 199) + "x", strings.Repeat("- ", 201) + "x", Limits{}},
		{"depth", YAML, "- - [[1]]", "- - [[[1]]]", Limits{MaxDepth: 4}},
		{"depth", YAML, "a: &a [[1]]\nb: [*a]", "a: &a [[1]]\nb: [[*a]]", Limits{MaxDepth: 4}},
		{"depth", YAML, "a: &a {x: [1]}\nb: {c: {<<: *a}}", "a: &a {x: [1]}\nb: {c: {d: {<<: *a}}}", Limits{MaxDepth: 4}},
		{"depth", TOML, "a = " + nest("[", "", "]", 199), "a = " + nest("[", "", "]", 200), Limits{}},
		{"depth", TOML, "a = " + nest("{a=", "1", "}", 199), "a = " + nest("{a=", "1", "}", 200), Limits{}},
		{"depth", TOML, strings.Repeat("a.", 199) + "a=1", strings.Repeat("a.", 200) + "a=1", Limits{}},
		{"depth", TOML, "[a.b]\nc.d=[]", "[a.b]\nc.d=[[]]", Limits{MaxDepth: 5}},
		{"depth", TOML, "[[a]]\n[[a.b]]\nc=1", "[[a]]\n[[a.b]]\nc=[]", Limits{MaxDepth: 5}},
		{"nodes", JSON, "[1,1,1]", "[1,1,1,1]", Limits{MaxNodes: 4}},
		{"nodes", YAML, "[1, 1]", "[1, 1, 1, 1]", Limits{MaxNodes: 4}},
		{"nodes", TOML, "a=1\nb=1\nc=1", "a=1\nb=1\nc=1\nd=1", Limits{MaxNodes: 4}},
		{"aliases", YAML, "a: &a [1, 1]\nb: [*a, *a]", "a: &a [1, 1]\nb: [*a, *a, *a, *a, *a]", Limits{MaxNodes: 14}},
		{"alias bytes", YAML, "a: &a 12345678901234567890\nb: [*a]", "a: &a 12345678901234567890\nb: [*a, *a, *a]", Limits{MaxBytes: 50}},
	} {
		if _, err := Decode(c.format, []byte(c.fits), c.limits); err != nil {
			t.Errorf("%s %s: %v", c.name, c.format, err)
		}
		if _, err := Decode(c.format, []byte(c.passes), c.limits); err == nil {
			t.Errorf("%s %s: %.60q was accepted", c.name, c.format, c.passes)
		}
	}
}

// C4, C5, C7: documents made to be expensive end soon, and without a crash.
func TestHostileDocumentsEndSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, c := range hostile() {
		start := time.Now()
		_, err := Decode(c.format, []byte(c.data), Limits{})
		// The worst takes 2 s here; quadratic ones took minutes.
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s took %v (%v)", c.name, took, err)
		}
		for _, part := range []string{"deep", "bomb", "digits", "nodes", "exponent", "dots", "header", "directives"} {
			if strings.Contains(c.name, part) && err == nil {
				t.Errorf("%s was accepted", c.name)
			}
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: a long error: %.400s", c.name, err)
		}
	}
}

// C14, I10: an error never shows what may be a secret.
func TestErrorsHoldNoValues(t *testing.T) {
	const canary = "hunter2"
	for _, c := range []struct {
		format Format
		in     string
	}{
		{JSON, `{"a": hunter2}`},
		{JSON, `{"a": "hunter2`},
		{JSON, `{"a": "hunter2\x"}`},
		{JSON, `{"a": "hunter2" "b"}`},
		{JSON, `{"a": "hunter2", "a": "hunter2"}`},
		{JSON, `"hunter2" x`},
		{YAML, "a: *hunter2"},
		{YAML, "a: !hunter2"},
		{YAML, "a: !hunter2 x"},
		{YAML, "a: !!hunter2 x"},
		{YAML, "a: !hunter2!x y"},
		{YAML, "a: !<hunter2> x"},
		{YAML, "a: &hunter2 [*hunter2]"},
		{YAML, "a: %hunter2\nb: @hunter2"},
		{YAML, "a: @hunter2"},
		{YAML, "a: `hunter2"},
		{YAML, "a: 'hunter2"},
		{YAML, "a: \"hunter2\\q\""},
		{YAML, "a: !!int hunter2"},
		{YAML, "a: hunter2: x"},
		{YAML, "a: hunter2\n b: c"},
		{YAML, "a: |hunter2\n x"},
		{YAML, "a: hunter2\na: hunter2"},
		{YAML, "a: !!binary hunter2"},
		{YAML, "%hunter2\n---\n%YAML hunter2\n"},
		{YAML, "<<: hunter2"},
		{TOML, "a = hunter2"},
		{TOML, "a = 'hunter2"},
		{TOML, "a = \"hunter2\\q\""},
		{TOML, "a = 'hunter2' x"},
		{TOML, "a = 'hunter2'\na = 'hunter2'"},
		{TOML, "a = '''hunter2"},
		{TOML, "a = 1hunter2"},
		{TOML, "a = [hunter2"},
	} {
		_, err := Decode(c.format, []byte(c.in), Limits{})
		if err == nil {
			t.Errorf("%s %q was accepted", c.format, c.in)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s %q: %v", c.format, c.in, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := Decode(JSON, []byte("{\n  \"a\": 1,\n  \"a\": 2\n}"), Limits{})
	if got, want := fmt.Sprint(err), `json: line 3, column 3: duplicate key "a"; keep one of the two`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err = Decode(JSON, []byte(`{"`+strings.Repeat("é", 99)+`":1,"`+strings.Repeat("é", 99)+`":1}`), Limits{})
	if len(err.Error()) > 150 {
		t.Errorf("a long key makes a long error: %v", err)
	}
	_, err = Decode(JSON, []byte("{\"a\u202eb\":1,\"a\u202eb\":1}"), Limits{})
	if strings.Contains(err.Error(), "\u202e") || !strings.Contains(err.Error(), `\u202e`) {
		t.Errorf("a bidirectional override is not shown: %v", err)
	}
	if _, err = Decode("xml", nil, Limits{}); err == nil {
		t.Error("an unknown format was accepted")
	}
}
