package address_test

import (
	"testing"

	"tidegate/hclspec/address"
)

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, address string
		want             bool
	}{
		{"sink.file.app", "sink.file.app", true},
		{"sink.file.app", "sink.file.apple", false},
		{"sink.file.*", "sink.file.app", true},
		{"sink.*.app", "sink.file.app", true},
		{"sink.*.app", "sink.file.other", false},
		{"sink.*", "sink.file.app", true},
		{"*", "module.a.sink.file.app", true},
		{"*.app", "sink.file.app", false}, // a star does not pass a dot
		{"*.*.app", "sink.file.app", true},
		{"sink.file.a*p", "sink.file.app", true},
		{"sink.file.?pp", "sink.file.app", true},
		{"sink.file.app", `sink.file.app["k"]`, true},
		{`sink.file.app["k"]`, `sink.file.app["k"]`, true},
		{`sink.file.app["k"]`, `sink.file.app["l"]`, false},
		{`sink.file.*["k"]`, `sink.file.app["k"]`, true},
		{`sink.file.*["k"]`, `sink.file.app["l"]`, false},
		{"sink.file.app[0]", "sink.file.app[0]", true},
		{"sink.file.app[*", "sink.file.app[10]", true},
		{"sink.file.[a]pp", "sink.file.app", false},                                   // brackets are those of keys
		{"module.*.sink.file.app", `module.a["web.example.com"].sink.file.app`, true}, // a dot in a key is none
		{`sink.*.app["a.b"]`, `sink.file.app["a.b"]`, true},
		{`sink.*.app["a.b"]`, `sink.file.app["a"]`, false},
		{`sink.file.*["a/b"]`, `sink.file.app["a/b"]`, true},
		{`sink.file.*["a/b"]`, `sink.file.app["a.b"]`, false},
		{`sink.file.*["a\\\".b"]`, `sink.file.app["a\\\".b"]`, true}, // a quoted backslash and a quote
		{`sink.*.app["x--y"]`, `sink.file.app["x--y"]`, true},
		{`sink.*.app["\n"]`, `sink.file.app["\n"]`, true},
		{"module.a", "module.a.sink.file.app", true},
		{"module.a", "module.ab.sink.file.app", false},
		{"module.*.sink.file.app", "module.a.sink.file.app", true},
		{"sink", "sink.file.app", false},
		{"sink.file", "sink.file.app", false},
		{"", "sink.file.app", false},
	} {
		a, err := address.Parse(test.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := address.Matches(test.pattern, a); got != test.want {
			t.Errorf("%q matches %s: %t, want %t", test.pattern, test.address, got, test.want)
		}
	}
}
