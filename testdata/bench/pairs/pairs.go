// Package pairs writes the configuration that the benchmarks run: N files of 1 KB of JSON,
// each read by a source and written by a sink, and the same for Terraform.
//
// The files lie in directories of 100, since creating thousands of names in one directory by
// rename is super-linear in the kernel.
package pairs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// perFile is how many pairs are declared in one .hcl file, and how many files lie in a directory.
const perFile = 100

// Document returns the i-th document, about 1 KB of JSON. Another version differs in one value.
func Document(i, version int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"id\": %d, \"version\": %d, \"name\": \"service-%d\", \"labels\": {", i, version, i)
	for k := range 20 {
		if k > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "\"label-%02d\": \"value %d of service %d\"", k, k*i, i)
	}
	b.WriteString("}}\n")
	return b.Bytes()
}

// SourcePath returns where the i-th document is, relative to the module.
func SourcePath(i int) string { return fmt.Sprintf("in/%d/%d.json", i/perFile, i) }

// SinkPath returns where the i-th document goes.
func SinkPath(i int) string { return fmt.Sprintf("out/%d/%d.json", i/perFile, i) }

// Generate writes n pairs into dir.
func Generate(dir string, n int) error {
	if err := Documents(dir, n, 1); err != nil {
		return err
	}
	return inFiles(dir, "pairs-%d.hcl", n, func(b *strings.Builder, i int) {
		fmt.Fprintf(b, "source \"file\" \"s%d\" {\n  path = %q\n}\n\nsink \"file\" \"s%d\" {\n  path    = %q\n  content = jsonencode(source.file.s%d.value)\n}\n\n",
			i, SourcePath(i), i, SinkPath(i), i)
	})
}

// Terraform writes the same for Terraform, as its own data without a provider's files:
// terraform_data with the file as its input.
func Terraform(dir string, n int) error {
	if err := Documents(dir, n, 1); err != nil {
		return err
	}
	return inFiles(dir, "pairs-%d.tf", n, func(b *strings.Builder, i int) {
		fmt.Fprintf(b, "resource \"terraform_data\" \"s%d\" {\n  input = file(\"${path.module}/%s\")\n}\n\n", i, SourcePath(i))
	})
}

// Documents writes the n documents in one version, and the directories of both sides.
func Documents(dir string, n, version int) error {
	for i := range n {
		path := filepath.Join(dir, SourcePath(i))
		if i%perFile == 0 {
			for _, d := range []string{filepath.Dir(path), filepath.Dir(filepath.Join(dir, SinkPath(i)))} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					return err
				}
			}
		}
		if err := os.WriteFile(path, Document(i, version), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func inFiles(dir, pattern string, n int, write func(*strings.Builder, int)) error {
	for start := 0; start < n; start += perFile {
		var b strings.Builder
		for i := start; i < min(start+perFile, n); i++ {
			write(&b, i)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf(pattern, start/perFile)), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
