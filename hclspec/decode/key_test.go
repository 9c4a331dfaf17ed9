package decode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"
)

func mustKey(t interface{ Fatal(...any) }, v cty.Value, ignore ...Path) string {
	k, err := Key(v, ignore)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustDecode(t interface{ Fatalf(string, ...any) }, f Format, in string) cty.Value {
	v, err := Decode(f, []byte(in), Limits{})
	if err != nil {
		t.Fatalf("%s %q: %v", f, in, err)
	}
	return v
}

// The key is stored: this one must never change under the version it names.
func TestKeyIsStable(t *testing.T) {
	v := mustDecode(t, JSON, `{"b":[1,2.5,-1e3,1e300,9007199254740993],"a":{"x":null,"y":true},"<é>":"\u0001 😀 \u2028"}`)
	const want = "v1:sha256:702f1f09c307b5614362cdb33eb4ec7790fd72bd1b159efa6f918169abdc2c75"
	if got := mustKey(t, v); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := RawHash(nil), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; got != want {
		t.Errorf("RawHash(nil) = %s, want %s", got, want)
	}
}

// C13: what is only another way to write the same.
func TestKeyIgnoresForm(t *testing.T) {
	for _, same := range [][]string{
		{`{"a":1,"b":2}`, "{ \"b\" : 2,\n\t\"a\" : 1 }"},
		{`1`, `1.0`, `1e0`, `10e-1`, `0.1e1`, `1.000`},
		{`1000`, `1e3`, `1E+3`},
		{`0`, `-0`, `0.0`, `0e5`},
		{`1e300`, `10e299`, `0.1e301`},
		{`0.1`, `1e-1`, `0.10`},
		{`"é"`, `"\u00e9"`, `"e\u0301"`},
		{`"/"`, `"\/"`},
	} {
		for _, s := range same {
			if mustKey(t, mustDecode(t, JSON, s)) != mustKey(t, mustDecode(t, JSON, same[0])) {
				t.Errorf("%s and %s have different keys", same[0], s)
			}
		}
	}
	yaml := mustDecode(t, YAML, "b: 2\na: [1.0, x]\n")
	toml := mustDecode(t, TOML, "a = [1, 'x']\nb = 2.0\n")
	if mustKey(t, yaml) != mustKey(t, toml) {
		t.Error("YAML and TOML of the same content have different keys")
	}
}

func TestKeySeesContent(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{
		`null`, `true`, `false`, `""`, `"null"`, `"true"`, `{}`, `[]`, `[[]]`, `[null]`, `{"a":null}`, `0`, `"0"`, `1`, `"1"`,
		`9007199254740992`, `9007199254740993`, `0.1`, `0.10000000000000001`, `1e308`, `1e-324`, `2e-324`,
		`123456789012345678901234567890`, `123456789012345678901234567891`, `[1,2]`, `[2,1]`, `["1,2"]`, `{"a":{"b":1}}`, `{"a":1}`, `{"b":1}`,
		`"a"`, `"A"`, `"a "`, `"\u202ea"`, `"\u0000"`, `"\\u0000"`,
	} {
		k := mustKey(t, mustDecode(t, JSON, s))
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key", s, other)
		}
		seen[k] = s
	}
}

func TestKeyIgnoresTypesAndMarks(t *testing.T) {
	one, two := cty.StringVal("1"), cty.StringVal("2")
	for _, same := range [][]cty.Value{
		{cty.TupleVal([]cty.Value{one, two}), cty.ListVal([]cty.Value{one, two}), cty.SetVal([]cty.Value{two, one})},
		{cty.ObjectVal(map[string]cty.Value{"a": one}), cty.MapVal(map[string]cty.Value{"a": one}), cty.MapVal(map[string]cty.Value{"a": one.Mark("secret")})},
		{cty.EmptyTupleVal, cty.ListValEmpty(cty.Number), cty.SetValEmpty(cty.Bool)},
		{cty.EmptyObjectVal, cty.MapValEmpty(cty.Number)},
		{cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.String), cty.NullVal(cty.EmptyObject), cty.NullVal(cty.String).Mark("secret")},
		{cty.NumberIntVal(1 << 60), cty.MustParseNumberVal("1152921504606846976"), cty.NumberFloatVal(1 << 60)},
		{cty.NumberFloatVal(math.Ldexp(1, 100)), cty.MustParseNumberVal("1267650600228229401496703205376")},
		{cty.NumberFloatVal(0.5), cty.MustParseNumberVal("0.5")},
		{cty.NumberFloatVal(0.1), cty.MustParseNumberVal("0.1000000000000000055511151231257827021181583404541015625")},
	} {
		for _, v := range same {
			if mustKey(t, v) != mustKey(t, same[0]) {
				t.Errorf("%#v and %#v have different keys", same[0], v)
			}
		}
	}
	if mustKey(t, one.Mark("secret")) == mustKey(t, two.Mark("secret")) {
		t.Error("a change of a secret does not show")
	}
	if mustKey(t, cty.NumberFloatVal(0.1)) == mustKey(t, cty.MustParseNumberVal("0.1")) {
		t.Error("different numbers have the same key")
	}
}

func TestKeyRefuses(t *testing.T) {
	for _, v := range []cty.Value{
		cty.UnknownVal(cty.String), cty.DynamicVal, cty.TupleVal([]cty.Value{cty.UnknownVal(cty.Number)}),
		cty.PositiveInfinity, cty.ObjectVal(map[string]cty.Value{"a": cty.NegativeInfinity}),
		cty.CapsuleVal(cty.Capsule("thing", reflect.TypeFor[big.Float]()), new(big.Float)),
	} {
		if k, err := Key(v, nil); err == nil {
			t.Errorf("Key(%#v) = %s", v, k)
		}
	}
}

// content generates values as Decode makes them, with numbers as their text.
func content() *rapid.Generator[any] {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,2})?`)
	scalar := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(number, func(s string) any { return json.Number(s) }),
	)
	key := rapid.Map(rapid.StringN(0, 5, -1), cty.NormalizeString)
	var level func(n int) *rapid.Generator[any]
	level = func(n int) *rapid.Generator[any] {
		if n == 0 {
			return scalar
		}
		inner := level(n - 1)
		return rapid.OneOf(
			scalar,
			rapid.Map(rapid.SliceOfN(inner, 0, 4), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(key, inner, 0, 4), func(m map[string]any) any { return m }),
		)
	}
	return level(3)
}

func toCty(v any) cty.Value {
	switch v := v.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType)
	case bool:
		return cty.BoolVal(v)
	case string:
		return cty.StringVal(v)
	case json.Number:
		return cty.MustParseNumberVal(string(v))
	case []any:
		var vs []cty.Value
		for _, e := range v {
			vs = append(vs, toCty(e))
		}
		return cty.TupleVal(vs)
	case map[string]any:
		m := map[string]cty.Value{}
		for k, e := range v {
			m[k] = toCty(e)
		}
		return cty.ObjectVal(m)
	}
	panic(fmt.Sprintf("%T", v))
}

// scribble writes v with keys in any order and white space anywhere.
func scribble(t *rapid.T, b *strings.Builder, v any) {
	space := func() { b.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n", "\t\r\n "}).Draw(t, "space")) }
	space()
	defer space()
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			scribble(t, b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b.WriteByte('{')
		for i, k := range rapid.Permutation(keys).Draw(t, "order") {
			if i > 0 {
				b.WriteByte(',')
			}
			scribble(t, b, k)
			b.WriteByte(':')
			scribble(t, b, v[k])
		}
		b.WriteByte('}')
	default:
		data, _ := json.Marshal(v)
		b.Write(data)
	}
}

func TestDecodeUndoesMarshal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := toCty(content().Draw(t, "value"))
		data, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(JSON, data, Limits{})
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !got.RawEquals(v) {
			t.Fatalf("%s: got %#v, want %#v", data, got, v)
		}
	})
}

func TestKeyIsTheHashOfMarshal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data, _ := json.Marshal(content().Draw(t, "value"))
		v, err := Decode(JSON, data, Limits{})
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		canonical, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			t.Fatal(err)
		}
		// cty writes -0, which equals 0.
		if strings.Contains(string(canonical), "-0") {
			t.Skip()
		}
		sum := sha256.Sum256(canonical)
		if got := mustKey(t, v); got != keyVersion+hex.EncodeToString(sum[:]) {
			t.Fatalf("the key of %s is not its hash", canonical)
		}
	})
}

func TestKeyIndependentOfLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := content().Draw(t, "value")
		var b strings.Builder
		scribble(t, &b, c)
		if got, want := mustKey(t, mustDecode(t, JSON, b.String())), mustKey(t, toCty(c)); got != want {
			t.Fatalf("the layout of %q changes its key", b.String())
		}
	})
}

func TestKeyEqualExactlyForEqualValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := toCty(content().Draw(t, "a")), toCty(content().Draw(t, "b"))
		if (mustKey(t, a) == mustKey(t, b)) != a.RawEquals(b) {
			t.Fatalf("%#v and %#v", a, b)
		}
		wrapped := cty.TupleVal([]cty.Value{a})
		if mustKey(t, a) == mustKey(t, wrapped) {
			t.Fatalf("%#v has the key of a tuple of it", a)
		}
	})
}

// JSON is a part of YAML, but for escaped surrogate pairs and, here, line separators.
func TestYAMLReadsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data, err := json.Marshal(content().Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(data), "\u0085\u2028\u2029") {
			t.Skip()
		}
		y, err := Decode(YAML, data, Limits{})
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if j := mustDecode(t, JSON, string(data)); !y.RawEquals(j) {
			t.Fatalf("%s: YAML %#v, JSON %#v", data, y, j)
		}
	})
}

func TestKeyWithoutIgnored(t *testing.T) {
	paths := rapid.Map(rapid.StringMatching(`(\*|a|b|0|\[\*\]|\[1\])((\.\*|\.a|\.b|\[\*\]|\[0\]))?`), func(s string) Path {
		p, err := ParsePath(s)
		if err != nil {
			panic(err)
		}
		return p
	})
	small := rapid.Custom(func(t *rapid.T) any {
		leaf := rapid.SampledFrom([]any{nil, true, "x", json.Number("1")})
		inner := rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(leaf, 0, 3), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "0"}), leaf, 0, 3), func(m map[string]any) any { return m }))
		return rapid.OneOf(
			rapid.Map(rapid.SliceOfN(inner, 0, 3), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "0"}), inner, 0, 3), func(m map[string]any) any { return m })).Draw(t, "v")
	})
	rapid.Check(t, func(t *rapid.T) {
		v := toCty(small.Draw(t, "value"))
		ignore := rapid.SliceOfN(paths, 0, 3).Draw(t, "ignore")
		less := Without(v, ignore)
		if mustKey(t, v, ignore...) != mustKey(t, less) {
			t.Fatalf("%#v less %v", v, ignore)
		}
	})
}
