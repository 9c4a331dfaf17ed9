//go:build unix

package engine_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func newRat(s string) (*big.Rat, bool) { return new(big.Rat).SetString(s) }

// httpModule renders a server's document into a file, beside a sink that has nothing to do
// with it.
func httpModule(t *testing.T, url string, attributes ...string) *module {
	m := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "c" {
  url     = "%s/c.json"
  timeout = "2s"
  retry { attempts = 1 }
  %s
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.http.c.value)
}
sink "file" "other" {
  path    = "other.txt"
  content = "independent"
}
`, url, strings.Join(attributes, "\n  ")))
	m.mustApply()
	return m
}
