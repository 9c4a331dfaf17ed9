package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"tidegate/engine/cli"
	"tidegate/providers/all"
)

// The keys that terraform validate -json has, and it has all of them for every diagnostic with
// a place.
var (
	validateKeys   = []string{"diagnostics", "error_count", "format_version", "valid", "warning_count"}
	diagnosticKeys = []string{"detail", "range", "severity", "snippet", "summary"}
	snippetKeys    = []string{"code", "context", "highlight_end_offset", "highlight_start_offset", "start_line", "values"}
)

func TestValidateJSONIsTerraforms(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("x = 1\nsink \"file\" \"a\" {\n  path = upper(1, 2)\n  pth  = \"a\"\n}\n")
	code, out, text := validated(t, dir)
	if code != 1 || out.Valid || out.FormatVersion != "1.0" || out.ErrorCount != len(out.Diagnostics) || out.ErrorCount < 3 || out.WarningCount != 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
	var raw map[string]any
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, raw, validateKeys)
	for i, d := range raw["diagnostics"].([]any) {
		d := d.(map[string]any)
		if _, ok := d["range"]; !ok {
			continue // Terraform has neither a place nor a snippet for these
		}
		sameKeys(t, d, diagnosticKeys)
		sameKeys(t, d["snippet"].(map[string]any), snippetKeys)
		diag := out.Diagnostics[i]
		line := strings.Split(readText(t, filepath.Join(dir, "main.hcl")), "\n")[diag.Range.Start.Line-1]
		if diag.Snippet.StartLine != diag.Range.Start.Line || diag.Snippet.Code != line {
			t.Errorf("the snippet of %+v is %+v", diag.Range, diag.Snippet)
		}
		marked := diag.Snippet.Code[diag.Snippet.HighlightStartOffset:diag.Snippet.HighlightEndOffset]
		if byRange := readText(t, filepath.Join(dir, "main.hcl"))[diag.Range.Start.Byte:diag.Range.End.Byte]; marked != byRange {
			t.Errorf("%q is marked in the snippet, %q is the range", marked, byRange)
		}
	}

	write("locals {\n  a = 1\n}\n")
	code, out, text = validated(t, dir)
	if code != 0 || !out.Valid || out.ErrorCount != 0 || out.Diagnostics == nil {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// validated runs validate --json and reads what it writes as Terraform's readers do, and
// not a field more.
func validated(t *testing.T, dir string) (int, tfjson.ValidateOutput, []byte) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{
		Args: []string{"validate", "--json", dir}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	}, all.Kinds())
	var out tfjson.ValidateOutput
	dec := json.NewDecoder(bytes.NewReader(stdout.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("%v:\n%s", err, stdout.String())
	}
	return code, out, stdout.Bytes()
}

func sameKeys(t *testing.T, have map[string]any, want []string) {
	t.Helper()
	var got []string
	for k := range have {
		got = append(got, k)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-Terraform's +ours):\n%s", diff)
	}
}
