package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// session is one file of tests while its runs are gone through.
type session struct {
	suite   *Suite
	file    *File
	worlds  map[string]*world    // by state key
	results map[string]cty.Value // of the runs so far, where runs refer to them
}

// round is one plan of a run, and the apply where it was applied.
type round struct {
	plan    *plan.Plan
	said    hcl.Diagnostics // by plan and apply
	values  map[string]cty.Value
	applied bool
}

// run carries one run out and judges it.
func (t *session) run(ctx context.Context, r *Run) *RunResult {
	result := &RunResult{File: t.file, Run: r, Status: Pass}
	p, diags := t.load(ctx, r)
	if diags.HasErrors() {
		result.Status, result.Diagnostics = Err, diags
		return result
	}
	verdict := &verdict{run: r, spec: p.engine.Spec()}
	if p.diags.HasErrors() {
		verdict.configuration(p.diags)
		result.Status, result.Diagnostics = verdict.status, verdict.diags
		return result
	}
	w, rounds, diags := t.rounds(ctx, r, p)
	if len(rounds) > 0 && t.suite.opts.Plans {
		result.Plan = rounds[len(rounds)-1].plan
	}
	if diags.HasErrors() {
		result.Status, result.Diagnostics = Err, diags
		if ctx.Err() != nil {
			result.Status, result.Diagnostics = Skip, nil
		}
		return result
	}
	for _, one := range rounds {
		verdict.observe(one.plan, one.said)
	}
	scope := t.scope(p, w, rounds)
	verdict.failures()
	for _, a := range r.asserts {
		verdict.assert(a, scope)
	}
	if t.file.refersToRuns {
		t.results[r.Name] = resultValue(scope)
	}
	result.Status, result.Diagnostics = verdict.status, verdict.diags
	return result
}

// resultValue is what later runs see of a run.
func resultValue(scope *hcl.EvalContext) cty.Value {
	out := map[string]cty.Value{}
	for _, name := range []string{"plan", "apply", "rounds", "files", "output"} {
		out[name] = scope.Variables[name]
	}
	return cty.ObjectVal(out)
}

// load evaluates the variables and the environment of a run and loads the configuration with
// them.
func (t *session) load(ctx context.Context, r *Run) (*program, hcl.Diagnostics) {
	spec := t.suite.spec
	scope := &hcl.EvalContext{
		Functions: hclspec.Functions(hclspec.FunctionOptions{ModuleDir: spec.Dir, ReadPaths: spec.Settings.PathsRead}),
		Variables: map[string]cty.Value{"path": spec.PathObject(), "run": cty.ObjectVal(t.results)},
	}
	variables := map[string]hclspec.VariableInput{}
	environ := map[string]string{}
	var diags hcl.Diagnostics
	for _, s := range []*setting{&t.file.setting, &r.setting} {
		diags = append(diags, t.variables(s, scope, variables)...)
		plain := map[string]cty.Value{}
		for name, in := range variables {
			plain[name] = in.Value
		}
		scope.Variables["var"] = cty.ObjectVal(plain)
		diags = append(diags, t.environ(s, scope, environ)...)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return t.suite.program(ctx, variables, environ, t.mocked(r)), diags
}

// mocked are the sources that are mocked in a run, in order.
func (t *session) mocked(r *Run) []address.Address {
	var out []address.Address
	for _, m := range slices.Concat(r.mocks, t.file.mocks) {
		if m.address.Type == address.Source {
			out = append(out, m.address)
		}
	}
	slices.SortFunc(out, address.Address.Compare)
	return slices.Compact(out)
}

func (t *session) variables(s *setting, scope *hcl.EvalContext, into map[string]hclspec.VariableInput) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, name := range slices.Sorted(maps.Keys(s.variables)) {
		attr := s.variables[name]
		v, more := evaluate(attr.Expr, scope)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		if !v.IsWhollyKnown() {
			diags = append(diags, failure(attr.Expr.Range(), "Unknown value", "The value of a variable must be known."))
			continue
		}
		into[name] = hclspec.VariableInput{Value: v, Source: "the file " + t.file.Name, Range: attr.Expr.Range()}
	}
	return diags
}

func (t *session) environ(s *setting, scope *hcl.EvalContext, into map[string]string) hcl.Diagnostics {
	if s.environment == nil {
		return nil
	}
	v, diags := evaluate(s.environment, scope)
	if diags.HasErrors() {
		return diags
	}
	v, _ = v.UnmarkDeep()
	bad := failure(s.environment.Range(), "Invalid environment", "environment is a map of names to texts, such as { CONFIG_TOKEN = \"t\" }.")
	if v.IsNull() || !v.IsWhollyKnown() || !(v.Type().IsObjectType() || v.Type().IsMapType()) {
		return append(diags, bad)
	}
	for name, e := range v.AsValueMap() {
		if !known(e, cty.String) {
			return append(diags, bad)
		}
		into[name] = e.AsString()
	}
	return diags
}

// rounds lets the run plan, and apply, at each of its times. Diagnostics say what is wrong
// with the test, not what was found.
func (t *session) rounds(ctx context.Context, r *Run, p *program) (*world, []*round, hcl.Diagnostics) {
	scope := p.engine.SettingsContext().NewChild()
	scope.Variables = map[string]cty.Value{"run": cty.ObjectVal(t.results)}
	w, diags := t.world(r.stateKey, p.stage, scope)
	if diags.HasErrors() {
		return w, nil, diags
	}
	w.now = w.now.Add(r.after)
	if w.now.Sub(w.begin) > maxSpan {
		return w, nil, hcl.Diagnostics{failure(r.Range, "Clock out of range", "The clock would be moved on by more than ten years since the file began.")}
	}
	begin := w.now
	diags = append(diags, t.mocks(w, r, scope, begin)...)
	diags = append(diags, w.place(r.files, p.stage, scope)...)
	times, more := r.times()
	diags = append(diags, more...)
	if diags.HasErrors() {
		return w, nil, diags
	}
	p.stage.world = w
	e := p.engine.Rehearse(w.store, w.clock)
	var out []*round
	for i, at := range times {
		w.now = begin.Add(at)
		w.round()
		if _, diags := w.send(ctx, e, p.stage); diags.HasErrors() {
			return w, out, diags
		}
		one, diags := p.stage.round(ctx, e, w, r.apply || i < len(times)-1)
		if diags.HasErrors() {
			return w, out, diags
		}
		out = append(out, one)
		if err := ctx.Err(); err != nil {
			return w, out, hcl.Diagnostics{failure(r.Range, "Interrupted", "The run was not finished.")}
		}
		if diags := w.refused(r); diags.HasErrors() {
			return w, out, diags
		}
	}
	return w, out, nil
}

// times are when a run plans: at its beginning, at each step of its mocks, and as it asks for.
func (r *Run) times() ([]time.Duration, hcl.Diagnostics) {
	out := append([]time.Duration{0}, r.rounds...)
	for _, m := range r.mocks {
		for _, s := range m.steps {
			out = append(out, s.at)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > maxRounds {
		return nil, hcl.Diagnostics{failure(r.Range, "Too many rounds",
			"The steps of the mocks and rounds make %d rounds, and one run goes through at most %d. Name the times that matter.", len(out), maxRounds)}
	}
	return out, nil
}

// world returns the world of a state key, made where this is its first run.
func (t *session) world(key string, s *stage, scope *hcl.EvalContext) (*world, hcl.Diagnostics) {
	if w := t.worlds[key]; w != nil {
		return w, nil
	}
	begin := Epoch
	if t.file.start != nil {
		v, diags := evaluate(t.file.start, scope)
		if diags.HasErrors() {
			return nil, diags
		}
		v, _ = v.Unmark()
		var err error
		if known(v, cty.String) {
			begin, err = time.Parse(time.RFC3339, v.AsString())
		}
		if err != nil || !known(v, cty.String) || begin.Year() < 1 || begin.Year() > 9900 {
			return nil, hcl.Diagnostics{failure(t.file.start.Range(), "Invalid time", "start is a time such as \"2026-03-01T08:00:00Z\".")}
		}
	}
	w := newWorld(begin)
	t.worlds[key] = w
	return w, w.place(t.file.files, s, scope)
}

// mocks evaluates the mocks that count for a run: its own, and those of the file that it does
// not replace. Steps of the file count from the beginning of the clock.
func (t *session) mocks(w *world, r *Run, scope *hcl.EvalContext, begin time.Time) hcl.Diagnostics {
	all := map[address.Address]*timeline{}
	var diags hcl.Diagnostics
	for _, m := range r.mocks {
		line, more := m.evaluate(scope, begin)
		diags, all[m.address] = append(diags, more...), line
	}
	for _, m := range t.file.mocks {
		if all[m.address] == nil {
			line, more := m.evaluate(scope, w.begin)
			diags, all[m.address] = append(diags, more...), line
		}
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.mocks = all
	return diags
}

// place puts the given files into the world, or takes them away.
func (w *world) place(files []*given, s *stage, scope *hcl.EvalContext) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, g := range files {
		path := filepath.FromSlash(g.path)
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.shown, path)
		}
		path = filepath.Clean(path)
		e, absent, more := g.evaluate(scope)
		diags = append(diags, more...)
		if absent {
			w.remove(resolve(path))
		} else {
			e.name = s.name(path)
			w.write(resolve(path), e)
		}
	}
	return diags
}

func (g *given) evaluate(scope *hcl.EvalContext) (e entry, absent bool, diags hcl.Diagnostics) {
	e.mode = 0o644
	value := func(expr hcl.Expression, ty cty.Type, what string) (cty.Value, bool) {
		if expr == nil {
			return cty.NilVal, false
		}
		v, more := evaluate(expr, scope)
		diags = append(diags, more...)
		if more.HasErrors() {
			return v, false
		}
		e.sensitive = e.sensitive || mark.Has(v)
		v, _ = v.Unmark()
		if !known(v, ty) {
			diags = append(diags, failure(expr.Range(), "Unsuitable value", "This is %s.", what))
			return v, false
		}
		return v, true
	}
	if v, ok := value(g.absent, cty.Bool, "true or false"); ok {
		absent = v.True()
		if !absent {
			diags = append(diags, failure(g.absent.Range(), "Missing content", "A file that is not absent has content."))
		}
	}
	if v, ok := value(g.content, cty.String, "a text"); ok {
		e.data = []byte(v.AsString())
	}
	if v, ok := value(g.mode, cty.String, "an octal text such as \"0640\""); ok {
		bits, err := strconv.ParseUint(v.AsString(), 8, 32)
		if err != nil || bits > 0o777 {
			diags = append(diags, failure(g.mode.Range(), "Unsuitable value", "%q is no octal text such as \"0640\".", v.AsString()))
		}
		e.mode = fs.FileMode(bits)
	}
	return e, absent, diags
}

// send puts values where sources find them that are sent to, and reports whether there was any.
func (w *world) send(ctx context.Context, e *engine.Engine, s *stage) (any bool, diags hcl.Diagnostics) {
	for _, a := range slices.SortedFunc(maps.Keys(s.sentTo), address.Address.Compare) {
		name, line := s.sentTo[a], w.mocked(a)
		if line == nil {
			continue
		}
		m, _ := line.at(w.now)
		if w.sent[a] == m {
			continue
		}
		w.sent[a], any = m, true
		rng := line.mock.rng
		switch {
		case m.err != "":
			diags = append(diags, failure(rng, "Cannot fail", "%s is sent its value (%s), so there is no look that could fail. Without a mock it waits for the first push.", a, name))
			continue
		case !json.Valid(m.data):
			diags = append(diags, failure(rng, "Invalid JSON", "%s is sent JSON, and this text is none.", a))
			continue
		}
		if err := e.Deposit(ctx, a, m.data); err != nil {
			diags = append(diags, failure(rng, "Cannot send the value", "%s", sentence(err.Error())))
		}
	}
	return any, diags
}

// round plans, and applies where it is to. Of instances that follow data only a plan tells which
// there are: what is sent to them is found by another one.
func (s *stage) round(ctx context.Context, e *engine.Engine, w *world, apply bool) (*round, hcl.Diagnostics) {
	p, diags := e.Plan(ctx, engine.PlanOptions{})
	for range maxDepth {
		sent, wrong := w.send(ctx, e, s)
		if wrong.HasErrors() {
			return nil, wrong
		}
		if !sent {
			break
		}
		p, diags = e.Plan(ctx, engine.PlanOptions{})
	}
	out := &round{plan: p, said: diags}
	out.values = map[string]cty.Value{
		"plan": s.planValue(p, diags), "time": stamp(w.now), "apply": nothing,
	}
	if apply && ctx.Err() == nil {
		result, more := e.Apply(ctx, p)
		out.applied, out.said = true, append(slices.Clip(diags), more...)
		out.values["apply"] = w.applyValue(result, more)
	}
	return out, nil
}

// maxDepth bounds how deep instances that follow data stand in each other.
const maxDepth = 32

// refused complains of what would have asked somebody.
func (w *world) refused(r *Run) hcl.Diagnostics {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var diags hcl.Diagnostics
	for _, a := range slices.SortedFunc(maps.Keys(w.strangers), address.Address.Compare) {
		s := w.strangers[a]
		diags = append(diags, failure(r.Range, fmt.Sprintf("%s is not mocked", kindWord(a)),
			"%s (%s) would be %s, and a test reaches nothing outside of the module's directory. Add mock %q { %s } to this run or to the file.",
			a, s.who, s.what, a.String(), examples[a.Type]))
	}
	return diags
}

func kindWord(a address.Address) string {
	if a.Type == address.Rule {
		return "Rule"
	}
	return "Source"
}

// scope is what the assertions of a run see.
func (t *session) scope(p *program, w *world, rounds []*round) *hcl.EvalContext {
	ctx := p.engine.SettingsContext().NewChild()
	list := make([]cty.Value, len(rounds))
	for i, one := range rounds {
		list[i] = cty.ObjectVal(one.values)
	}
	last := rounds[len(rounds)-1]
	ctx.Variables = map[string]cty.Value{
		"plan": last.values["plan"], "apply": last.values["apply"], "rounds": cty.TupleVal(list),
		"files": w.filesValue(), "output": outputsOf(last.plan), "run": cty.ObjectVal(t.results),
	}
	return ctx
}
