package engine

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// A daemon lives long and mostly waits, so it keeps of a source that depends on no data only
// what its looks need: the instance and its settings. Everything else can be had again from
// the text of the configuration, which is there in any case.

// slim lets go of what can be had again. It is called before anybody else sees the program.
func (p *program) slim() {
	if p.settings == nil {
		p.settings, p.lists = map[plainSettings]*providers.SourceSettings{}, map[address.Address][]address.Address{}
	}
	p.spec.Trim()
	for _, n := range p.sorted {
		if n.dirty && n.addr.Type == address.Source && n.static != nil && n.addr.Kind != "env" && n.files == nil && !n.block.IsDynamic() {
			p.slimNode(n)
		}
	}
}

func (p *program) slimNode(n *node) {
	if n.static.hasPreconditions() {
		return // they are evaluated at each look
	}
	kept := *n.static
	kept.hidden = kept.shown("") != ""
	kept.values = cty.NilVal
	if s, ok := kept.settings.(*providers.SourceSettings); ok {
		kept.settings = p.shared(s)
	}
	n.static = &kept
	var referring []expression // a new list: the program before goes on with its own
	n.block = n.block.With(func(expr hcl.Expression) hcl.Expression {
		e := n.find(expr)
		e.expr = p.spec.Later(expr)
		if e.wrong || e.reads || len(e.refs) > 0 {
			referring = append(referring, e)
		}
		return e.expr
	})
	n.exprs = referring
	n.detectors = p.sharedList(n.detectors)
}

// plainSettings are those of a source that can be compared.
type plainSettings struct {
	interval              providers.Duration
	decode                string
	allowEmpty, sensitive bool
	maxBytes              int64
}

// shared returns equal settings, without the expressions of references, which the node has
// resolved: most sources of a configuration have the same.
func (p *program) shared(s *providers.SourceSettings) *providers.SourceSettings {
	plain := *s
	plain.Detectors, plain.Rules, plain.RateLimits, plain.DependsOn = nil, nil, nil, nil
	if s.Fallback != cty.NilVal || s.Push != nil || len(s.Preconditions) > 0 {
		return &plain
	}
	key := plainSettings{s.Interval, s.Decode, s.AllowEmpty, s.Sensitive, s.MaxBytes}
	if p.settings[key] == nil {
		p.settings[key] = &plain
	}
	return p.settings[key]
}

// sharedList returns an equal list: most name one detector, and few are named.
func (p *program) sharedList(list []address.Address) []address.Address {
	if len(list) != 1 {
		return list
	}
	if p.lists[list[0]] == nil {
		p.lists[list[0]] = slices.Clip(list)
	}
	return p.lists[list[0]]
}

// texts are those that many rows of the ledger have in common.
type texts map[string]string

// mostTexts bounds what is kept for origins that say something else each time.
const mostTexts = 1000

// share lets a row that nobody else knows yet have its texts in common with others.
func (t texts) share(row *state.Source) {
	t.one(&row.Judged)
	for i := range row.Snapshots {
		t.one(&row.Snapshots[i].Format)
		t.one(&row.Snapshots[i].ContentType)
	}
}

func (t texts) one(s *string) {
	if *s == "" {
		return
	}
	if len(t) >= mostTexts {
		clear(t)
	}
	if known, ok := t[*s]; ok {
		*s = known
	} else {
		t[*s] = *s
	}
}

// shown is the name of a place, unless it was made of something sensitive.
func (ev *evaluated) shown(name string) string {
	if ev.values == cty.NilVal && !ev.hidden {
		return name
	}
	if ev.hidden {
		return mark.Redacted
	}
	return shownUnless(ev.values, name)
}

// valuesOf returns the attributes of a block, which are made again where a daemon let go of
// them: few looks need them.
func (p *program) valuesOf(n *node, ev *evaluated) cty.Value {
	if ev.values != cty.NilVal {
		return ev.values
	}
	vals := values{}
	for _, r := range n.refs {
		if m := p.nodes[r.Node]; m != nil && m.constant != cty.NilVal {
			vals[r.Node] = m.constant
		}
	}
	v, _ := p.evaluate(n, vals, nil)
	return v
}
