package engine

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// redactor removes secrets from texts that programs and servers answer.
type redactor struct{ replacer *strings.Replacer }

// shortestSecret keeps the redactor from blanking every "a" and "1" of an output.
const shortestSecret = 4

// secretTexts are the sensitive texts that something is made from.
type secretTexts map[string]bool

// redactor knows the sensitive texts of the configuration that depend on no data, and those of one
// block.
func (p *program) redactor(v cty.Value) *redactor {
	secrets := maps.Clone(p.secrets())
	collectSecrets(v, false, secrets)
	return replacing(secrets)
}

// newRedactor knows every sensitive text of a plan and its configuration, also as JSON,
// base64 and URL text.
func newRedactor(prog *program, p *plan.Plan) *redactor {
	secrets := secretTexts{}
	add := func(v cty.Value) { collectSecrets(v, false, secrets) }
	if prog != nil {
		maps.Copy(secrets, prog.secrets())
	}
	for _, c := range p.Sources {
		add(c.Before.Value)
		add(c.After.Value)
	}
	for _, v := range p.Variables {
		add(v.Value)
	}
	for _, c := range p.Sinks {
		add(c.Before.Value)
		add(c.After.Value)
	}
	for _, text := range p.Hidden {
		secrets[text] = true
	}
	return replacing(secrets)
}

// constantSecrets are the sensitive texts of a program that depend on no data, once they were asked
// for. It is safe for concurrent use.
type constantSecrets struct {
	once  sync.Once
	texts secretTexts
}

// secrets are the sensitive texts that depend on no data: of the variables, those of called modules
// too, and of what is made of them.
func (p *program) secrets() secretTexts {
	p.hidden.once.Do(func() {
		p.hidden.texts = secretTexts{}
		for _, v := range p.variables {
			collectSecrets(v, false, p.hidden.texts)
		}
		for _, n := range p.sorted {
			collectSecrets(n.constant, false, p.hidden.texts)
		}
	})
	return p.hidden.texts
}

// addHidden adds the sensitive texts in the values of some nodes. Of for_each only what is of the
// instance counts, where n is one: the whole may be large.
func (o *observer) addHidden(n *node, addresses iter.Seq[address.Address], out secretTexts) {
	for a := range addresses {
		v := o.values[a]
		switch {
		case v == cty.NilVal || a.Type == address.Instances: // what is in these is in others
		case a.Type == address.Source: // its value is sensitive as a whole
			if v.Type().HasAttribute("value") && v.GetAttr("value").IsMarked() {
				collectSecrets(v, false, out)
			}
		case a.Type == address.Expansion && n != nil:
			if n.each != nil && n.each.expansion.addr == a {
				collectSecrets(eachObject("each", v, n.key), false, out)
			}
		default:
			collectSecrets(v, false, out)
		}
	}
}

// redactorOf knows the sensitive texts that a node is made from, as far as they are known, and those
// of v.
func (o *observer) redactorOf(n *node, v cty.Value) *redactor {
	secrets := maps.Clone(o.prog.secrets())
	o.addHidden(n, maps.Keys(o.prog.graph.Ancestors([]address.Address{n.addr})), secrets)
	collectSecrets(v, false, secrets)
	return replacing(secrets)
}

// hiddenTexts are the sensitive texts in all values that a plan, or what is decided about one sink,
// was made from, less the ephemeral ones, which nothing keeps. n is nil for a plan.
func (o *observer) hiddenTexts(n *node) []string {
	secrets, ephemeral := secretTexts{}, secretTexts{}
	o.addHidden(n, maps.Keys(o.values), secrets)
	for a, v := range o.values {
		if a.Type != address.Source && mark.HasEphemeral(v) {
			collectSecrets(v, false, ephemeral)
		}
	}
	maps.DeleteFunc(secrets, func(text string, _ bool) bool { return ephemeral[text] })
	return slices.Sorted(maps.Keys(secrets))
}

func replacing(secrets secretTexts) *redactor {
	if len(secrets) == 0 {
		return &redactor{strings.NewReplacer()}
	}
	var list []string
	for s := range secrets {
		list = append(list, s)
		quoted, _ := json.Marshal(s)
		list = append(list, string(quoted[1:len(quoted)-1]), base64.StdEncoding.EncodeToString([]byte(s)), url.QueryEscape(s))
	}
	// The longest first, so that no part of one stays beside the replacement of another.
	slices.SortFunc(list, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var pairs []string
	for _, s := range slices.Compact(list) {
		pairs = append(pairs, s, mark.Redacted)
	}
	return &redactor{strings.NewReplacer(pairs...)}
}

func (r *redactor) text(s string) string { return r.replacer.Replace(s) }

func collectSecrets(v cty.Value, marked bool, out secretTexts) {
	if v == cty.NilVal || !marked && !mark.Has(v) {
		return
	}
	marked = marked || v.IsMarked()
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		if s := v.AsString(); marked && len(s) >= shortestSecret {
			out[s] = true
			for _, line := range strings.Split(s, "\n") {
				if line = strings.TrimSpace(line); len(line) >= 2*shortestSecret {
					out[line] = true
				}
			}
		}
	case ty == cty.Number:
		if s := v.AsBigFloat().Text('f', -1); marked && len(s) >= shortestSecret {
			out[s] = true
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			collectSecrets(e, marked, out)
		}
	}
}
