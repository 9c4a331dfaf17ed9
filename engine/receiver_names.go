package engine

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/address"
	"tidegate/providers"
)

// names finds two sources that want to be sent values under one name, as far as that depends on no
// data, and two detectors that are told of changes under one name by senders who prove different
// things. Those that prove the same are told of them together, as in the instances of a module.
func (p *program) names() hcl.Diagnostics {
	var diags hcl.Diagnostics
	sources, detectors := map[string]*node{}, map[string]*node{}
	for _, n := range p.sorted {
		push, takes := p.declaredPush(n)
		if !takes {
			continue
		}
		if n.addr.Type == address.Source {
			if first := sources[push.ConfigName]; first != nil {
				diags = append(diags, nameTaken(first, n, push.ConfigName))
				continue
			}
			sources[push.ConfigName] = n
			continue
		}
		first := detectors[n.addr.Name]
		if first == nil {
			detectors[n.addr.Name] = n
			continue
		}
		if other, _ := p.declaredPush(first); !slices.Equal(other.Secrets, push.Secrets) || other.BearerToken != push.BearerToken {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Two detectors with one name", Subject: n.rng().Ptr(),
				Detail: fmt.Sprintf("%s and %s are both told of changes at /webhook/notify/%s (the first is declared at %s), and ask for different secrets or tokens. Give them the same, or other names.", first.addr, n.addr, n.addr.Name, first.rng()),
			})
		}
	}
	return diags
}

func nameTaken(first, second *node, name string) *hcl.Diagnostic {
	way := "Give one of them a config_name of its own."
	if second.each != nil || second.mod.parent != nil {
		way = "Give each a config_name of its own, in instances one with each.key, count.index or a variable of the module in it."
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Two sources receive under one name", Subject: second.rng().Ptr(),
		Detail: fmt.Sprintf("%s and %s are both sent values as %q (the first is declared at %s). %s", first.addr, second.addr, name, first.rng(), way),
	}
}

// declaredPush returns what a sender to a source or detector must prove, where that depends on no data.
func (p *program) declaredPush(n *node) (push providers.Push, takes bool) {
	if n.takes != nil {
		return *n.takes, true
	}
	if n.static == nil || n.addr.Type != address.Source && n.addr.Type != address.Detector {
		return push, false
	}
	_ = p.opts.contain(n.addr, func() { // one that panics takes nothing in
		if n.addr.Type == address.Source {
			if s, ok := settingsOf(n); ok {
				push, takes = pushOf(n, n.static.source, s)
			}
		} else if r, ok := n.static.detector.(providers.Receiver); ok {
			push, takes = r.Push(), true
		}
	})
	return push, takes
}
