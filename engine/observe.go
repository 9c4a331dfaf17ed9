package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// observer looks at the world once, in waves along the graph, and changes nothing. One
// goroutine owns it; workers get a node and return what they saw.
type observer struct {
	engine  *Engine
	prog    *program
	options PlanOptions
	quiet   bool // no events and no reading of targets: only values are wanted
	reader  state.Reader
	ledger  *state.Ledger
	now     time.Time
	fetches *fetchLimiter
	limits  *plan.Limits
	scene   *scene // of a daemon's worker, nil for a single observation

	// affected restricts the observation to some nodes; nil means all of them.
	affected map[address.Address]struct{}
	selected *selector // what affected comes from, with what is only in the ledger; nil for all

	// Written by the owner between waves, read by workers within one.
	values  values
	choices map[address.Address]plan.Choice
	reasons map[address.Address]string   // why a source or sink has no value
	pending map[address.Address]foretold // what sinks are about to write where a source reads

	secret map[address.Address]bool // sinks that write secrets where a source reads

	compute *plan.Computation
	paths   map[string]address.Address          // of all sinks, made when one comes out of data
	fresh   map[address.Address]*state.Snapshot // candidates that are accepted
	outputs []*plan.OutputChange
	checks  []plan.Check
	diags   hcl.Diagnostics

	evaluatedMutex sync.Mutex
	instances      map[address.Address]*evaluated
	identityMutex  sync.Mutex
	identities     map[address.Address]string
}

func (e *Engine) newObserver(reader state.Reader, ledger *state.Ledger, now time.Time, opts PlanOptions) *observer {
	return &observer{
		engine: e, prog: e.prog, options: opts, reader: reader, ledger: ledger, now: now,
		fetches: newFetchLimiter(maxFetches, maxFetchesPerHost),
		values:  values{}, choices: map[address.Address]plan.Choice{}, reasons: map[address.Address]string{},
		secret: map[address.Address]bool{}, fresh: map[address.Address]*state.Snapshot{}, pending: map[address.Address]foretold{}, instances: map[address.Address]*evaluated{}, identities: map[address.Address]string{},
	}
}

// seen is what one node's turn brought; exactly one of the parts is set.
type seen struct {
	node  *node
	look  *look
	sink  *rendered
	value cty.Value // of a local or output
	check *plan.Check
	diags hcl.Diagnostics
}

// run observes wave after wave. Items of one wave do not depend on each other.
func (o *observer) run(ctx context.Context) {
	if limits, diags := o.limiters(); diags.HasErrors() {
		o.diags = append(o.diags, diags...)
		o.limits = plan.NewLimits(nil, o.ledger, o.now)
	} else {
		o.limits = plan.NewLimits(limits, o.ledger, o.now)
	}
	o.compute = plan.NewComputation(o.ledger, o.limits, o.now, o.options.Destroy)
	if o.options.Destroy {
		return
	}
	follows, done := o.prog.follows(), map[address.Address]bool{}
	for i := 0; i < len(o.prog.waves); i++ {
		wave := o.prog.waves[i]
		var nodes []*node
		for _, n := range wave {
			if o.isPart(n) && !done[n.addr] {
				nodes = append(nodes, n)
			}
		}
		// Sources wait for others, so all of a wave are asked at once. The rest is a matter of
		// processors, and taken in portions, so that a wave's intermediate results are never
		// there all at the same time.
		rest := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return n.addr.Type == address.Source })
		o.portion(ctx, slices.DeleteFunc(nodes, func(n *node) bool { return n.addr.Type != address.Source }))
		for portion := range slices.Chunk(rest, portionSize) {
			o.portion(ctx, portion)
		}
		if !follows {
			continue
		}
		for _, n := range wave {
			if o.isPart(n) { // what is not may become it, with an instance that needs it
				done[n.addr] = true
			}
		}
		if o.expand(rest) {
			i = -1 // in another program; what was seen stays seen
		}
	}
}

const portionSize = 1000

// portion sees some nodes of one wave side by side, then takes in what they brought, in order.
func (o *observer) portion(ctx context.Context, nodes []*node) {
	results := make([]seen, len(nodes))
	o.each(nodes, func(i int) { results[i] = o.see(ctx, nodes[i]) })
	o.longestWaitingFirst(results)
	for i, r := range results {
		o.merge(ctx, r)
		results[i] = seen{}
	}
}

// longestWaitingFirst orders the users of shared limits among themselves by what they last
// got; everything else stays where it is.
func (o *observer) longestWaitingFirst(results []seen) {
	var places []int
	var users []seen
	for i, r := range results {
		if slices.ContainsFunc(r.node.limits, func(a address.Address) bool { return o.limits.Shared(a.String()) }) {
			places, users = append(places, i), append(users, r)
		}
	}
	slices.SortStableFunc(users, func(a, b seen) int { return o.lastServed(a.node.addr).Compare(o.lastServed(b.node.addr)) })
	for i, place := range places {
		results[place] = users[i]
	}
}

// lastServed is when a source last accepted or a sink last got something, zero for never.
func (o *observer) lastServed(a address.Address) time.Time {
	if s := o.ledger.Sources[a].Current(); s != nil {
		return s.AcceptedAt
	}
	if row := o.ledger.Sinks[a]; row != nil && row.Acknowledged != nil {
		return row.Acknowledged.At
	}
	return time.Time{}
}

// isPart reports whether a node is part of this observation.
func (o *observer) isPart(n *node) bool {
	if o.affected == nil {
		return true
	}
	_, ok := o.affected[n.addr]
	return ok
}

// each runs f for every node of a wave: sources, which wait for somebody else, all at once
// (the fetch limiter holds them back), the rest as many at a time as there are processors.
func (o *observer) each(nodes []*node, f func(int)) {
	var wg sync.WaitGroup
	work := make(chan int)
	workers := min(len(nodes), 4*runtime.GOMAXPROCS(0))
	waiting := 0
	for _, n := range nodes {
		if n.addr.Type == address.Source {
			waiting++
		}
	}
	workers = max(workers, min(waiting, maxFetches))
	for range workers {
		wg.Go(func() {
			for i := range work {
				f(i)
			}
		})
	}
	for i := range nodes {
		work <- i
	}
	close(work)
	wg.Wait()
}

func (o *observer) see(ctx context.Context, n *node) seen {
	switch {
	case n.addr.Type == address.Source:
		start := time.Now()
		o.emit(LookStarted{Address: n.addr})
		l := o.lookSafely(ctx, n)
		if !n.readsAttribute("text") && !o.quiet {
			l.text, l.fresh = nil, nil
		}
		choice := o.preview(l)
		o.emit(LookFinished{
			Address: n.addr, Standing: choice.Standing, Problem: choice.Problem, Reason: choice.Reason,
			Elapsed: time.Since(start),
		})
		return seen{node: n, look: l, diags: l.diags}
	case n.addr.Type == address.Sink:
		r := o.renderSafely(ctx, n)
		return seen{node: n, sink: r, diags: r.diags}
	case n.check != nil && !o.quiet && !o.options.targetsOnly:
		check, diags := o.judgeCheck(n)
		return seen{node: n, check: &check, diags: diags}
	case n.computed():
		v, diags := o.prog.valueNode(n, o.values)
		v, more := o.refused(n, v)
		return seen{node: n, value: v, diags: append(diags, more...)}
	}
	return seen{node: n}
}

func (o *observer) emit(ev Event) {
	if !o.quiet {
		o.engine.emit(ev)
	}
}

// preview is the choice as far as it is known before limits are asked.
func (o *observer) preview(l *look) plan.Choice {
	return plan.Choose(l.SourceObservation, o.ledger.Sources[l.Address], plan.NewLimits(nil, nil, o.now))
}

// foretold is what a sink is about to write.
type foretold struct {
	path      string
	data      []byte
	sensitive bool
}

func (o *observer) merge(ctx context.Context, s seen) {
	o.diags = append(o.diags, ofInstance(s.node.addr, s.diags)...)
	switch {
	case s.look != nil:
		o.mergeSource(s.look)
	case s.sink != nil:
		o.mergeSink(ctx, s.node, s.sink)
	case s.check != nil:
		o.checks = append(o.checks, *s.check)
	case s.node.computed():
		o.values[s.node.addr] = s.value
		if s.node.out != nil && s.diags.HasErrors() {
			o.reasons[s.node.addr] = outputReason(s.diags)
		}
		if s.node.isOutput() && !o.options.targetsOnly {
			o.output(ctx, s.node, s.value)
		}
	}
}

func (o *observer) mergeSink(ctx context.Context, n *node, r *rendered) {
	if n.used {
		o.values[n.addr] = r.exposed
	}
	if r.Blocked != nil {
		o.reasons[n.addr] = r.Blocked.Reason
	}
	if w := o.pathConflict(n, r); w != nil {
		r.Blocked = w
	}
	out := o.compute.Sink(r.SinkObservation)
	if o.options.targetsOnly {
		return
	}
	o.refuseUnready(n, r, out)
	if out.Delivery != nil {
		o.fill(ctx, n, r, out)
	}
	if n.reread {
		o.secret[n.addr] = r.Sensitive
	}
	if n.reread && out.Action.Delivers() && !out.Repair && out.Delivery != nil {
		o.pending[n.addr] = foretold{n.writes, r.Content, r.Sensitive}
	}
}

func (o *observer) mergeSource(l *look) {
	row := o.ledger.Sources[l.Address]
	choice := o.compute.Source(l.SourceObservation)
	o.choices[l.Address] = choice
	if choice.Read {
		o.fresh[l.Address] = l.Fresh
	}
	o.values[l.Address] = o.sourceObject(l, choice, row)
	if choice.Standing == plan.Nothing {
		o.reasons[l.Address] = choice.Reason
	}
	n := o.prog.nodes[l.Address]
	switch choice.Problem {
	case plan.Failed:
		o.complain(n, "Source failed", fmt.Sprintf("%s: %s. %s", l.Address, strings.TrimRight(choice.Reason, ".?!"), standingWords(choice, row)))
	case plan.Rejected:
		o.complain(n, "Candidate rejected", fmt.Sprintf("%s: %s. %s", l.Address, refusal(l.Checks), standingWords(choice, row)))
	}
}

func (o *observer) complain(n *node, summary, detail string) {
	o.diags = append(o.diags, ofInstance(n.addr, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: n.rng().Ptr(), Extra: about{n.addr}}})...)
}

// about is the Extra of a diagnostic that is about one block as a whole.
type about struct{ address address.Address }

// About returns the source, sink, output or variable that a diagnostic is about as a whole, be it in
// a module or an instance; false where it is about something in it, or about none.
func About(d *hcl.Diagnostic) (address.Address, bool) {
	extra, ok := hcl.DiagnosticExtra[about](d)
	return extra.address, ok
}

// sourceObject is what expressions see of a source: its value, and of the rest what they read.
func (o *observer) sourceObject(l *look, c plan.Choice, row *state.Source) cty.Value {
	n := o.prog.nodes[l.Address]
	attrs := map[string]cty.Value{"value": c.Value}
	if c.Standing == plan.Nothing {
		attrs["value"] = cty.DynamicVal
	}
	for _, name := range sourceAttributes {
		if name != "value" && (o.quiet || n.readsAttribute(name)) {
			attrs[name] = o.sourceAttribute(name, l, c, row)
		}
	}
	return cty.ObjectVal(attrs)
}

func (o *observer) sourceAttribute(name string, l *look, c plan.Choice, row *state.Source) cty.Value {
	if name == "stale" {
		return cty.BoolVal(c.Problem == plan.Failed || c.Standing == plan.Nothing)
	}
	snapshot, data, at := row.Current(), l.text, o.now
	switch c.Standing {
	case plan.Nothing:
		return cty.UnknownVal(cty.String)
	case plan.Candidate:
		snapshot, data = l.Fresh, l.fresh
	case plan.Fallback:
		snapshot, data = &state.Snapshot{Version: "fallback"}, jsonText(c.Value)
	default:
		at = snapshot.AcceptedAt
	}
	switch {
	case name == "version":
		return cty.StringVal(snapshot.Version)
	case name == "changed_at" && c.Standing == plan.Fallback:
		return cty.NullVal(cty.String)
	case name == "changed_at":
		return cty.StringVal(at.UTC().Format(time.RFC3339))
	}
	text := cty.NullVal(cty.String)
	if !snapshot.Parts && utf8.Valid(data) {
		text = cty.StringVal(string(data))
	}
	if mark.Has(c.Value) {
		text = text.Mark(mark.Sensitive)
	}
	return text
}

func jsonText(v cty.Value) []byte {
	v, _ = mark.Reveal(v)
	data, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	return data
}

// unknownCondition says that a condition cannot be judged yet.
const unknownCondition = "it cannot be judged, since a value it uses is not known"

// condition evaluates a condition and, where it does not hold, its message. One that is
// unknown does not hold: nothing passes because its judgement was impossible.
func (o *observer) condition(n *node, cond, message hcl.Expression, extra map[string]cty.Value) (bool, string, hcl.Diagnostics) {
	v, diags := o.prog.expression(n, cond, o.values, extra)
	if diags.HasErrors() {
		return false, "", diags
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return false, unknownCondition, diags
	}
	if v.IsNull() || v.Type() != cty.Bool {
		return false, "", append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid condition", Detail: "A condition must be true or false.", Subject: cond.Range().Ptr(),
		})
	}
	if v.True() {
		return true, "", diags
	}
	text, more := o.prog.expression(n, message, o.values, extra)
	diags = append(diags, more...)
	switch {
	case more.HasErrors():
		return false, "", diags
	case mark.Has(text):
		return false, "the message refers to a sensitive value and is not shown", diags
	case !text.IsWhollyKnown() || text.IsNull() || text.Type() != cty.String:
		return false, "the condition does not hold", diags
	}
	return false, text.AsString(), diags
}

// evaluated returns a block's instance: the static one, or one made of the values so far.
func (o *observer) evaluated(n *node) (*evaluated, hcl.Diagnostics) {
	if n.static != nil {
		return n.static, nil
	}
	o.evaluatedMutex.Lock()
	ev, ok := o.instances[n.addr]
	o.evaluatedMutex.Unlock()
	if ok {
		return ev, nil
	}
	v, diags := o.prog.evaluate(n, o.values, nil)
	if diags.HasErrors() {
		return nil, diags
	}
	ev, diags = o.prog.instance(n, v)
	if diags.HasErrors() {
		return nil, diags
	}
	if n.addr.Type != address.Sink && o.instances != nil { // a sink is rendered once, and there may be many
		o.evaluatedMutex.Lock()
		o.instances[n.addr] = ev
		o.evaluatedMutex.Unlock()
	}
	return ev, nil
}

// fileIdentity is of a file that makes a rule what it is: as it was when the rule was made,
// since that is what it judges by.
func (o *observer) fileIdentity(n *node, path string) string {
	if is, ok := o.prog.ruleFile(n, path); ok && is.ok {
		return hex.EncodeToString(is.sum[:])
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "unreadable"
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
