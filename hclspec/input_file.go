package hclspec

import (
	"os"
	"path/filepath"
	"strings"
)

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
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") {
			continue
		}
		if strings.HasSuffix(name, ".auto.hclvars") || strings.HasSuffix(name, ".auto.hclvars.json") {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
}
