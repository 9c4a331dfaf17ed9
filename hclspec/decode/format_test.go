package decode

import (
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		explicit, path, contentType string
		want                        Format
	}{
		{"yaml", "a.json", "application/json", YAML},
		{"bytes", "", "", Bytes},
		{"", "a.json", "application/yaml", JSON},
		{"", "/etc/app/A.YML", "", YAML},
		{"", "a.yaml", "", YAML},
		{"", "a.toml", "", TOML},
		{"", "a.txt", "", Text},
		{"", "a.hcl", "", HCL},
		{"", "/srv/.env", "", Env},
		{"", "prod.env", "", Env},
		{"", "a.Properties", "", Properties},
		{"", "a.ini", "", INI},
		{"", "https://example.com/a.csv?x", "text/csv", CSV},
		{"", "https://example.com/a", "text/csv", ""},
		{"", "https://u:p@example.com/a/b.json?x=y.toml#z.yaml", "", JSON},
		{"", "https://example.com/config?f=a.json", "text/yaml; charset=utf-8", YAML},
		{"", "https://example.com", "application/json", JSON},
		{"", "", "Application/JSON; charset=UTF-8", JSON},
		{"", "", "application/problem+json", JSON},
		{"", "", "application/x-yaml", YAML},
		{"", "", "application/openapi+yaml;version=3", YAML},
		{"", "", "application/toml", TOML},
		{"", "", "application/json; broken", JSON},
		{"", "a.conf", "application/toml", TOML},
		{"", "a.conf", "", ""},
		{"", "a.conf", "text/plain", ""},
		{"", "https://example.com", "", ""},
		{"", "", "text/html", ""},
		{"", "a.b/json", "", ""},
		{"", "%zz://", "", ""},
		{"jsn", "a.json", "", ""},
	} {
		got, err := Choose(c.explicit, c.path, c.contentType)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Choose(%q, %q, %q) = %q, %v", c.explicit, c.path, c.contentType, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "decode") {
			t.Errorf("the error does not name the way out: %v", err)
		}
	}
	_, err := Choose("", "https://user:hunter2@example.com/x?token=hunter2", "text/plain")
	if strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("ParseFormat(%s) = %s, %v", f, got, err)
		}
	}
	for name, part := range map[string]string{
		"jsn":              `did you mean "json"?`,
		"JSON":             `did you mean "json"?`,
		"yml":              `did you mean "yaml"?`,
		"byte":             `did you mean "bytes"?`,
		"csvs":             `did you mean "csv"?`,
		"":                 "json, yaml, toml, hcl, env, properties, ini, csv, text or bytes",
		"protocol buffers": "json, yaml, toml, hcl, env, properties, ini, csv, text or bytes",
	} {
		if _, err := ParseFormat(name); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("ParseFormat(%q): %v, want %q", name, err, part)
		}
	}
}

func TestContradicts(t *testing.T) {
	for _, c := range []struct {
		format      Format
		contentType string
		want        bool
	}{
		{JSON, "text/html; charset=utf-8", true},
		{CSV, "text/html", true},
		{CSV, "application/json", true},
		{JSON, "text/csv", true},
		{CSV, "text/csv; header=present", false},
		{INI, "text/plain", false},
		{Properties, "text/html", true},
		{YAML, "text/html", true},
		{TOML, "application/xhtml+xml", true},
		{JSON, "application/xml", true},
		{JSON, "image/png", true},
		{JSON, "application/yaml", true},
		{YAML, "application/toml", true},
		{TOML, "application/json", true},
		{JSON, "multipart/form-data; boundary=x", true},
		{Text, "image/png", true},
		{JSON, "application/json", false},
		{JSON, "application/vnd.api+json", false},
		{YAML, "application/json", false},
		{YAML, "text/x-yaml", false},
		{JSON, "text/plain", false},
		{JSON, "application/octet-stream", false},
		{JSON, "", false},
		{JSON, ";", false},
		{JSON, "application/vnd.example", false},
		{Text, "text/html", false},
		{Text, "application/json", false},
		{Bytes, "image/png", false},
		{Bytes, "text/html", false},
	} {
		if err := Contradicts(c.format, c.contentType); (err != nil) != c.want {
			t.Errorf("Contradicts(%s, %q) = %v", c.format, c.contentType, err)
		}
	}
}
