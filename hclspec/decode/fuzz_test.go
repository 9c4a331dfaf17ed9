package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

var fuzzLimits = Limits{MaxBytes: 1 << 16, MaxDepth: 50, MaxNodes: 10_000}

// survives checks what holds for all formats.
func survives(t *testing.T, f Format, data []byte) (cty.Value, error) {
	v, err := Decode(f, data, fuzzLimits)
	if err != nil {
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Fatalf("%q: %v is no *SyntaxError", data, err)
		}
		if se.Line < 0 || se.Column < 0 || se.Line > bytes.Count(data, []byte{'\n'})+bytes.Count(data, []byte{'\r'})+strings.Count(string(data), "\u0085")+strings.Count(string(data), "\u2028")+strings.Count(string(data), "\u2029")+2 {
			t.Fatalf("%q: no such position: %v", data, err)
		}
		return v, err
	}
	key, err := Key(v, nil)
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	// What was read once is read again from its JSON, with the same key.
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	again, err := Decode(JSON, text, Limits{MaxBytes: 1 << 40})
	if err != nil {
		t.Fatalf("%q became %q: %v", data, text, err)
	}
	if other, _ := Key(again, nil); other != key {
		t.Fatalf("%q has another key than its JSON", data)
	}
	return v, nil
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,true,false,null,"x\n\u00e9\ud83d\ude00"]}`, `{"a":1,"a":2}`, `[[[]]]`, `1e999`, "\"\xff\"", `{} {}`, `"\ud800"`, ` `, `-0`, `[1,]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := survives(t, JSON, data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		// cty's own reader agrees, wherever it does not lose something.
		ty, err := ctyjson.ImpliedType(data)
		if err != nil {
			return
		}
		if other, err := ctyjson.Unmarshal(data, ty); err == nil && !v.RawEquals(other) {
			// Digits beyond 512 bits may end otherwise.
			if k1, _ := Key(v, nil); k1 != "" {
				k2, _ := Key(other, nil)
				if k1 != k2 {
					t.Fatalf("%q: %#v, but cty reads %#v", data, v, other)
				}
			}
		}
	})
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"a: &x {b: 1}\nc:\n  <<: *x\n  d: [yes, 0o17, ~, .5]\n", "- - - a\n", "a: &a [*a]", "? [a]\n: b\n", "%TAG ! x\n--- !y z", "a: |\n  x\n", "--- a\n...\n--- b\n", "{a: 1, a: 2}", "a: 'x\n  y'", "&a a: *a",
		"<<: [{a: 1}, {a: 2}]", "a: !!str 1", "# c\n\n\n", "*a : b", "- ? a", "{<<: {}}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = survives(t, YAML, data) })
}

func FuzzTOML(f *testing.F) {
	for _, s := range []string{
		"a.b = 1\n[c]\nd = [1, 2.5, 'x', {e = 1}]\n[[f]]\n[[f]]\ng = 1979-05-27T07:32:00Z\n", "a = inf", "[a]\n[a]", "[a.b]\n[a]\nb.c=1", "a=07:32\nb=1979-05-27", "a=\"\"\"\\\n x\"\"\"", "a='''x'''#c", "a=0xff\nb=1_0",
		"[[a.b]]\n[a]\n", "a=[{b.c=1}]\n[a.d]", "x=1979-05-27 07:32:00.5-08:00", "x=1979-05-27T7:32:00Z",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := survives(t, TOML, data)
		var reference map[string]any
		refErr := toml.Unmarshal(data, &reference)
		if err == nil && refErr != nil {
			t.Fatalf("%q: accepted, but go-toml says %v", data, refErr)
		}
		if err != nil && refErr == nil {
			for _, stricter := range []string{"infinite", "out of range", "150 significant", "nested deeper", "holds more than", "larger than", "byte order mark", "invalid UTF-8", "duplicate key"} {
				if strings.Contains(err.Error(), stricter) {
					return
				}
			}
			t.Fatalf("%q: go-toml accepts it: %v", data, err)
		}
	})
}

func FuzzHCL(f *testing.F) {
	for _, s := range []string{
		"a = 1\nb \"c\" {\n  d = [true, null, -2.5, {e = 1}]\n}\n", "a = <<-EOT\n  x\n  EOT\n", "a = 1\na = 2", "a \"b\" {}\na {}", "a = \"${b}\"", "a = {\"x\" = 1, x = 2}", "a = 1e999", "a = [[[[]]]]", "a = \"\\u00e9$${\"", "a = (((1)))",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = survives(t, HCL, data) })
}

func FuzzEnv(f *testing.F) {
	for _, s := range []string{"A=1\nexport B='x\ny' # c\n", "A=\"\\n\\\\\"", "A=1\nA=2", "A = x # y\r\n", "A='", "export=1\nexport export=2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = survives(t, Env, data) })
}

func FuzzProperties(f *testing.F) {
	for _, s := range []string{"a=1\n# c\nb : x\\\n  y\n", `a\ b\u00e9=\ud83d\ude00`, "a\\", "\\\n\\\n=x", "a\rb\r\nc", "a\na", `\u`, "!\\\na"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = survives(t, Properties, data) })
}

func FuzzINI(f *testing.F) {
	for _, s := range []string{"a = 1\n[s]\nb = \"x\\n\"\n; c\n", "[s]\n[s]", "[a\n", " a=1", "a=\"x\" y", "=", "s=1\n[s]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = survives(t, INI, data) })
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,\"x\"\"y\"\n", "a,a\n", "a\n1,2\n", "a\n\"\r\n\"\r\n", "\n\na\n\n1", "a,\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = survives(t, CSV, data) })
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a.b", "a[*].b", `a["b.c"][0]`, "*", "a..b", "["} {
		f.Add(s)
	}
	v, err := Decode(JSON, []byte(`{"a":[{"b":1}],"c":{"d":{}}}`), Limits{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		if k, err := Key(v, []Path{p}); err != nil || k == "" {
			t.Fatal(k, err)
		}
	})
}
