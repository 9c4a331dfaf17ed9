package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
)

// completer knows what may stand in an expression.
type completer struct {
	words    []string // names and functions, sorted
	evaluate func(expression string) cty.Value
}

func (c *console) completer(ctx context.Context) *completer {
	spec := c.engine.Spec()
	seen := map[string]bool{"path.cwd": true, "path.module": true, "path.root": true, "exit": true}
	for name := range spec.Variables {
		seen["var."+name] = true
	}
	for name := range spec.Locals {
		seen["local."+name] = true
	}
	for _, b := range spec.Blocks {
		if t := b.Address.Type; t == "source" || t == "sink" {
			seen[b.Address.String()] = true
		}
	}
	for name := range c.engine.SettingsContext().Functions {
		seen[name+"("] = true
	}
	return &completer{words: slices.Sorted(maps.Keys(seen)), evaluate: func(expression string) cty.Value {
		v, diags := c.engine.Evaluate(ctx, expression)
		if diags.HasErrors() {
			return cty.NilVal
		}
		return v
	}}
}

// complete returns what the word before the cursor becomes, as far as that is certain, and
// what it may become.
func (c *completer) complete(before string) (word string, candidates []string) {
	start := len(before)
	for start > 0 && isWord(before[start-1]) {
		start--
	}
	word = before[start:]
	for _, w := range c.words {
		if strings.HasPrefix(w, word) {
			candidates = append(candidates, w)
		}
	}
	if len(candidates) == 0 {
		candidates = c.attributes(word)
	}
	if len(candidates) == 0 {
		return word, nil
	}
	common := candidates[0]
	for _, w := range candidates[1:] {
		n := 0
		for n < len(common) && n < len(w) && common[n] == w[n] {
			n++
		}
		common = common[:n]
	}
	return word, append([]string{common}, candidates...)
}

func isWord(b byte) bool {
	return b == '.' || b == '_' || b == '-' || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || b >= 0x80
}

// attributes are those of the value that stands before the last dot.
func (c *completer) attributes(word string) []string {
	dot := strings.LastIndexByte(word, '.')
	if dot < 0 {
		return nil
	}
	names := map[string]bool{}
	parts := strings.Split(word[:dot], ".")
	if parts[0] == "source" && len(parts) == 3 {
		for _, name := range []string{"value", "text", "version", "changed_at"} {
			names[name] = true
		}
	} else if v := c.evaluate(word[:dot]); v != cty.NilVal && !mark.Has(v) && v.IsKnown() && !v.IsNull() && (v.Type().IsObjectType() || v.Type().IsMapType()) {
		for it := v.ElementIterator(); it.Next(); {
			key, _ := it.Element()
			names[key.AsString()] = true
		}
	}
	var out []string
	for name := range names {
		if strings.HasPrefix(name, word[dot+1:]) && hclsyntax.ValidIdentifier(name) {
			out = append(out, word[:dot+1]+name)
		}
	}
	slices.Sort(out)
	return out
}
