package engine

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// Unplanned is the plan of a configuration that could not be planned: empty and incomplete.
func (e *Engine) Unplanned() *plan.Plan { return e.noPlan(e.clock(), PlanOptions{}) }

// DiffersFrom lists what means something else than in base, or is in one of the two alone:
// blocks that were changed, and what refers to them.
func (e *Engine) DiffersFrom(base *Engine) []address.Address {
	var out []address.Address
	for a, n := range e.prog.nodes {
		if !equalNodes(n, base.prog.nodes[a]) {
			out = append(out, a)
		}
	}
	for a := range base.prog.nodes {
		if e.prog.nodes[a] == nil {
			out = append(out, a)
		}
	}
	out = slices.DeleteFunc(out, func(a address.Address) bool { return a.Type.Hidden() })
	slices.SortFunc(out, address.Address.Compare)
	return out
}

// SourcesOf lists the sources that read one of some paths, or below it, or a directory that one
// is in, as far as that is known without data.
func (e *Engine) SourcesOf(paths []string) []address.Address {
	var out []address.Address
	if len(paths) == 0 {
		return nil
	}
	for _, n := range e.prog.sorted {
		if n.addr.Type != address.Source {
			continue
		}
		if n.static == nil || n.reads != "" && slices.ContainsFunc(paths, func(p string) bool { return below(p, n.reads) || below(n.reads, p) }) {
			out = append(out, n.addr)
		}
	}
	return out
}

func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// Leads returns the sinks and outputs that depend on some blocks, themselves included.
func (e *Engine) Leads(seeds []address.Address) []address.Address {
	var out []address.Address
	for a := range e.prog.graph.Affected(seeds) {
		if a.Type == address.Sink || a.Type == address.Output {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, address.Address.Compare)
	return out
}

// FollowsData reports whether some blocks or modules have instances that follow data: which there are
// is known once a plan has looked.
func (e *Engine) FollowsData() bool { return e.prog.follows() }

// ChangedFrom lists the blocks of the configuration that are not what they were in base, as
// they are written. The plans of both tell what rate limits come to.
func (e *Engine) ChangedFrom(base *Engine, before, after *plan.Plan) []plan.BlockChange {
	limits := map[string][2]*plan.Limit{}
	for i, p := range []*plan.Plan{before, after} {
		for _, l := range p.Limits {
			pair := limits[l.Address]
			pair[i] = l
			limits[l.Address] = pair
		}
	}
	addresses := map[address.Address]bool{}
	var old map[address.Address]*node
	if base != nil && base.prog != nil {
		old = base.prog.nodes
	}
	for a := range old {
		addresses[a] = true
	}
	for a := range e.prog.nodes {
		addresses[a] = true
	}
	var out []plan.BlockChange
	known := map[sameChange]int{}
	for _, a := range slices.SortedFunc(maps.Keys(addresses), address.Address.Compare) {
		if a.Type.Hidden() {
			continue
		}
		was, is := old[a], e.prog.nodes[a]
		if was == nil && base != nil && base.prog.lacksKey(a) || is == nil && e.prog.lacksKey(a) {
			continue // that is what the data say
		}
		c := plan.BlockChange{Address: a}
		switch {
		case was == nil:
			c.Action = plan.Create
		case is == nil:
			c.Action = plan.Delete
		case was.declared == is.declared:
			continue // the same file
		default:
			c.Action = plan.Update
			c.Details = differences(base.prog.written(was), e.prog.written(is))
			if a.Type == address.Variable && base.prog.variableIdentity(was) != e.prog.variableIdentity(is) {
				c.Details = append(c.Details, "another value")
			}
			if len(c.Details) == 0 {
				continue
			}
			c.Direction = direction(was, is, limits[a.String()])
		}
		// What is true of one instance of a declaration is mostly true of all of them.
		key := sameChange{action: c.Action, direction: c.Direction, details: strings.Join(c.Details, "\n")}
		if was != nil {
			key.was = was.declared
		}
		if is != nil {
			key.is = is.declared
		}
		if i, ok := known[key]; ok && (a.Key != address.NoKey || a.Module != address.Root) {
			out[i].Others = append(out[i].Others, a)
			continue
		}
		known[key] = len(out)
		out = append(out, c)
	}
	return out
}

// variableIdentity identifies the value of a variable, as far as that is known without its call: of a
// called module it is the default.
func (p *program) variableIdentity(n *node) string {
	v := p.variables[n.addr.Name]
	if n.input != nil {
		v = n.input.Default
	}
	if v == cty.NilVal {
		return ""
	}
	return identity(reveal(v))
}

// sameChange is what instances of one declaration have in common that changed alike.
type sameChange struct {
	was, is   any
	action    plan.Action
	direction plan.Direction
	details   string
}

func reveal(v cty.Value) cty.Value {
	v, _ = mark.Reveal(v)
	return v
}

// part is one attribute of a block, or of a block in it: as it is compared, without blanks and
// comments, and as it is shown.
type part struct{ name, means, text string }

// written returns a block's attributes as they are written, in order;
// credentials without their text.
func (p *program) written(n *node) []part {
	var out []part
	put := func(name string, expr hcl.Expression) {
		rng := expr.Range()
		text := ""
		if f := p.spec.Files[rng.Filename]; f != nil && rng.CanSliceBytes(f.Bytes) {
			text = strings.Join(strings.Fields(string(rng.SliceBytes(f.Bytes))), " ")
		}
		out = append(out, part{name, p.sourceText(rng), text})
	}
	switch {
	case n.block != nil:
		if n.each != nil {
			put(n.each.repeated.Word(), n.each.repeated.Expression())
		}
		n.block.Expressions(func(name string, a *providers.Attribute, expr hcl.Expression) {
			if a != nil && a.Credential {
				out = append(out, part{name, p.sourceText(expr.Range()), credential})
				return
			}
			put(name, expr)
		})
	case n.expr != nil:
		put("value", n.expr)
	}
	return out
}

// credential stands where the text of one would.
const credential = "(credential)"

// differences tells what was changed in words: "rate: 1 -> 2".
func differences(before, after []part) []string {
	byName := func(parts []part, of func(part) string) map[string][]string {
		out := map[string][]string{}
		for _, p := range parts {
			out[p.name] = append(out[p.name], of(p))
		}
		return out
	}
	means, text := func(p part) string { return p.means }, func(p part) string { return p.text }
	old, now := byName(before, means), byName(after, means)
	oldText, newText := byName(before, text), byName(after, text)
	names := map[string]bool{}
	for name := range old {
		names[name] = true
	}
	for name := range now {
		names[name] = true
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if slices.Equal(old[name], now[name]) {
			continue
		}
		out = append(out, difference(name, strings.Join(oldText[name], ", "), strings.Join(newText[name], ", ")))
	}
	return out
}

// longText is what a detail shows of an attribute.
const longText = 60

func difference(name, before, after string) string {
	switch {
	case before == credential && after == credential:
		return name + " changed"
	case len(before) > longText || len(after) > longText || strings.Contains(before+after, "\n"):
		if before == "" {
			return name + " added"
		}
		if after == "" {
			return name + " removed"
		}
		return name + " changed"
	case before == "":
		return fmt.Sprintf("%s: %s added", name, after)
	case after == "":
		return fmt.Sprintf("%s: %s removed", name, before)
	}
	return fmt.Sprintf("%s: %s -> %s", name, before, after)
}

// direction tells whether a block lets more pass than before, or less. A rule or limit that is
// added or removed as a block holds nothing back by itself: what names it does.
func direction(was, is *node, limit [2]*plan.Limit) plan.Direction {
	var votes []plan.Direction
	vote := func(more, less bool) {
		if more {
			votes = append(votes, plan.Loosened)
		}
		if less {
			votes = append(votes, plan.Tightened)
		}
	}
	for _, lists := range [][2][]address.Address{{was.rules, is.rules}, {was.limits, is.limits}} {
		lost := slices.ContainsFunc(lists[0], func(a address.Address) bool { return !slices.Contains(lists[1], a) })
		won := slices.ContainsFunc(lists[1], func(a address.Address) bool { return !slices.Contains(lists[0], a) })
		vote(lost, won)
	}
	if was.block != nil && is.block != nil {
		for _, name := range []string{"precondition.condition", "assertion.condition"} {
			before, now := count(was.block, name), count(is.block, name)
			vote(now < before, now > before)
		}
		before, now := static(was, "severity"), static(is, "severity")
		vote(before != "warning" && now == "warning", before == "warning" && now != "warning")
		before, now = static(was, "allow_empty"), static(is, "allow_empty")
		vote(before != "true" && now == "true", before == "true" && now != "true")
	}
	if limit[0] != nil && limit[1] != nil {
		before, now := allowance(limit[0]), allowance(limit[1])
		for i := range before {
			vote(now[i] > before[i], now[i] < before[i])
		}
	}
	slices.Sort(votes)
	if votes = slices.Compact(votes); len(votes) == 1 {
		return votes[0]
	}
	return plan.Altered
}

func count(b *providers.Block, name string) int {
	n := 0
	b.Expressions(func(is string, _ *providers.Attribute, _ hcl.Expression) {
		if is == name {
			n++
		}
	})
	return n
}

// static is an attribute that depends on no data, as text.
func static(n *node, name string) string {
	if n.static == nil || n.static.values == cty.NilVal || !n.static.values.Type().HasAttribute(name) {
		return ""
	}
	switch v, _ := n.static.values.GetAttr(name).Unmark(); {
	case !v.IsKnown() || v.IsNull():
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	}
	return ""
}

// allowance is what a rate limit lets pass: in the long run, for each second, and at once.
func allowance(l *plan.Limit) [2]float64 {
	number := func(name string) float64 {
		if l.Values.IsAbsent() || !l.Values.Type().HasAttribute(name) {
			return 0
		}
		v, _ := l.Values.GetAttr(name).Unmark()
		if !v.IsKnown() || v.IsNull() {
			return 0
		}
		if v.Type() == cty.String {
			d, _ := time.ParseDuration(v.AsString())
			return d.Seconds()
		}
		if v.Type() != cty.Number {
			return 0
		}
		f, _ := v.AsBigFloat().Float64()
		return f
	}
	per := number("per")
	if per == 0 {
		per = 1
	}
	many := max(number("rate"), number("max"))
	return [2]float64{many / per, max(number("burst"), number("max"))}
}

// Reach notes in a plan for a change what each changed block leads to.
func (e *Engine) Reach(base *Engine, p *plan.Plan) {
	for _, c := range p.Base.Changes {
		prog := e.prog
		if c.Action == plan.Delete {
			prog = base.prog
		}
		affected := prog.graph.Affected(append([]address.Address{c.Address}, c.Others...))
		reach := plan.Reach{Address: c.Address, Sinks: []address.Address{}, Targets: []string{}}
		for a := range affected {
			if a.Type == address.Sink {
				reach.Sinks = append(reach.Sinks, a)
			}
		}
		slices.SortFunc(reach.Sinks, address.Address.Compare)
		for _, s := range p.Sinks {
			if _, is := affected[s.Address]; is && s.Target != "" && !slices.Contains(reach.Targets, s.Target) {
				reach.Targets = append(reach.Targets, s.Target)
			}
		}
		p.Base.Reach = append(p.Base.Reach, reach)
	}
}
