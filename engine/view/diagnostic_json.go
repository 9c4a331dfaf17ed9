package view

import (
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

type diagnosticJSON struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Address  string       `json:"address,omitempty"`
	Range    *rangeJSON   `json:"range,omitempty"`
	Snippet  *snippetJSON `json:"snippet,omitempty"`
}

type rangeJSON struct {
	Filename string  `json:"filename"`
	Start    posJSON `json:"start"`
	End      posJSON `json:"end"`
}

type posJSON struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

type snippetJSON struct {
	Context              *string           `json:"context"`
	Code                 string            `json:"code"`
	StartLine            int               `json:"start_line"`
	HighlightStartOffset int               `json:"highlight_start_offset"`
	HighlightEndOffset   int               `json:"highlight_end_offset"`
	Values               []expressionValue `json:"values"`
}

// DiagnosticsJSON writes diagnostics in the shape of `terraform validate -json`.
func DiagnosticsJSON(w io.Writer, diags hcl.Diagnostics, src Sources) error {
	out := struct {
		FormatVersion string           `json:"format_version"`
		Valid         bool             `json:"valid"`
		ErrorCount    int              `json:"error_count"`
		WarningCount  int              `json:"warning_count"`
		Diagnostics   []diagnosticJSON `json:"diagnostics"`
	}{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: diagnosticsJSON(diags, src)}
	for _, d := range out.Diagnostics {
		if d.Severity == "warning" {
			out.WarningCount++
		} else {
			out.ErrorCount++
		}
	}
	return writeJSON(w, out)
}

func diagnosticsJSON(diags hcl.Diagnostics, src Sources) []diagnosticJSON {
	out := []diagnosticJSON{}
	for _, d := range SortDiagnostics(diags) {
		out = append(out, diagnosticOf(d, src))
	}
	return out
}

func diagnosticOf(d *hcl.Diagnostic, src Sources) diagnosticJSON {
	out := diagnosticJSON{Severity: severity(d), Summary: d.Summary, Detail: src.inText(d.Detail)}
	if d.Subject != nil {
		out.Range = &rangeJSON{src.name(d.Subject.Filename), pos(d.Subject.Start), pos(d.Subject.End)}
	}
	if s, ok := src.snippetOf(d); ok {
		out.Snippet = &snippetJSON{
			Code: s.code, StartLine: s.startLine, HighlightStartOffset: s.from, HighlightEndOffset: s.to,
			Values: expressionValues(d),
		}
		if s.context != "" {
			out.Snippet.Context = &s.context
		}
	}
	return out
}

func pos(p hcl.Pos) posJSON { return posJSON{p.Line, p.Column, p.Byte} }

// ErrorJSON writes the errors among diagnostics as one line, {"error": ...}.
func ErrorJSON(w io.Writer, diags hcl.Diagnostics) error {
	var texts []string
	for _, d := range SortDiagnostics(diags) {
		if d.Severity != hcl.DiagError {
			continue
		}
		text := d.Summary
		if d.Detail != "" {
			text += ": " + d.Detail
		}
		texts = append(texts, text)
	}
	data, err := marshal(map[string]string{"error": strings.Join(texts, "\n")})
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
