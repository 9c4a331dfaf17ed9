package encode

import (
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"tidegate/hclspec/decode"
)

func fromJSON(t testing.TB, src string) cty.Value {
	t.Helper()
	v, err := decode.Decode(decode.JSON, []byte(src), decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rows(v cty.Value) (string, error) { return CSV(v, nil) }

var formats = map[decode.Format]func(cty.Value) (string, error){
	decode.TOML: TOML, decode.Env: Env, decode.Properties: Properties, decode.INI: INI, decode.CSV: rows,
}

func TestDocumentsAreWritten(t *testing.T) {
	for _, tt := range []struct {
		format   decode.Format
		in, want string
	}{
		{decode.Env, `{"B":"x y","A":1.50,"C":true,"D":"","E":"it's $HOME","F":"a\nb","G":"#x"}`, "A=1.5\nB='x y'\nC=true\nD=\nE=\"it's \\$HOME\"\nF='a\nb'\nG='#x'\n"},
		{decode.Env, `{}`, ""},
		{decode.Properties, `{"a.b":" x","k y":"1=2","ü":"é😀","n":"a\nb\\"}`, "a.b=\\ x\nk\\ y=1=2\nn=a\\nb\\\\\n\\u00fc=\\u00e9\\ud83d\\ude00\n"},
		{decode.INI, `{"top":1,"s":{"a":"x ; y","b":" x","c":""},"t.u":{}}`, "top = 1\n\n[s]\na = x ; y\nb = \" x\"\nc =\n\n[t.u]\n"},
		{decode.CSV, `[{"b":"x, y","a":1},{"a":null,"b":"\""}]`, "a,b\n1,\"x, y\"\n,\"\"\"\"\n"},
		{decode.CSV, `[]`, ""},
		{decode.CSV, `[{"a":""}]`, "a\n\"\"\n"},
		{
			decode.TOML, `{"a":1,"b":{"c":[1,[2.5,"x"]],"d e":{"f":true}},"g":[{"h":1},{"h":2,"i":[{"j":{}}]}],"k":[{},1],"l":[]}`,
			"a = 1\nk = [{}, 1]\nl = []\n\n[b]\nc = [1, [2.5, \"x\"]]\n\n[b.\"d e\"]\nf = true\n\n[[g]]\nh = 1\n\n[[g]]\nh = 2\n\n[[g.i]]\n\n[g.i.j]\n",
		},
		{decode.TOML, `{"a":"é\u0001\n\"\\"}`, "a = \"é\\u0001\\n\\\"\\\\\"\n"},
	} {
		got, err := formats[tt.format](fromJSON(t, tt.in))
		if err != nil {
			t.Errorf("%s %s: %v", tt.format, tt.in, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.format, tt.in, diff)
		}
	}
}

func TestWhatAFormatHasNoWordsForIsRefused(t *testing.T) {
	for _, tt := range []struct {
		format   decode.Format
		in, want string
	}{
		{decode.Env, `["hunter2"]`, "an object or a map is needed, not tuple"},
		{decode.Env, `{"A-B":"hunter2"}`, "A-B: it cannot be the name of a variable"},
		{decode.Env, `{"A":null}`, "A: it is null"},
		{decode.Env, `{"A":["hunter2"]}`, "A: it is of type tuple"},
		{decode.Env, `{"A":"\u0000"}`, "NUL"},
		{decode.Properties, `{"":"hunter2"}`, `"": a key cannot be empty`},
		{decode.Properties, `{"a":{"b":"hunter2"}}`, "a: it is of type object"},
		{decode.INI, `{"a":{"b":{"c":"hunter2"}}}`, "a.b: it is of type object"},
		{decode.INI, `{"a":{"b=c":"hunter2"}}`, "a.b=c: it cannot be a key"},
		{decode.INI, `{"a":{"#c":"hunter2"}}`, "a.#c: it cannot be a key"},
		{decode.INI, `{"a]":{"c":"hunter2"}}`, "a]: it cannot be the name of a section"},
		{decode.CSV, `{"a":"hunter2"}`, "a list of objects is needed"},
		{decode.CSV, `[{"a":1},"hunter2"]`, "row 1: an object is needed, not string"},
		{decode.CSV, `[{"a":1},{"b":2}]`, "row 1: it has no attribute a, which is a column"},
		{decode.CSV, `[{"a":1},{"a":1,"b":2}]`, "row 1: its attribute b is no column"},
		{decode.CSV, `[{"a":["hunter2"]}]`, "row 0, a: it is of type tuple"},
		{decode.CSV, `[{}]`, "no attributes"},
		{decode.TOML, `{"a":{"b":[1,null]}}`, "a.b[1]: it is null"},
		{decode.TOML, `{"a":9223372036854775808}`, "a: it is an integer of more than 64 bits"},
		{decode.TOML, `"hunter2"`, "an object or a map is needed"},
	} {
		_, err := formats[tt.format](fromJSON(t, tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s %s: %v", tt.format, tt.in, err)
		}
	}
	if _, err := CSV(fromJSON(t, `[{"a":1,"b":2}]`), []string{"b", "b"}); err == nil {
		t.Error("a column that is there twice")
	}
	if got, err := CSV(fromJSON(t, `[{"a":1,"b":2}]`), []string{"b", "a"}); err != nil || got != "b,a\n2,1\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// What is written is read as it was; texts take the place of numbers where a format has no others.
func TestRoundTrip(t *testing.T) {
	for format, write := range formats {
		t.Run(string(format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				v := draw(t, format)
				out, err := write(v)
				if err != nil {
					t.Skip(err)
				}
				back, err := decode.Decode(format, []byte(out), decode.Limits{})
				if err != nil {
					t.Fatalf("%q: %v", out, err)
				}
				if want, got := key(t, v), key(t, back); want != got {
					t.Fatalf("%s became %q and that %s", inJSON(t, v), out, inJSON(t, back))
				}
			})
		})
	}
}

func key(t *rapid.T, v cty.Value) string {
	k, err := decode.Key(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func inJSON(t *rapid.T, v cty.Value) string {
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func draw(t *rapid.T, format decode.Format) cty.Value {
	names, texts := rapid.StringMatching(`[ -~ä\n]{1,8}`), rapid.String()
	if format == decode.CSV {
		names = rapid.StringMatching(`[ -~ä]{1,8}`)
		texts = rapid.StringMatching(`[ -~ä\n\t]{0,10}`) // a reader takes \r\n for \n
	}
	if format == decode.Env {
		names = rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_]{0,8}`)
	}
	flat := func() cty.Value {
		attrs := map[string]cty.Value{}
		for name, value := range rapid.MapOf(names, texts).Draw(t, "attributes") {
			attrs[cty.NormalizeString(name)] = cty.StringVal(value)
		}
		return cty.ObjectVal(attrs)
	}
	switch format {
	case decode.CSV:
		columns := rapid.SliceOfNDistinct(names, 1, 3, cty.NormalizeString).Draw(t, "columns")
		var list []cty.Value
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			row := map[string]cty.Value{}
			for _, c := range columns {
				row[cty.NormalizeString(c)] = cty.StringVal(texts.Draw(t, "field"))
			}
			list = append(list, cty.ObjectVal(row))
		}
		return cty.TupleVal(list)
	case decode.INI:
		attrs := flat().AsValueMap()
		if attrs == nil {
			attrs = map[string]cty.Value{}
		}
		for _, name := range rapid.SliceOfN(names, 0, 3).Draw(t, "sections") {
			attrs[cty.NormalizeString(name)] = flat()
		}
		return cty.ObjectVal(attrs)
	case decode.TOML:
		return cty.ObjectVal(map[string]cty.Value{"a": tree(t, names, texts, 4), "b": tree(t, names, texts, 2)})
	}
	return flat()
}

func tree(t *rapid.T, names, texts *rapid.Generator[string], depth int) cty.Value {
	kinds := 5
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return cty.StringVal(texts.Draw(t, "text"))
	case 1:
		f, _, err := big.ParseFloat(rapid.StringMatching(`-?[0-9]{1,18}(\.[0-9]{1,20})?`).Draw(t, "number"), 10, 512, big.ToNearestEven)
		if err != nil {
			t.Fatal(err)
		}
		return cty.NumberVal(f)
	case 2:
		return cty.BoolVal(rapid.Bool().Draw(t, "bool"))
	case 3:
		list := make([]cty.Value, rapid.IntRange(0, 3).Draw(t, "elements"))
		for i := range list {
			list[i] = tree(t, names, texts, depth-1)
		}
		return cty.TupleVal(list)
	}
	attrs := map[string]cty.Value{}
	for range rapid.IntRange(0, 3).Draw(t, "attributes") {
		attrs[cty.NormalizeString(names.Draw(t, "name"))] = tree(t, names, texts, depth-1)
	}
	return cty.ObjectVal(attrs)
}

// What stands without quotes or in single ones is what a shell reads, too.
func TestShellsReadEnv(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	values := []string{"plain", "", "two words", "a\nb", `back\slash \n`, `"quoted"`, "$HOME `id`", "#x", "tab\tä", "-n", "a=b,c:d@e/f.g%h+i"}
	attrs := map[string]cty.Value{}
	for i, v := range values {
		attrs[fmt.Sprintf("V%02d", i)] = cty.StringVal(v)
	}
	out, err := Env(cty.ObjectVal(attrs))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app.env")
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `. "$1"; for i in $(seq -w 0 10); do eval "printf '%s\\0' \"\$V$i\""; done`
	got, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(values, "\x00")+"\x00", string(got)); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}
