package cli

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// completer knows what may stand in an expression.
type completer struct {
	words    []string // names and functions, sorted
	evaluate func(expression string) cty.Value
}

func (c *console) completer(ctx context.Context) *completer {
	seen := map[string]bool{"path.cwd": true, "path.module": true, "path.root": true, "exit": true}
	for _, name := range c.engine.Names() {
		seen[name] = true
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
	word = lastWord.FindString(before)
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

// lastWord is what a line ends with: names with dots, keys of instances between them, and perhaps
// one that is being typed.
var lastWord = regexp.MustCompile(`(?:[\pL\pN_][\pL\pN_.-]*(?:\[(?:"(?:[^"\\]|\\.)*"|[0-9]+)\][\pL\pN_.-]*)*(?:\[(?:"(?:[^"\\]|\\.)*"?|[0-9]*))?)?$`)

// attributes are those of the value that stands before the last dot.
func (c *completer) attributes(word string) []string {
	dot := strings.LastIndexByte(word, '.')
	if dot < 0 {
		return nil
	}
	names := map[string]bool{}
	a, err := address.Parse(word[:dot])
	if err == nil && a.Module == address.Root && a.Type == address.Source {
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
