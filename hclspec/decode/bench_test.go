package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// servers is a configuration of about size bytes, as JSON.
func servers(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"servers":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"web-%d","port":%d,"weight":0.%d,"tags":["a","b"],"tls":true,"note":null}`, i, 8000+i, i%97+1)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// serversYAML is the same content as block YAML.
func serversYAML(size int) []byte {
	var b bytes.Buffer
	b.WriteString("servers:\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "- name: web-%d\n  port: %d\n  weight: 0.%d\n  tags: [a, b]\n  tls: true\n  note: ~\n", i, 8000+i, i%97+1)
	}
	return b.Bytes()
}

func serversTOML(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "[[servers]]\nname = \"web-%d\"\nport = %d\nweight = 0.%d\ntags = [\"a\", \"b\"]\ntls = true\n", i, 8000+i, i%97+1)
	}
	return b.Bytes()
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name   string
		format Format
		data   []byte
	}{
		{"json/1KB", JSON, servers(1000)},
		{"json/5MB", JSON, servers(5_000_000)},
		{"yaml/1KB", YAML, serversYAML(1000)},
		{"yaml/5MB", YAML, serversYAML(5_000_000)},
		{"toml/1KB", TOML, serversTOML(1000)},
		{"toml/5MB", TOML, serversTOML(5_000_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(c.format, c.data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTokens is the floor to compare the JSON rows with.
func BenchmarkTokens(b *testing.B) {
	for _, size := range []int{1000, 5_000_000} {
		data := servers(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				d := json.NewDecoder(bytes.NewReader(data))
				d.UseNumber()
				for {
					if _, err := d.Token(); err != nil {
						break
					}
				}
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	path, err := ParsePath("servers[*].note")
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1000, 5_000_000} {
		data := servers(size)
		v, err := Decode(JSON, data, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		for name, ignore := range map[string][]Path{"whole": nil, "ignore": {path}} {
			b.Run(fmt.Sprint(size, "/", name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Key(v, ignore); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkRawHash(b *testing.B) {
	data := servers(1000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		RawHash(data)
	}
}

// BenchmarkHostile are documents that are made to be expensive.
func BenchmarkHostile(b *testing.B) {
	for _, c := range hostile() {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			var v cty.Value
			for b.Loop() {
				v, _ = Decode(c.format, []byte(c.data), Limits{})
			}
			_ = v
		})
	}
}

type hostileDoc struct {
	name   string
	format Format
	data   string
}

// hostile are documents whose cost a naive reader has in the square of their length, or
// in what they expand to.
func hostile() []hostileDoc {
	const n = 300_000
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	merges := "a0: &a0 {x: 1}\n"
	for i := 1; i < 60; i++ {
		merges += fmt.Sprintf("a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}\n", i, i, i-1, i-1, i)
	}
	lines := func(format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	return []hostileDoc{
		{"json/deep", JSON, strings.Repeat("[", 1_000_000)},
		{"json/deep objects", JSON, strings.Repeat(`{"a":`, 1_000_000)},
		{"json/digits", JSON, strings.Repeat("9", 1_000_000)},
		{"json/zeros", JSON, "1" + strings.Repeat("0", 1_000_000) + "e-1000000"},
		{"json/small", JSON, "0." + strings.Repeat("0", 1_000_000) + "1e1000000"},
		{"json/exponent", JSON, "1e999999999999999999999"},
		{"json/keys", JSON, "{" + lines(`"k%d":1,`) + `"z":1}`},
		{"json/nodes", JSON, "[" + strings.Repeat("1,", 8_000_000) + "1]"},
		{"yaml/deep flow", YAML, strings.Repeat("[", 1_000_000)},
		{"yaml/deep block", YAML, strings.Repeat("- ", 500_000)},
		{"yaml/deep keys", YAML, strings.Repeat("? ", 500_000)},
		{"yaml/deep mappings", YAML, strings.Repeat("{a: ", 200_000)},
		{"yaml/bomb", YAML, bomb},
		{"yaml/merge bomb", YAML, merges},
		{"yaml/keys", YAML, lines("k%d: 1\n")},
		{"yaml/comments", YAML, strings.Repeat("# c\n", n) + "a: 1\n" + strings.Repeat("# c\n", n)},
		{"yaml/comments between", YAML, lines("k%d: 1 # c\n# d\n\n")},
		{"yaml/plain", YAML, "a: " + strings.Repeat("x ", n)},
		{"yaml/plain lines", YAML, "a:\n" + strings.Repeat("  x\n", n)},
		{"yaml/blank lines", YAML, "a:" + strings.Repeat("\n", n) + " x"},
		{"yaml/quoted", YAML, `a: "` + strings.Repeat("x\n ", n) + `"`},
		{"yaml/folded", YAML, "a: >\n" + strings.Repeat("  x\n", n)},
		{"yaml/anchors", YAML, lines("- &a%d x\n")},
		{"yaml/aliases", YAML, "- &a x\n" + strings.Repeat("- *a\n", n)},
		{"yaml/tags", YAML, strings.Repeat("- !!str x\n", n)},
		{"yaml/tag directives", YAML, lines("%%TAG !a%d! x\n") + "---\na"},
		{"yaml/documents", YAML, strings.Repeat("---\n", n)},
		{"yaml/flow seq", YAML, "[" + strings.Repeat("a,\n", n) + "]"},
		{"yaml/flow unclosed", YAML, strings.Repeat("[a,\n", 150) + strings.Repeat("a,\n", n)},
		{"yaml/questions", YAML, strings.Repeat("? a\n", n)},
		{"yaml/digits", YAML, "a: " + strings.Repeat("9", 1_000_000)},
		{"toml/deep", TOML, "a=" + strings.Repeat("[", 1_000_000)},
		{"toml/deep inline", TOML, "a=" + strings.Repeat("{a=", 500_000)},
		{"toml/dots", TOML, "a" + strings.Repeat(".a", 1_000_000) + "=1"},
		{"toml/header", TOML, "[a" + strings.Repeat(".a", 1_000_000) + "]"},
		{"toml/keys", TOML, lines("k%d=1\n")},
		{"toml/tables", TOML, lines("[k%d]\n")},
		{"toml/array tables", TOML, strings.Repeat("[[a]]\n", n)},
		{"toml/nested array tables", TOML, strings.Repeat("[[a]]\n[[a.b]]\nc=1\n", n)},
		{"toml/nodes", TOML, "a=[" + strings.Repeat("1,", 8_000_000) + "1]"},
		{"toml/comments", TOML, strings.Repeat("#\n", n)},
		{"toml/quotes", TOML, strings.Repeat("\"", n)},
		{"toml/digits", TOML, "a=" + strings.Repeat("9", 1_000_000)},
	}
}
