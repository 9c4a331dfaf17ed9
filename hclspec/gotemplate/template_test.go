package gotemplate

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/sprig/v3"
)

var small = Limits{Bytes: 1 << 20, Steps: 10_000, Time: time.Minute}

func data() map[string]any {
	return map[string]any{
		"name": "web", "port": int64(80), "on": true, "null": nil, "ratio": 0.5,
		"list": []any{"b", "a", "b"}, "map": map[string]any{"y": int64(1), "x": "two"},
		"deep": map[string]any{"a": map[string]any{"b": "c"}},
	}
}

func TestRender(t *testing.T) {
	for src, want := range map[string]string{
		"":                              "",
		"{{.name}}:{{.port}} {{.on}}\n": "web:80 true\n",
		"{{range .list}}{{.}},{{end}}":  "b,a,b,",
		"{{range $k, $v := .map}}{{$k}}={{$v}};{{end}}":                                                          "x=two;y=1;",
		"{{if .null}}x{{else}}y{{end}}{{.null | default \"z\"}}":                                                 "yz",
		"{{.name | upper | quote}} {{repeat 3 \"ab\"}}":                                                          `"WEB" ababab`,
		"{{keys .map | join \",\"}} {{values .map}}":                                                             "x,y [two 1]",
		"{{toJson .map}} {{.list | uniq | sortAlpha | join \"-\"}}":                                              `{"x":"two","y":1} a-b`,
		"{{.deep.a.b}} {{dig \"a\" \"z\" \"none\" .deep}}":                                                       "c none",
		"{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .name}}{{template \"t\" .port}}":                         "<web><80>",
		"{{block \"b\" .name}}[{{.}}]{{end}}{{with .name}}{{.}}{{end}}":                                          "[web]web",
		"{{$x := 1}}{{range until 3}}{{$x = add $x .}}{{end}}{{$x}}":                                             "4",
		"{{printf \"%05d %s\" .port .name}}{{/* c */}}{{- \"  x\" | trim -}} y":                                  "00080 webxy",
		"{{range $i, $_ := .list}}{{if eq $i 1}}{{continue}}{{end}}{{$i}}{{end}}{{range .list}}{{break}}{{end}}": "02",
		"{{ \"a b\" | b64enc | b64dec | nindent 2 }}{{ semverCompare \">=1.2\" \"1.3.0\" }}":                     "\n  a btrue",
		"{{ .ratio }} {{ \"<no value>\" }} {{ regexReplaceAll \"b+\" \"abba\" \"<$0>\" }}":                       "0.5 <no value> a<bb>a",
		"{{ list 1 2 | concat (list 3) }} {{ dict \"a\" 1 | merge (dict \"b\" 2) | toJson }}":                    `[3 1 2] {"a":1,"b":2}`,
		"{{ ternary \"a\" \"b\" .on }}{{ empty .null }}{{ len .list }}{{ index .list 1 }}":                       "atrue3a",
	} {
		got, err := Render("t.tmpl", src, data(), small)
		if err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", src, got, err, want)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for src, want := range map[string]string{
		"x\n{{.nam}}":            "t.tmpl:2:2: ", // and what
		"\n\n  {{ .deep.a.z }}":  `map has no entry for key "z"`,
		"a\n{{.null}}":           "t.tmpl:2:2: a value that is null is printed here",
		"{{.name}":               "t.tmpl:1: bad character",
		"x\n{{if .on}}":          "t.tmpl:2: unexpected EOF",
		"{{nofunction 1}}":       `t.tmpl:1: function "nofunction" not defined`,
		"{{env \"HOME\"}}":       `function "env" not defined: its result depends on more than its arguments`,
		"{{now}}":                "more than its arguments",
		"{{randAlphaNum 3}}":     "more than its arguments",
		"{{genCA \"x\" 1}}":      "more than its arguments",
		"{{template \"none\"}}":  `"none"`,
		"\n{{fail \"no way\"}}":  "t.tmpl:2:2: ",
		"{{.name.x}}":            "t.tmpl:1:",
		"{{index .list 9}}":      "out of range",
		"{{mustFromJson \"{\"}}": "t.tmpl:1:2: ",
		"{{substr 5 2 \"abc\"}}": "t.tmpl:1:2: ",
		"{{printf \"%p\" .map}}": "%p prints an address",
		"{{div 1 0}}":            "t.tmpl:1:2: ",
	} {
		out, err := Render("t.tmpl", src, data(), small)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tidegate_") || strings.HasPrefix(err.Error(), "template:") {
			t.Errorf("%s = %q, %v; want %q", src, out, err, want)
		} else if e, ok := err.(*Error); !ok || !strings.HasPrefix(e.Place, "t.tmpl:") {
			t.Errorf("%s: no place in %v", src, err)
		}
	}
}

func TestWhatWouldNotEndIsGivenUp(t *testing.T) {
	for src, want := range map[string]string{
		"{{range 1000000000}}{{end}}":                                   "given up after 10000 steps",
		"\n{{range until 1000000}}{{end}}":                              "t.tmpl:2:8: a list in it has more than 10000 numbers",
		"{{range untilStep 0 100000000 1}}{{end}}":                      "more than 10000 numbers",
		"{{seq 0 1 100000000}}":                                         "more than 10000 numbers",
		"{{seq 100000000}}":                                             "more than 10000 numbers",
		"{{define \"a\"}}\n{{template \"a\"}}{{end}}{{template \"a\"}}": "does one call itself?",
		"{{define \"a\"}}{{if lt . 40}}{{template \"a\" (add1 .)}}{{template \"a\" (add1 .)}}{{end}}{{end}}{{template \"a\" 0}}":                                          "given up after",
		"{{define \"a\"}}{{range .}}{{template \"a\" .}}{{template \"a\" .}}{{end}}{{end}}{{$x := list 1}}{{range until 12}}{{$x = list $x}}{{end}}{{template \"a\" $x}}": "",
		"{{range 200}}{{range 200}}{{range 200}}{{end}}{{end}}{{end}}":                                                                                                    "given up after",
		"{{repeat 2000000 \"x\"}}":                                                     "a text in it is larger than 1 MiB",
		"{{repeat 1000000000 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}}":                      "larger than 1 MiB",
		"{{indent 1000000000 \"x\"}}":                                                  "larger than 1 MiB",
		"{{nindent 100000 \"x\\nx\\nx\\nx\\nx\\nx\\nx\\nx\\nx\\nx\\nx\\nx\"}}":         "larger than 1 MiB",
		"{{printf \"%99999999d%999999d\" 1 2}}":                                        "larger than 1 MiB",
		"{{printf \"%*d%*d\" 999999 1 999999 2}}":                                      "larger than 1 MiB",
		"{{$s := \"xxxxxxxxxxxxxxxx\"}}{{range until 40}}{{$s = print $s $s}}{{end}}":  "larger than 1 MiB",
		"{{$s := list 1 2}}{{range until 40}}{{$s = list $s $s}}{{end}}":               "more than 10000 parts",
		"{{$s := list 1 2}}{{range until 40}}{{$s = concat $s $s}}{{end}}":             "more than 10000 parts",
		"{{$s := dict}}{{range until 40}}{{$s = dict \"a\" $s \"b\" $s}}{{end}}{{$s}}": "more than 10000 parts",
		"{{replace \"a\" (repeat 1000 \"b\") (repeat 10000 \"a\")}}":                   "larger than 1 MiB",
		"{{regexReplaceAll \"a\" (repeat 10000 \"a\") (repeat 1000 \"b\")}}":           "larger than 1 MiB",
		"{{join (repeat 100000 \"x\") (until 100)}}":                                   "larger than 1 MiB",
		"{{wrapWith 1 (repeat 10000 \"x\") (repeat 1000 \"y\")}}":                      "larger than 1 MiB",
		"{{range until 100}}{{repeat 100000 \"x\"}}{{end}}":                            "the text is larger than 1 MiB",
		strings.Repeat("{{if .on}}", 150_000):                                          "more than 200 deep",
		strings.Repeat("{{ with .on }}", 300) + strings.Repeat("{{end}}", 300):         "more than 200 deep",
		"{{if .on}}" + strings.Repeat("{{- else if .on}}", 150_000) + "{{end}}":        "more than 200 deep",
		"{{" + strings.Repeat("(", 150_000):                                            "t.tmpl:1",
	} {
		start := time.Now()
		_, err := Render("t.tmpl", src, data(), small)
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tidegate_")) {
			t.Errorf("%.120s: %.300v; want %q", src, err, want)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%.120s took %s", src, took)
		}
	}
	limits := small
	limits.Steps, limits.Time = 1<<40, time.Nanosecond
	if _, err := Render("t.tmpl", "{{range 100000000000}}{{end}}", nil, limits); err == nil || !strings.Contains(err.Error(), "given up after 1ns") {
		t.Error(err)
	}
}

func TestDiscreetErrorsQuoteNoData(t *testing.T) {
	secret := map[string]any{"s": "hunter2"}
	for src, want := range map[string]bool{
		"{{.t}}": true, "{{.s.x}}": false, "{{fail .s}}": false, "{{range 100000}}{{end}}": true, "{{.s": true, "{{mustFromJson .s}}": false,
		"{{fail (print .s \" at <x>: map has no entry for key 1\")}}": false, "{{get . \"z\" | fail}}": false, "{{(dict \"a\" nil).a}}": true,
	} {
		_, err := Render("t", src, secret, small)
		var e *Error
		if !errors.As(err, &e) || e.Discreet != want {
			t.Errorf("%s: %#v", src, err)
		} else if e.Discreet && strings.Contains(e.Error(), "hunter2") {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// Every function of sprig is kept or refused on purpose.
func TestFunctionsOfSprig(t *testing.T) {
	all := sprig.TxtFuncMap()
	var names []string
	for _, list := range Functions() {
		if !slices.IsSorted(list) {
			t.Errorf("%v is not sorted", list)
		}
		for _, name := range list {
			if all[name] == nil {
				t.Errorf("sprig has no %s", name)
			}
			names = append(names, name)
		}
	}
	refusedOnes := strings.Fields(`ago bcrypt buildCustomCert date dateInZone dateModify date_in_zone date_modify decryptAES derivePassword
		durationRound encryptAES env expandenv genCA genCAWithKey genPrivateKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert
		genSignedCertWithKey getHostByName hello htmlDate htmlDateInZone htpasswd mustDateModify mustToDate must_date_modify now osBase
		osClean osDir osExt osIsAbs randAlpha randAlphaNum randAscii randBytes randInt randNumeric shuffle toDate unixEpoch uuidv4`)
	for name := range all {
		if slices.Contains(names, name) == slices.Contains(refusedOnes, name) {
			t.Errorf("%s is neither kept nor refused on purpose", name)
		}
	}
	for range 20 {
		for src, want := range map[string]string{"{{keys .map .deep}}": "[x y a]", "{{values .map}}": "[two 1]"} {
			if got, err := Render("t", src, data(), small); err != nil || got != want {
				t.Fatalf("%s = %q, %v", src, got, err)
			}
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"{{.name}}", "{{range .list}}{{.}}{{else}}x{{end}}", "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "{{$x := 1}}{{$x}}", "{{if eq 1 1}}a{{else if .on}}b{{end}}",
		"{{printf \"%*d\" 9 1}}", "{{ dict \"a\" (list 1 2) | toJson }}", "{{- /* x */ -}}", "{{ .map | keys | join \",\" | indent 2 }}", "{{ repeat 9 \"x\" | trunc 3 }}", "{{block \"x\" .}}{{end}}", "{{range 5}}{{break}}{{end}}",
	} {
		f.Add(s)
	}
	limits := Limits{Bytes: 1 << 14, Steps: 500, Time: time.Minute}
	f.Fuzz(func(t *testing.T, src string) {
		out, err := Render("t", src, data(), limits)
		if err != nil {
			return
		}
		if len(out) > limits.Bytes {
			t.Fatalf("%q made %d bytes", src, len(out))
		}
		if again, err := Render("t", src, data(), limits); err != nil || again != out {
			t.Fatalf("%q made %q, then %q, %v", src, out, again, err)
		}
	})
}
