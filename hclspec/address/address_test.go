package address

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseWritesWhatItRead(t *testing.T) {
	for _, s := range []string{
		"source.http.app",
		"var.x",
		"rate_limit.sliding_window.gentle",
		`sink.file.app["web"]`,
		`sink.file.app[3]`,
		`module.a.sink.file.b["k"]`,
		`module.a["x.y"].module.b[0].sink.file.c`,
		`sink.file.a["q\"uo\\te\n$${x}"]`,
	} {
		a, err := Parse(s)
		if err != nil {
			t.Errorf("Parse(%s): %v", s, err)
			continue
		}
		if got := a.String(); got != s {
			t.Errorf("Parse(%s) = %s", s, got)
		}
	}
}

func TestParseRefusesWhatIsNoAddress(t *testing.T) {
	for _, s := range []string{
		"", "source", "source.http", "sink.file.", "thing.a.b", "var", "var.x.y",
		"sink.file.a[", "sink.file.a[01]", "sink.file.a[-1]", `sink.file.a["x`, `sink.file.a["x"`, `sink.file.a["\q"]`,
		"module.a", "module.sink.file.x", "sink.file.a b", "sink..a", "\xff.a.b", "sink.e.b[\"\xfa\"]",
	} {
		if a, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, a)
		}
	}
}

func TestAnyKeySurvivesText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Filter(utf8.ValidString).Draw(t, "key")
		a := Address{
			Module: Root.Child("m", StringKey(key)),
			Type:   Sink, Kind: "file", Name: "x", Key: StringKey(key),
		}
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var b Address
		if err := json.Unmarshal(data, &b); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if a != b {
			t.Fatalf("%#v became %#v through %s", a, b, data)
		}
	})
}

func TestCompareOrdersNumbersAsNumbers(t *testing.T) {
	a := Address{Type: Sink, Kind: "file", Name: "x", Key: IntKey(9)}
	b := Address{Type: Sink, Kind: "file", Name: "x", Key: IntKey(10)}
	if !a.Less(b) || b.Less(a) || a.Compare(a) != 0 {
		t.Errorf("Compare(%v, %v) = %d", a, b, a.Compare(b))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("source.http.app")
	f.Add(`module.a["x"].sink.file.b["\u0001"]`)
	f.Add(`sink.file.b["\U000e0041"]`)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		b, err := Parse(a.String())
		if err != nil || a != b {
			t.Errorf("%q parsed as %#v, written as %s, read as %#v, %v", s, a, a, b, err)
		}
	})
}
