package web

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScanMessage(t *testing.T) {
	for _, tt := range []struct{ body, name, data, err string }{
		{body: `{"config_name":"app","config_data":{"a":[1,2,{"b":null}]}}`, name: "app", data: `{"a":[1,2,{"b":null}]}`},
		{body: " {\n\t\"config_data\" : [ ] ,\r\"config_name\" : \"app\" } ", name: "app", data: `[ ]`},
		{body: `{"config\u005fname":"a\u0070p","config_data":-0.5e+3}`, name: "app", data: `-0.5e+3`},
		{body: `{"config_name":"","config_data":"\"\\\u0000"}`, name: "", data: `"\"\\\u0000"`},
		{body: `{"config_name":"a","config_data":null}`, name: "a", data: `null`},
		{body: `{"config_name":"a","config_data":` + strings.Repeat("[", 512) + strings.Repeat("]", 512) + `}`, name: "a", data: strings.Repeat("[", 512) + strings.Repeat("]", 512)},

		{body: ``, err: "no JSON object at byte 0"},
		{body: `null`, err: "no JSON object"},
		{body: "\xef\xbb\xbf{}", err: "no JSON object"},
		{body: `{}`, err: "no field config_name"},
		{body: `{"config_name":"a"}`, err: "no field config_data"},
		{body: `{"config_data":1}`, err: "no field config_name"},
		{body: `{"config_name":1,"config_data":1}`, err: "no string at byte 15"},
		{body: `{"config_name":null,"config_data":1}`, err: "no string"},
		{body: `{"config_name":"a","config_name":"a","config_data":1}`, err: "config_name is given twice at byte 19"},
		{body: `{"config_name":"a","config_n\u0061me":"b","config_data":1}`, err: "config_name is given twice"},
		{body: `{"config_name":"a","config_data":1,"config_data":1}`, err: "config_data is given twice"},
		{body: `{"config_name":"a","config_data":1,"Config_Name":"b"}`, err: "a field other than config_name and config_data"},
		{body: `{"config_name":"a","config_data":1}{}`, err: "data after the JSON object at byte 35"},
		{body: `{"config_name":"a","config_data":1}x`, err: "data after"},
		{body: `{"config_name":"a","config_data":1,}`, err: "no string"},
		{body: `{"config_name":"a","config_data":[1,]}`, err: "no JSON value"},
		{body: `{"config_name":"a","config_data":{"x":1,}}`, err: "no string"},
		{body: `{"config_name":"a","config_data":[1}`, err: "no comma or closing bracket"},
		{body: `{"config_name":"a","config_data":01}`, err: "no comma or closing brace"},
		{body: `{"config_name":"a","config_data":1.}`, err: "a broken number"},
		{body: `{"config_name":"a","config_data":NaN}`, err: "no JSON value"},
		{body: `{"config_name":"a","config_data":"` + "\n" + `"}`, err: "a control character"},
		{body: `{"config_name":"a","config_data":"\x"}`, err: "a broken escape"},
		{body: `{"config_name":"\ud800","config_data":1}`, err: "a broken escape"},
		{body: "{\"config_name\":\"\xff\",\"config_data\":1}", err: "invalid UTF-8"},
		{body: `{"config_name":"a","config_data":` + strings.Repeat("[", 513), err: "nested too deep"},
		{body: `{"config_name":"a","config_data":"`, err: "a string without an end"},
		{body: `{"config_name":"a","config_data":`, err: "the body ends too early"},
	} {
		m, err := scanMessage([]byte(tt.body))
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%.60s: error %v, want %s", tt.body, err, tt.err)
			}
		case err != nil || string(m.name) != tt.name || string(m.data) != tt.data:
			t.Errorf("%.60s: %q, %q, %v", tt.body, m.name, m.data, err)
		}
	}
}

func TestScanMessageNeedsNoMemory(t *testing.T) {
	body := []byte(`{"config_name":"app","config_data":{"a":[1,2,3],"b":"` + strings.Repeat("x", 1000) + `"}}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := scanMessage(body); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// What is taken is JSON, and says what encoding/json reads in it.
func FuzzScanMessage(f *testing.F) {
	for _, seed := range []string{
		`{"config_name":"app","config_data":{"a":[1,-2.5e3,{"b":null}],"c":"\u00e9\n"}}`,
		`{"config_data":[],"config_name":"a"}`, `{"config_name":"a","config_name":"b","config_data":1}`,
		`{"config_name":"a","config_data":01}`, `{`, "\xff", `{"config_name":"\ud800\udc00","config_data":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := scanMessage(body)
		var want struct {
			Name *string         `json:"config_name"`
			Data json.RawMessage `json:"config_data"`
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		wrong := dec.Decode(&want)
		if err != nil {
			for _, syntax := range []string{"number", "comma", "colon", "data after", "JSON value", "control", "end"} {
				if json.Valid(body) && utf8.Valid(body) && strings.Contains(err.Error(), syntax) {
					t.Fatalf("refused though it is JSON: %q: %v", body, err)
				}
			}
			return // else stricter than encoding/json: repeated fields, case, depth
		}
		if !json.Valid(body) || !utf8.Valid(body) || wrong != nil || want.Name == nil {
			t.Fatalf("taken though it is no message: %q", body)
		}
		if *want.Name != string(m.name) || !bytes.Equal(want.Data, m.data) {
			t.Fatalf("%q: %q and %q, want %q and %q", body, m.name, m.data, *want.Name, want.Data)
		}
	})
}
