package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	tfjson "github.com/hashicorp/terraform-json"
)

func sampleDiagnostics(t *testing.T) (hcl.Diagnostics, Sources) {
	t.Helper()
	diags, src := secretDiagnostics(t)
	text := "sink \"file\" \"app\" {\n\tpth = \"/etc/a\"\n  content = jsonencode({\n    a = 1\n  })\n}\n"
	src.Files["/srv/app/sinks.hcl"] = &hcl.File{Bytes: []byte(text)}
	src.Base = "/srv/app"
	at := func(from, to string) *hcl.Range {
		i, j := strings.Index(text, from), strings.Index(text, to)+len(to)
		return &hcl.Range{
			Filename: "/srv/app/sinks.hcl",
			Start:    hcl.Pos{Line: 1 + strings.Count(text[:i], "\n"), Column: 1, Byte: i},
			End:      hcl.Pos{Line: 1 + strings.Count(text[:j], "\n"), Column: 1, Byte: j},
		}
	}
	return append(diags,
		&hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Unsupported argument", Subject: at("pth", "pth"),
			Detail: `An argument named "pth" is not expected here. Did you mean "path"?`,
		},
		&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Wrong content", Subject: at("jsonencode", "})"), Detail: "Several lines are wrong."},
		&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No configuration files", Detail: "The directory x holds no .hcl files."},
	), src
}

func TestDiagnosticsText(t *testing.T) {
	diags, src := sampleDiagnostics(t)
	for _, width := range []int{80, 20} {
		var b bytes.Buffer
		if err := Diagnostics(&b, diags, src, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		golden(t, map[int]string{80: "diagnostics_80.txt", 20: "diagnostics_20.txt"}[width], b.Bytes())
	}
}

func TestDiagnosticsJSON(t *testing.T) {
	diags, src := sampleDiagnostics(t)
	var b bytes.Buffer
	if err := DiagnosticsJSON(&b, diags, src); err != nil {
		t.Fatal(err)
	}
	golden(t, "diagnostics.json", b.Bytes())
	var out tfjson.ValidateOutput
	if err := json.Unmarshal(b.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Valid || out.ErrorCount != 4 || out.WarningCount != 1 || len(out.Diagnostics) != 5 {
		t.Errorf("%+v", out)
	}
	for _, d := range out.Diagnostics {
		if s := d.Snippet; s != nil && (s.HighlightEndOffset > len(s.Code) || s.HighlightStartOffset > s.HighlightEndOffset) {
			t.Errorf("%s: highlight %d-%d of %d", d.Summary, s.HighlightStartOffset, s.HighlightEndOffset, len(s.Code))
		}
	}
}

func TestOddRangesAreNoPanic(t *testing.T) {
	src := Sources{Files: map[string]*hcl.File{"a.hcl": {Bytes: []byte("a = 1\nb = 2")}, "e.hcl": {Bytes: []byte{}}}}
	for _, name := range []string{"a.hcl", "e.hcl", "none.hcl"} {
		for from := -2; from < 15; from++ {
			for to := -2; to < 15; to++ {
				d := &hcl.Diagnostic{Summary: "s", Subject: &hcl.Range{Filename: name, Start: hcl.Pos{Byte: from}, End: hcl.Pos{Byte: to}}}
				var b bytes.Buffer
				for width := range 14 {
					if err := Diagnostics(&b, hcl.Diagnostics{d}, src, Style{Width: width}); err != nil {
						t.Fatal(err)
					}
				}
				if err := DiagnosticsJSON(&b, hcl.Diagnostics{d}, src); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
