package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/hclspec/decode"
)

func documentChanges(t testing.TB, format decode.Format, before, after string) []string {
	t.Helper()
	changes, ok := Documents(format, []byte(before), []byte(after))
	if !ok {
		t.Fatalf("cannot compare %.100s and %.100s", before, after)
	}
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s", c.Action, c.Path))
	}
	return out
}

func TestDocumentsByKey(t *testing.T) {
	for _, tt := range []struct {
		format        decode.Format
		before, after string
		want          []string
	}{
		{decode.JSON, `{"a":1,"b":[1,2]}`, "{\n \"b\": [1, 2],\n \"a\": 1.0\n}\n", nil},
		{decode.JSON, `{"a":"\u00e9","b":"x\/y"}`, `{"b":"x/y","a":"é"}`, nil},
		{decode.JSON, `{"e\u0301":"e\u0301"}`, `{"é":"é"}`, nil},
		{decode.JSON, `{"a":1,"b":2}`, `{"b":3,"c":4}`, []string{"remove a", "change b", "add c"}},
		{decode.JSON, `[1,2,3]`, `[1,3]`, []string{"remove [1]"}},
		{decode.JSON, `{"a":9007199254740993}`, `{"a":9007199254740992}`, []string{"change a"}},
		{decode.JSON, `{"a":{}}`, `{"a":[]}`, []string{"change a"}},
		{decode.JSON, `{"a":null}`, `{"a":false}`, []string{"change a"}},
		{decode.JSON, `{"a":1e300}`, `{"a":1E300,"b":1e-300}`, []string{"add b"}},
		{decode.YAML, "a: 1\nb: [1, 2]\n", "b:\n- 1\n- 2\na: 1 # one\n", nil},
		{decode.YAML, "a: 1\n", "a: 2\n", []string{"change a"}},
		{decode.TOML, "a = 1\n[b]\nc = 1\n", "b.c = 2\na = 1\n", []string{"change b.c"}},
	} {
		if diff := cmp.Diff(tt.want, documentChanges(t, tt.format, tt.before, tt.after)); diff != "" {
			t.Errorf("%s and %s (-want +got):\n%s", tt.before, tt.after, diff)
		}
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		format        decode.Format
		before, after string
	}{
		{decode.JSON, `{"a":1`, `{"a":1}`},
		{decode.JSON, `{"a":1,"a":2}`, `{"a":1}`},
		{decode.JSON, `{"e\u0301":1,"é":2}`, `{"a":1}`},
		{decode.JSON, ``, `{"a":1}`},
		{decode.JSON, `{"a":01}`, `{"a":1}`},
		{decode.JSON, `{"a":1} x`, `{"a":1}`},
		{decode.JSON, "{\"a\":\"\xff\"}", `{"a":1}`},
		{decode.JSON, strings.Repeat("[", 300) + strings.Repeat("]", 300), `{"a":1}`},
		{decode.JSON, `{"a":1`, `{"a":1`},
		{decode.YAML, "a: 1\n---\nb: 2\n", "a: 1\n"},
		{decode.YAML, "a: [\n", "a: 1\n"},
		{decode.Text, "a", "b"},
		{"", "a", "b"},
	} {
		if changes, ok := Documents(tt.format, []byte(tt.before), []byte(tt.after)); ok {
			t.Errorf("%.60q and %.60q of format %q were compared: %v", tt.before, tt.after, tt.format, changes)
		}
	}
}

// The tree finds what the decoder and Values find, and gives up rather than accept more.
func FuzzDocuments(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2,{"b":null}],"c":"é\n"}`, `[1.50,1e2,-0,"\ud83c\udf0a",true]`, `{"a":{"a":{}},"":""}`, `"x"`, `[[],{}]`, `{"a" : 1 , "b":[ ] }`,
	} {
		for _, o := range []string{`{"a":[1,{"b":null}],"c":"x"}`, `[100,0]`, s} {
			f.Add([]byte(s), []byte(o))
		}
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		b, errBefore := decode.Decode(decode.JSON, before, decode.Limits{})
		a, errAfter := decode.Decode(decode.JSON, after, decode.Limits{})
		changes, ok := Documents(decode.JSON, before, after)
		if fine := errBefore == nil && errAfter == nil; ok != fine {
			t.Fatalf("compared: %t, but decoding says %v, %v", ok, errBefore, errAfter)
		}
		if !ok {
			return
		}
		want := Values(b, a)
		if len(want) != len(changes) {
			t.Fatalf("%d changes, Values finds %d", len(changes), len(want))
		}
		for i, c := range changes {
			if w := want[i]; !c.Path.Equal(w.Path) || c.Action != w.Action || !c.Before.RawEquals(w.Before) || !c.After.RawEquals(w.After) {
				t.Errorf("change %d is %+v, Values says %+v", i, c, w)
			}
		}
	})
}

// fiveMegabytes is a document of some 30,000 objects, indented or not, in order or not.
func fiveMegabytes(port func(i int) int, indent, shuffle bool) []byte {
	type member struct {
		Name    string         `json:"name"`
		Port    int            `json:"port"`
		Tags    []any          `json:"tags"`
		Enabled bool           `json:"enabled"`
		Limits  map[string]any `json:"limits"`
	}
	var list []member
	for i := range 28_000 {
		list = append(list, member{
			fmt.Sprintf("service-%d.internal.example", i), port(i),
			[]any{"eu-west-1", "blue", i % 7},
			true,
			map[string]any{"cpu": 0.5, "memory": "512Mi", "note": nil},
		})
	}
	var b bytes.Buffer
	b.WriteString(`{"list":`)
	data, err := json.Marshal(list[:10_000])
	if err != nil {
		panic(err)
	}
	b.Write(data)
	b.WriteString(`,"map":{`)
	order := rand.New(rand.NewPCG(1, 2)).Perm(18_000)
	for n := range order {
		i := n
		if shuffle {
			i = order[n]
		}
		if n > 0 {
			b.WriteByte(',')
		}
		data, err := json.Marshal(list[10_000+i])
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "\"k%d\":%s", i, data)
	}
	b.WriteString("}}")
	if !indent {
		return b.Bytes()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", " "); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// BenchmarkDocuments compares JSON of 5 MB by key, beside its floor: encoding/json's check that
// both documents are JSON at all, which makes nothing of them, and its peer: encoding/json and
// reflect.DeepEqual, which say no more than whether anything differs.
func BenchmarkDocuments(b *testing.B) {
	same := func(i int) int { return i }
	some := func(i int) int { return i + b2i(i%300 == 0) }
	all := func(i int) int { return i + 1 }
	before := fiveMegabytes(same, false, false)
	for _, bb := range []struct {
		name  string
		after []byte
		want  int
	}{
		{"100 changes", fiveMegabytes(some, false, false), 94},
		{"100 changes, other order", fiveMegabytes(some, false, true), 94},
		{"other layout", fiveMegabytes(same, true, false), 0},
		{"all changed", fiveMegabytes(all, false, false), 28_000},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				if got, ok := Documents(decode.JSON, before, bb.after); !ok || len(got) != bb.want {
					b.Fatalf("%d changes, %t", len(got), ok)
				}
			}
			b.SetBytes(int64(len(before) + len(bb.after)))
		})
	}
	b.Run("peer", func(b *testing.B) {
		for b.Loop() {
			var x, y any
			if json.Unmarshal(before, &x) != nil || json.Unmarshal(before, &y) != nil || !reflect.DeepEqual(x, y) {
				b.Fatal("not equal")
			}
		}
		b.SetBytes(int64(2 * len(before)))
	})
	other := fiveMegabytes(some, false, false)
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			if !json.Valid(before) || !json.Valid(other) {
				b.Fatal("no JSON")
			}
		}
		b.SetBytes(int64(2 * len(before)))
	})
}
