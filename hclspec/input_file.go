package hclspec

import (
	"os"
	"path/filepath"
	"strings"
)

// wholeFiles are read before *.auto.hclvars.
var wholeFiles = []string{"tidegate.hclvars", "tidegate.hclvars.json"}

func isAutoFile(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".auto.hclvars") || strings.HasSuffix(name, ".auto.hclvars.json"))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// autoFiles lists *.auto.hclvars and *.auto.hclvars.json of dir in lexical order.
func autoFiles(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && isAutoFile(name) {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
}
