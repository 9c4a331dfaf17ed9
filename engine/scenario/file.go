package scenario

import (
	"fmt"
	"math/big"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/typo"
)

// File is one file of tests. Its runs share one world, in their order: what one has applied,
// the next one finds.
type File struct {
	Name string // relative to the directory of the configuration
	Path string // as it is opened
	Runs []*Run

	setting
	start   hcl.Expression // when the clock of its worlds begins; nil for Epoch
	content *hcl.File      // for snippets
	// refersToRuns says that some expression looks at what another run brought.
	refersToRuns bool
}

// Run is one run block.
type Run struct {
	Name  string
	Range hcl.Range // of its header

	setting
	apply    bool
	stateKey string
	after    time.Duration   // how far the clock is moved on before it begins
	rounds   []time.Duration // further rounds, since its beginning
	asserts  []*assert
	expects  []expected // what is to fail
	strict   bool       // nothing else may: expect_failures is given
}

// setting is what a file and a run may both say; the run wins.
type setting struct {
	variables   hcl.Attributes
	environment hcl.Expression
	mocks       []*mock
	files       []*given
}

// given is a file that is there before a run, or is not.
type given struct {
	path                  string
	rng                   hcl.Range
	content, mode, absent hcl.Expression
}

// assert is one condition with its message.
type assert struct {
	condition, message hcl.Expression
	rng                hcl.Range
}

// expected is something that is to fail.
type expected struct {
	address address.Address
	rng     hcl.Range
}

// Epoch is when the clock of a test begins, unless its file says otherwise: a Thursday at noon.
var Epoch = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

const (
	// maxRounds bounds the plans of one run.
	maxRounds = 1000
	// maxSpan bounds how far a clock is moved.
	maxSpan = 10 * 365 * 24 * time.Hour
)

var settingBlocks = []hcl.BlockHeaderSchema{
	{Type: "variables"},
	{Type: "mock", LabelNames: []string{"address"}},
	{Type: "file", LabelNames: []string{"path"}},
}

var fileSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "environment"}, {Name: "start"}},
	Blocks:     append([]hcl.BlockHeaderSchema{{Type: "run", LabelNames: []string{"name"}}}, settingBlocks...),
}

var runSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "command"}, {Name: "environment"}, {Name: "state_key"}, {Name: "after"}, {Name: "rounds"}, {Name: "expect_failures"},
	},
	Blocks: append([]hcl.BlockHeaderSchema{{Type: "assert"}}, settingBlocks...),
}

// read parses one file of tests and holds it against the configuration that it is about.
func read(path, name string, spec *hclspec.Spec) (*File, hcl.Diagnostics) {
	f := &File{Name: name, Path: path}
	body, content, diags := hclspec.ReadTestFile(path)
	f.content = content
	if body == nil {
		return f, diags
	}
	r := &reader{spec: spec, diags: diags}
	r.file(f, body)
	f.refersToRuns = r.refersToRuns
	return f, r.diags
}

// reader gathers what is wrong with a file.
type reader struct {
	spec         *hclspec.Spec
	diags        hcl.Diagnostics
	refersToRuns bool
	// refersToApply says that of the run that is being read.
	refersToApply bool
}

func (r *reader) fail(rng hcl.Range, summary, detail string, args ...any) {
	r.diags = append(r.diags, failure(rng, summary, detail, args...))
}

func failure(rng hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &rng}
}

func (r *reader) content(body hcl.Body, schema *hcl.BodySchema) *hcl.BodyContent {
	c, diags := typo.Content(body, schema)
	r.diags = append(r.diags, diags...)
	return c
}

func (r *reader) file(f *File, body hcl.Body) {
	c := r.content(body, fileSchema)
	f.setting = r.setting(c)
	if a := c.Attributes["start"]; a != nil {
		f.start = a.Expr
	}
	names := map[string]hcl.Range{}
	for _, b := range c.Blocks.OfType("run") {
		run := r.run(b)
		if first, twice := names[run.Name]; twice {
			r.fail(run.Range, "Duplicate run", "A run %q was declared at %s already. Give each a name of its own, so that reports can tell them apart.", run.Name, first)
			continue
		}
		names[run.Name] = run.Range
		f.Runs = append(f.Runs, run)
	}
}

func (r *reader) setting(c *hcl.BodyContent) setting {
	s := setting{variables: hcl.Attributes{}}
	if a := c.Attributes["environment"]; a != nil {
		s.environment = a.Expr
	}
	mocked, there := map[address.Address]bool{}, map[string]bool{}
	for _, b := range c.Blocks {
		switch b.Type {
		case "variables":
			r.variables(&s, b)
		case "mock":
			m := r.mock(b)
			if m == nil {
				continue
			}
			if mocked[m.address] {
				r.fail(b.DefRange, "Duplicate mock", "%s is mocked twice here. What changes over time goes into step blocks of one mock.", m.address)
				continue
			}
			mocked[m.address] = true
			s.mocks = append(s.mocks, m)
		case "file":
			g := r.given(b)
			if there[g.path] {
				r.fail(b.DefRange, "Duplicate file", "The file %s is given twice here.", g.path)
				continue
			}
			there[g.path] = true
			s.files = append(s.files, g)
		}
	}
	return s
}

func (r *reader) variables(s *setting, b *hcl.Block) {
	attrs, diags := b.Body.JustAttributes()
	r.diags = append(r.diags, diags...)
	for name, a := range attrs {
		ref := &hclspec.Reference{Target: address.Of(address.Variable, "", name), Range: a.NameRange}
		if d := r.spec.Resolve(ref); d != nil {
			r.diags = append(r.diags, d)
			continue
		}
		if s.variables[name] != nil {
			r.fail(a.NameRange, "Duplicate variable", "var.%s was given a value already in this place.", name)
			continue
		}
		r.names(a.Expr, variableNames)
		s.variables[name] = a
	}
}

func (r *reader) given(b *hcl.Block) *given {
	c := r.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "content"}, {Name: "mode"}, {Name: "absent"}}})
	g := &given{path: b.Labels[0], rng: b.DefRange}
	for name, a := range c.Attributes {
		switch name {
		case "content":
			g.content = a.Expr
		case "mode":
			g.mode = a.Expr
		case "absent":
			g.absent = a.Expr
		}
	}
	switch {
	case g.path == "":
		r.fail(b.LabelRanges[0], "Invalid path", "A file needs a path, as a sink or source names it.")
	case g.absent == nil && g.content == nil:
		r.fail(b.DefRange, "Missing content", "Say what the file holds with content = \"...\", or that it is not there with absent = true.")
	case g.absent != nil && (g.content != nil || g.mode != nil):
		r.fail(b.DefRange, "Conflicting arguments", "A file that is absent has neither content nor mode.")
	}
	return g
}

func (r *reader) run(b *hcl.Block) *Run {
	run := &Run{Name: b.Labels[0], Range: b.DefRange}
	if run.Name == "" {
		r.fail(b.LabelRanges[0], "Missing name", "A run needs a name, which reports show: run \"NAME\" { ... }.")
	}
	c := r.content(b.Body, runSchema)
	run.setting = r.setting(c)
	for name, a := range c.Attributes {
		switch name {
		case "command":
			run.apply = r.command(a.Expr)
		case "state_key":
			run.stateKey = r.text(a.Expr)
		case "after":
			run.after = r.duration(a.Expr)
		case "rounds":
			run.rounds = r.durations(a.Expr)
		case "expect_failures":
			run.expects, run.strict = r.expectations(a.Expr), true
		}
	}
	r.refersToApply = false
	for _, inner := range c.Blocks.OfType("assert") {
		if a := r.assert(inner); a != nil {
			run.asserts = append(run.asserts, a)
		}
	}
	if c.Attributes["command"] == nil {
		// Whoever asks what apply did means that it is to be done.
		run.apply = r.refersToApply
	}
	return run
}

// command reads plan or apply, bare as in Terraform or quoted.
func (r *reader) command(expr hcl.Expression) (apply bool) {
	word := hcl.ExprAsKeyword(expr)
	if word == "" {
		if v, diags := expr.Value(nil); !diags.HasErrors() && known(v, cty.String) {
			word = v.AsString()
		}
	}
	if word != "plan" && word != "apply" {
		r.fail(expr.Range(), "Invalid command", "The command of a run is plan or apply.")
	}
	return word == "apply"
}

// known reports whether a value is there, known, unmarked and of the type.
func known(v cty.Value, ty cty.Type) bool {
	return v != cty.NilVal && !v.IsMarked() && v.IsKnown() && !v.IsNull() && v.Type() == ty
}

// constant evaluates what must not depend on anything: it is read before any run.
func (r *reader) constant(expr hcl.Expression) cty.Value {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return cty.NilVal
	}
	return v
}

func (r *reader) text(expr hcl.Expression) string {
	v := r.constant(expr)
	if v == cty.NilVal {
		return ""
	}
	if !known(v, cty.String) {
		r.fail(expr.Range(), "Invalid text", "A text in quotes is needed here.")
		return ""
	}
	return v.AsString()
}

func (r *reader) duration(expr hcl.Expression) time.Duration {
	v := r.constant(expr)
	if v == cty.NilVal {
		return 0
	}
	return r.asDuration(v, expr.Range())
}

func (r *reader) asDuration(v cty.Value, rng hcl.Range) time.Duration {
	if !known(v, cty.String) {
		r.fail(rng, "Invalid duration", "A duration is a text such as \"10s\" or \"1h30m\".")
		return 0
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil || d < 0 || d > maxSpan {
		r.fail(rng, "Invalid duration", "%q is no duration from \"0s\" to ten years: write a number with a unit, as in \"500ms\", \"10s\" or \"1h30m\".", v.AsString())
		return 0
	}
	return d
}

func (r *reader) durations(expr hcl.Expression) []time.Duration {
	v := r.constant(expr)
	if v == cty.NilVal {
		return nil
	}
	if v.IsMarked() || v.IsNull() || !v.IsKnown() || !v.Type().IsTupleType() {
		r.fail(expr.Range(), "Invalid rounds", "rounds is a list of durations since the beginning of the run, such as [\"30s\", \"1m\"].")
		return nil
	}
	if n := v.LengthInt(); n > maxRounds {
		r.fail(expr.Range(), "Too many rounds", "One run goes through at most %d rounds, and this lists %d. Each plans once: name the times that matter.", maxRounds, n)
		return nil
	}
	var out []time.Duration
	for _, e := range v.AsValueSlice() {
		out = append(out, r.asDuration(e, expr.Range()))
	}
	return out
}

func (r *reader) assert(b *hcl.Block) *assert {
	c := r.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "condition", Required: true}, {Name: "error_message", Required: true},
	}})
	condition, message := c.Attributes["condition"], c.Attributes["error_message"]
	if condition == nil || message == nil {
		return nil
	}
	r.names(condition.Expr, assertNames)
	r.names(message.Expr, assertNames)
	return &assert{condition: condition.Expr, message: message.Expr, rng: b.DefRange}
}

// expectations reads addresses as they are written, without a look at any value.
func (r *reader) expectations(expr hcl.Expression) []expected {
	list, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		r.fail(expr.Range(), "Not a list of addresses", "expect_failures lists what is to fail, such as [source.http.app, rule.assert.sane].")
		return nil
	}
	var out []expected
	for _, e := range list {
		if a, ok := r.address(e); ok {
			out = append(out, expected{a, e.Range()})
		}
	}
	return out
}

func (r *reader) address(expr hcl.Expression) (address.Address, bool) {
	text := written(expr)
	a, err := address.Parse(text)
	if text == "" || err != nil {
		r.fail(expr.Range(), "Not an address", "Write the address of a block as it is, such as source.http.app, var.port or output.url.")
		return a, false
	}
	if d := r.undeclared(a, expr.Range()); d != nil {
		r.diags = append(r.diags, d)
		return a, false
	}
	switch a.Type {
	case address.Variable, address.Source, address.Rule, address.Sink, address.Output:
		return a, true
	}
	r.fail(expr.Range(), "Cannot fail", "%s has nothing that could fail. What can be expected to are variables, sources, rules, sinks and outputs.", a)
	return a, false
}

// written returns an address as it stands in an expression, "" if none does.
func written(expr hcl.Expression) string {
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		// In JSON it is a text.
		if v, more := expr.Value(nil); !more.HasErrors() && known(v, cty.String) {
			return v.AsString()
		}
		return ""
	}
	text := ""
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			text = s.Name
		case hcl.TraverseAttr:
			text += "." + s.Name
		case hcl.TraverseIndex:
			key, ok := keyOf(s.Key)
			if !ok {
				return ""
			}
			text += key.String()
		default:
			return ""
		}
	}
	return text
}

// keyOf is the key of an instance as it is written in an expression.
func keyOf(v cty.Value) (address.Key, bool) {
	switch {
	case known(v, cty.String):
		return address.StringKey(v.AsString()), true
	case known(v, cty.Number):
		n, accuracy := v.AsBigFloat().Int64()
		return address.IntKey(int(n)), accuracy == big.Exact && n >= 0
	}
	return address.NoKey, false
}

// shown returns a path relative to a directory, where it is below it.
func shown(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return filepath.ToSlash(rel)
}
