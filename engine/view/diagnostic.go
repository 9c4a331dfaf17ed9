package view

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Sources are the files that diagnostics point into.
type Sources struct {
	Files map[string]*hcl.File
	// Base is a directory; names below it are shown relative to it.
	Base string
}

// name returns a file's name as it is shown.
func (s Sources) name(file string) string {
	if s.Base == "" || !filepath.IsAbs(file) {
		return file
	}
	rel, err := filepath.Rel(s.Base, file)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return file
	}
	return rel
}

// inText returns a text with the names of files in it as they are shown.
func (s Sources) inText(text string) string {
	if s.Base == "" || !strings.Contains(text, s.Base) {
		return text
	}
	for file := range s.Files {
		if short := s.name(file); short != file {
			text = strings.ReplaceAll(text, file+":", short+":")
		}
	}
	return text
}

// Console is the name of what is typed into the console.
const Console = "<console>"

// quotable reports whether lines of a file may be shown. Files of values may hold the value
// of a sensitive variable; configuration may not.
func quotable(file string) bool {
	return strings.HasSuffix(file, ".hcl") || strings.HasSuffix(file, ".hcl.json") || file == Console
}

// SortDiagnostics orders errors before warnings, then by place. It is called once, before
// printing; those at one place keep their order, and none is lost.
func SortDiagnostics(diags hcl.Diagnostics) hcl.Diagnostics {
	out := slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool { return d == nil })
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		if c := cmp.Compare(a.Severity, b.Severity); c != 0 {
			return c
		}
		switch {
		case a.Subject == nil && b.Subject == nil:
			return 0
		case a.Subject == nil:
			return -1
		case b.Subject == nil:
			return 1
		}
		return cmp.Or(cmp.Compare(a.Subject.Filename, b.Subject.Filename), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	})
	return out
}

func severity(d *hcl.Diagnostic) string {
	if d.Severity == hcl.DiagWarning {
		return "warning"
	}
	return "error"
}
