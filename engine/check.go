package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// check evaluates everything that can be known before any source is asked. It finds all
// mistakes that do not depend on data, and keeps what depends on no data at all.
func (p *program) check() hcl.Diagnostics {
	var diags hcl.Diagnostics
	p.affected()
	vals := p.shown()
	if p.before != nil {
		for _, a := range sortedKeys(p.before.warned) {
			if n := p.nodes[a]; n != nil && !n.dirty {
				diags = append(diags, p.before.warned[a]...)
				p.warn(a, p.before.warned[a])
			}
		}
	}
	for _, wave := range p.waves {
		var nodes []*node
		for _, n := range wave {
			if n.dirty {
				nodes = append(nodes, n)
			}
		}
		results := make([]checked, len(nodes))
		p.sideBySide(len(nodes), func(i int) { results[i] = p.checkNode(nodes[i], vals) })
		for i, n := range nodes {
			found := ofInstance(n.addr, results[i].diags)
			diags = append(diags, found...)
			p.warn(n.addr, found)
			n.show(results[i].value, vals)
		}
	}
	diags = append(diags, p.paths()...)
	diags = append(diags, p.names()...)
	for _, n := range p.sorted {
		if n.files != nil {
			n.files.checked()
			p.readers = append(p.readers, n)
		}
	}
	p.reads.checked()
	return diags
}

// shown is what the nodes that are checked see of those that are not.
func (p *program) shown() values {
	vals := values{}
	if p.before == nil {
		return vals
	}
	for _, n := range p.sorted {
		if !n.dirty {
			continue
		}
		for _, a := range p.graph.Dependencies(n.addr) {
			if d := p.nodes[a]; !d.dirty && d.shown != cty.NilVal {
				vals[a] = d.shown
			}
		}
	}
	return vals
}

// show lets others see the value of a checked node.
func (n *node) show(v cty.Value, vals values) {
	if v != cty.NilVal && !n.cyclic {
		vals[n.addr] = v
		if n.used {
			n.shown = v
		}
	}
	n.seen = n.used
}

// warn keeps what is to be said again as long as the node is not checked again.
func (p *program) warn(a address.Address, diags hcl.Diagnostics) {
	if len(diags) > 0 {
		p.warned[a] = diags
	}
}

// checked is what others may see of a checked node, NilVal for nothing, and its mistakes.
type checked struct {
	value cty.Value
	diags hcl.Diagnostics
}

// sideBySide calls f for 0 to n-1, on all processors.
func (p *program) sideBySide(n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// checkNode checks one node. It writes to nothing but the node.
func (p *program) checkNode(n *node, vals values) (out checked) {
	defer func() {
		if v := recover(); v != nil {
			err := p.opts.panicked(n.addr, v, nil)
			out = checked{diags: hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "The block cannot be made", Subject: n.rng().Ptr(), Detail: fmt.Sprintf("%s: %s.", n.addr, err),
			}}}
		}
	}()
	switch {
	case n.check != nil:
		return checked{diags: p.checkAssertions(n, vals)}
	case n.addr.Type == address.Variable && n.input == nil:
		return checked{}
	case n.computed():
		v, diags := p.valueNode(n, vals)
		if n.addr.Type == address.Expansion && !diags.HasErrors() {
			diags = append(diags, n.checkExpansion(v)...)
		}
		if (n.out == nil || n.mod.parent != nil) && len(n.sources) == 0 && len(n.sinks) == 0 && (v.IsWhollyKnown() || n.addr.Type.Hidden()) && !diags.HasErrors() {
			n.constant = v
		}
		return checked{v, append(append(diags, p.checkOutput(n, v)...), p.ephemeral(n, v)...)}
	}
	v, diags := p.evaluate(n, vals, deliveryUnknown(n))
	diags = append(diags, p.checkConditions(n, vals)...)
	diags = append(diags, p.checkTriggers(n, vals)...)
	diags = append(diags, p.checkSettings(n, v)...)
	diags = append(diags, p.warnCredentials(n, v)...)
	ev, partly, more := p.trial(n, v)
	out = checked{diags: append(diags, more...)}
	if !partly && !out.diags.HasErrors() {
		if len(n.sources) == 0 && len(n.sinks) == 0 && !n.usesDelivery || n.saysWhen() {
			n.static = ev
		}
		if f, ok := ev.rule.(interface{ ConfigFiles() []string }); ok {
			p.noteRuleFiles(n, f.ConfigFiles())
		}
		if ev.sink != nil {
			out.value = exposed(ev.sink)
		}
	}
	if n.static == nil {
		n.takes = knownPush(n, v)
	}
	if partly && n.saysWhen() && len(n.sources)+len(n.sinks) > 0 && !(p.validate && n.each != nil) {
		out.diags = append(out.diags, n.followsData())
	}
	if !v.Type().HasAttribute("path") || !v.GetAttr("path").IsWhollyKnown() {
		return out
	}
	n.recursive = isTrue(v, "recursive")
	if w, ok := ev.sink.(providers.PathWriter); ok {
		n.writes = w.WritesPath()
	}
	if r, ok := ev.source.(providers.PathReader); ok {
		n.reads = r.ReadsPath()
	}
	return out
}

// saysWhen reports whether a node says when something is looked at or may pass: that is to be known
// before there is any data.
func (n *node) saysWhen() bool {
	return n.addr.Type == address.Detector || n.addr.Type == address.RateLimit
}

func (n *node) followsData() *hcl.Diagnostic {
	from := slices.Concat(n.sources, n.sinks)[0]
	what := "a rate limit decides what may pass"
	if n.addr.Type == address.Detector {
		what = "a detector decides when sources are looked at"
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Policy that follows data", Subject: n.rng().Ptr(),
		Detail: fmt.Sprintf("%s needs a value of %s, which is not known before that was looked at, and %s. Take the value from a variable, env or a file.", n.addr, from, what),
	}
}

// knownPush returns what the push block of a source says, where it says it without any data.
func knownPush(n *node, v cty.Value) *providers.Push {
	if n.addr.Type != address.Source || !v.Type().HasAttribute("push") || !v.GetAttr("push").IsWhollyKnown() {
		return nil
	}
	c, diags := n.kind.Configure(v, n.block)
	if diags.HasErrors() {
		return nil
	}
	s, ok := c.Settings.(*providers.SourceSettings)
	if !ok || s.Push == nil {
		return nil
	}
	push := s.Push.Push(n.addr.Name)
	return &push
}

// trial makes an instance of what is known. One that is made partly serves to find the mistakes
// in what is known, and to learn which path it reads or writes although other attributes,
// such as a content that comes from a source, are not known yet.
func (p *program) trial(n *node, v cty.Value) (ev *evaluated, partly bool, diags hcl.Diagnostics) {
	ev = &evaluated{values: v}
	if diags := p.ephemeral(n, v); diags.HasErrors() {
		return ev, true, diags
	}
	c, diags := n.kind.Configure(v, n.block)
	if diags.HasErrors() {
		return ev, true, diags
	}
	diags = append(diags, p.build(ev, c, n.addr)...)
	return ev, !known(v, n.addr.Type), diags
}

func deliveryUnknown(n *node) map[string]cty.Value {
	if !n.usesDelivery {
		return nil
	}
	return map[string]cty.Value{"delivery": cty.DynamicVal}
}

func (p *program) checkOutput(n *node, v cty.Value) hcl.Diagnostics {
	if !n.isOutput() || n.out.Sensitive || !mark.Has(v) || mark.HasEphemeral(v) {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Output refers to sensitive values", Subject: n.expr.Range().Ptr(),
		Detail: fmt.Sprintf("The value of %s is sensitive. Set sensitive = true on the output, or nonsensitive(...) if it may be shown.", n.addr),
	}}
}

// checkConditions evaluates conditions over an unknown candidate: unknown functions and
// misspelt names come out before there is any data.
func (p *program) checkConditions(n *node, vals values) hcl.Diagnostics {
	var diags hcl.Diagnostics
	n.block.Expressions(func(name string, a *providers.Attribute, expr hcl.Expression) {
		if !a.Expression || a.TypeName() != "expression" {
			return
		}
		_, more := p.expression(n, expr, vals, unknownCandidate)
		diags = append(diags, more...)
	})
	return diags
}

// checkTriggers evaluates the triggers that are values.
func (p *program) checkTriggers(n *node, vals values) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range n.triggers {
		if !t.target.IsZero() || t.expr == nil {
			continue
		}
		v, more := p.expression(n, t.expr, vals, nil)
		diags = append(append(diags, more...), n.ephemeralTrigger(t, v)...)
	}
	return diags
}

var unknownCandidate = map[string]cty.Value{
	"value": cty.DynamicVal, "previous": cty.DynamicVal, "text": cty.UnknownVal(cty.String),
	"meta": cty.UnknownVal(cty.Object(map[string]cty.Type{"address": cty.String, "version": cty.String, "size": cty.Number})),
}

// checkSettings finds combinations that make no sense.
func (p *program) checkSettings(n *node, v cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	fail := func(attr, summary, detail string) {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: n.block.AttributeRange(attr).Ptr()})
	}
	switch n.addr.Type {
	case address.Source:
		interval := v.Type().HasAttribute("interval")
		switch {
		case interval && len(n.kind.Detectors) == 0:
			fail("interval", "Unsupported attribute", fmt.Sprintf("A source %q is read once; it has no interval.", n.addr.Kind))
		case interval && len(n.detectors) > 0:
			fail("interval", "Conflicting attributes", "interval is short for the default detector at that interval, so it cannot stand beside detectors. Set the interval in the detector.")
		}
		if interval && len(n.kind.Detectors) > 0 && len(n.detectors) == 0 {
			if d := p.badInterval(n, v.GetAttr("interval")); d != "" {
				fail("interval", "Unsuitable interval", d)
			}
		}
		for _, d := range n.detectors {
			if !slices.Contains(n.kind.Detectors, d.Kind) {
				can := "it is read once"
				if len(n.kind.Detectors) > 0 {
					can = fmt.Sprintf("it can be watched by %v", n.kind.Detectors)
				}
				fail("detectors", "Unsuitable detector", fmt.Sprintf("A source %q cannot be watched by %s: %s.", n.addr.Kind, d, can))
			}
		}
	case address.Sink:
		if n.addr.Kind != "file" && attributeIs(v, "on_destroy", "delete") {
			fail("on_destroy", "Unsupported value", fmt.Sprintf("A sink %q has nothing that could be deleted. Leave on_destroy at \"keep\".", n.addr.Kind))
		}
		if n.addr.Kind == "file" && attributeIs(v, "on_create", "skip") {
			fail("on_create", "Unsupported value", "A file is compared with what is there, so on_create has no meaning for it. Leave it out.")
		}
	}
	return diags
}

// badInterval says what the default detector of a source has against an interval, "" for nothing.
func (p *program) badInterval(n *node, interval cty.Value) string {
	interval, marks := interval.Unmark()
	kind := p.opts.Registry.Kind("detector", n.kind.Detectors[0])
	if kind == nil || !interval.IsKnown() || len(marks) > 0 {
		return ""
	}
	_, diags := p.detector(kind, cty.ObjectVal(map[string]cty.Value{"interval": interval}), n.addr)
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return strings.TrimPrefix(d.Detail, n.addr.String()+": ")
		}
	}
	return ""
}

func attributeIs(v cty.Value, name, want string) bool {
	if !v.Type().HasAttribute(name) {
		return false
	}
	a, _ := v.GetAttr(name).Unmark()
	return a.IsKnown() && a.Type() == cty.String && a.AsString() == want
}

// paths finds two sinks on one path, and orders a source that reads what a sink writes
// after that sink.
func (p *program) paths() hcl.Diagnostics {
	writers := map[string]*node{}
	above := map[string]bool{} // the directories that something is written in or below
	var diags hcl.Diagnostics
	for _, n := range p.sorted {
		if n.writes == "" {
			continue
		}
		if first := writers[n.writes]; first != nil {
			diags = append(diags, conflict(first, n, n.writes))
			continue
		}
		writers[n.writes] = n
		for dir := filepath.Dir(n.writes); !above[dir]; dir = filepath.Dir(dir) {
			above[dir] = true
		}
	}
	reordered := false
	for _, n := range p.sorted {
		var written []address.Address
		if n.reads != "" && (writers[n.reads] != nil || above[n.reads]) {
			for _, w := range p.writersAt(n, writers) {
				p.graph.Connect(n.addr, w.addr)
				written = append(written, w.addr)
				w.reread, reordered = true, true
			}
		}
		if !slices.Equal(n.written, written) {
			n.written, n.digest = written, digest{}
		}
	}
	if reordered {
		diags = append(diags, p.order()...)
	}
	return diags
}

func conflict(first, second *node, path string) *hcl.Diagnostic {
	return withNote(&hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Two sinks write one path", Subject: second.rng().Ptr(),
		Detail: fmt.Sprintf("%s and %s both write %s (the first is declared at %s). Each path has one sink; give one of them another path.", first.addr, second.addr, path, first.rng()),
	}, &instanceNote{address: second.addr, other: first.addr})
}

// writersAt returns the sinks that write the path a source reads, or into it where it is a
// directory.
func (p *program) writersAt(n *node, writers map[string]*node) []*node {
	if w := writers[n.reads]; w != nil {
		return []*node{w}
	}
	info, err := os.Stat(n.reads)
	if err != nil || !info.IsDir() {
		return nil
	}
	var out []*node
	for path, w := range writers {
		rel, err := filepath.Rel(n.reads, path)
		if err != nil || strings.HasPrefix(rel, "..") || strings.HasPrefix(filepath.Base(rel), ".") {
			continue
		}
		if n.recursive || !strings.ContainsRune(rel, filepath.Separator) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *node) int { return a.addr.Compare(b.addr) })
	return out
}

func isTrue(v cty.Value, name string) bool {
	if !v.Type().HasAttribute(name) {
		return false
	}
	a, _ := v.GetAttr(name).Unmark()
	return a.IsKnown() && !a.IsNull() && a.Type() == cty.Bool && a.True()
}
