package hclspec

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// IsTestFile reports whether a file of this name holds tests of a module: *.test.hcl and
// *.test.hcl.json, hidden files and editors' backups aside.
func IsTestFile(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") {
		return false
	}
	return strings.HasSuffix(name, ".test.hcl") || strings.HasSuffix(name, ".test.hcl.json")
}

// TestFiles lists the files of tests in a directory, by name. One that does not exist has none.
func TestFiles(dir string) ([]string, hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, hcl.Diagnostics{unreadableDirectory(dir, err)}
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && IsTestFile(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// ReadTestFile reads and parses a file of tests, under the limits that hold for
// configuration: of size, encoding, nesting, and of what an expression may cost. The body is
// nil where the text was refused unparsed. The file is for the snippets of diagnostics, nil
// where it could not be read.
func ReadTestFile(path string) (hcl.Body, *hcl.File, hcl.Diagnostics) {
	var buf bytes.Buffer
	if diag := readConfig(path, &buf); diag != nil {
		return nil, nil, hcl.Diagnostics{diag}
	}
	src := buf.Bytes()
	body, diags := parseBytes(src, path)
	return body, diagnosticFile(path, src), diags
}
