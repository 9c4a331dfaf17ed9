package scenario

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
)

// mock says what a block meets in place of the world: a source what it brings, a rule that
// would ask somebody what that one finds, a sink that its deliveries fail.
type mock struct {
	address address.Address
	rng     hcl.Range
	steps   []*step // by time, the first at 0 where the mock itself says something
}

// step is what a mock says from some time on.
type step struct {
	at    time.Duration
	rng   hcl.Range
	attrs map[string]hcl.Expression
}

// mockable are the arguments of a mock, by what is mocked.
var mockable = map[address.Type][]string{
	address.Source: {"value", "text", "error", "version", "content_type"},
	address.Rule:   {"findings", "error"},
	address.Sink:   {"error"},
}

func (r *reader) mock(b *hcl.Block) *mock {
	m := &mock{rng: b.DefRange}
	label := b.LabelRanges[0]
	a, err := address.Parse(b.Labels[0])
	if err != nil {
		r.fail(label, "Not an address", "%q is no address of a block, such as source.http.app: %s.", b.Labels[0], err)
		return nil
	}
	m.address = a
	names, ok := mockable[a.Type]
	if !ok {
		r.fail(label, "Cannot be mocked", "%s meets nothing outside. Sources, rules and sinks can be mocked; a variable gets its value in a variables block.", a)
		return nil
	}
	if d := r.undeclared(a, label); d != nil {
		r.diags = append(r.diags, d)
		return nil
	}
	if a.Type == address.Rule && computes[a.Kind] {
		r.fail(label, "Cannot be mocked", "A rule %q asks nobody: it judges in a test as it does in production.", a.Kind)
		return nil
	}
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "step"}}}
	inner := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "at", Required: true}}}
	for _, name := range names {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
		inner.Attributes = append(inner.Attributes, hcl.AttributeSchema{Name: name})
	}
	c := r.content(b.Body, schema)
	if len(c.Attributes) > 0 {
		m.steps = append(m.steps, r.step(m, b.DefRange, c.Attributes, nil))
	}
	for _, s := range c.Blocks {
		var before *step
		if n := len(m.steps); n > 0 {
			before = m.steps[n-1]
		}
		if next := r.step(m, s.DefRange, r.content(s.Body, inner).Attributes, before); next != nil {
			m.steps = append(m.steps, next)
		}
	}
	if len(m.steps) == 0 || m.steps[0].at > 0 {
		r.fail(b.DefRange, "Mock says nothing", "Say what %s meets from the beginning: %s, or a step at \"0s\".", a, examples[a.Type])
		return nil
	}
	return m
}

var examples = map[address.Type]string{
	address.Source: "value = {...}, text = \"...\" or error = \"...\"",
	address.Rule:   "findings = [...] or error = \"...\"",
	address.Sink:   "error = \"...\"",
}

func (r *reader) step(m *mock, rng hcl.Range, attrs hcl.Attributes, before *step) *step {
	s := &step{rng: rng, attrs: map[string]hcl.Expression{}}
	for name, a := range attrs {
		if name == "at" {
			s.at = r.duration(a.Expr)
			continue
		}
		s.attrs[name] = a.Expr
		r.names(a.Expr, mockNames)
	}
	if before != nil && s.at <= before.at && attrs["at"] != nil {
		r.fail(attrs["at"].Expr.Range(), "Steps out of order", "This step is at %s, and the one before it at %s. Each comes after the one before; both count from the beginning of the run.", s.at, before.at)
	}
	said := 0
	for _, name := range []string{"value", "text", "error", "findings"} {
		if s.attrs[name] != nil {
			said++
		}
	}
	switch {
	case said > 1:
		r.fail(rng, "Conflicting arguments", "Of %s only one can be.", examples[m.address.Type])
	case said == 0 && (before == nil || s.attrs["version"] == nil):
		r.fail(rng, "Mock says nothing", "Give %s.", examples[m.address.Type])
	case said == 0: // another version of what it brought before
		for _, name := range []string{"value", "text", "error", "content_type"} {
			if before.attrs[name] != nil && s.attrs[name] == nil {
				s.attrs[name] = before.attrs[name]
			}
		}
	}
	return s
}

// met is a step, evaluated.
type met struct {
	at        time.Duration
	err       string // of a look, a rule or a delivery
	value     cty.Value
	data      []byte
	version   string
	mime      string
	sensitive bool
	asText    bool     // data is the text as it is, not the JSON of a value
	findings  []string // of a rule
}

// timeline is a mock, evaluated, counted from a time.
type timeline struct {
	mock  *mock
	since time.Time
	steps []*met
}

// at returns what is met at a time, and which step that is.
func (t *timeline) at(now time.Time) (*met, int) {
	found := 0
	for i, s := range t.steps {
		if !t.since.Add(s.at).After(now) {
			found = i
		}
	}
	return t.steps[found], found
}

func (m *mock) evaluate(ctx *hcl.EvalContext, since time.Time) (*timeline, hcl.Diagnostics) {
	out := &timeline{mock: m, since: since}
	var diags hcl.Diagnostics
	for _, s := range m.steps {
		e, more := s.evaluate(ctx)
		diags = append(diags, more...)
		out.steps = append(out.steps, e)
	}
	return out, diags
}

func (s *step) evaluate(ctx *hcl.EvalContext) (*met, hcl.Diagnostics) {
	out := &met{at: s.at}
	var diags hcl.Diagnostics
	text := func(name string) (string, bool) {
		expr := s.attrs[name]
		if expr == nil {
			return "", false
		}
		v, more := evaluate(expr, ctx)
		diags = append(diags, more...)
		if more.HasErrors() || v.IsNull() {
			return "", false
		}
		out.sensitive = out.sensitive || mark.Has(v)
		v, _ = v.UnmarkDeep()
		if !known(v, cty.String) {
			diags = append(diags, failure(expr.Range(), "Invalid text", "%s is a text.", name))
			return "", false
		}
		return v.AsString(), true
	}
	if t, ok := text("error"); ok {
		if out.err = t; t == "" {
			diags = append(diags, failure(s.attrs["error"].Range(), "Empty error", "An error says what is wrong; null is none."))
		}
	}
	out.version, _ = text("version")
	out.mime, _ = text("content_type")
	if t, ok := text("text"); ok {
		out.data, out.asText = []byte(t), true
	}
	diags = append(diags, s.evaluateValue(ctx, out)...)
	diags = append(diags, s.evaluateFindings(ctx, out)...)
	return out, diags
}

func (s *step) evaluateValue(ctx *hcl.EvalContext, out *met) hcl.Diagnostics {
	expr := s.attrs["value"]
	if expr == nil {
		return nil
	}
	v, diags := evaluate(expr, ctx)
	if diags.HasErrors() {
		return diags
	}
	out.sensitive = out.sensitive || mark.Has(v)
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return append(diags, failure(expr.Range(), "Unknown value", "The value of a mock must be known."))
	}
	data, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return append(diags, failure(expr.Range(), "Invalid value", "The value cannot be written as JSON: %s.", err))
	}
	out.value, out.data = v, data
	return diags
}

func (s *step) evaluateFindings(ctx *hcl.EvalContext, out *met) hcl.Diagnostics {
	expr := s.attrs["findings"]
	if expr == nil {
		return nil
	}
	v, diags := evaluate(expr, ctx)
	if diags.HasErrors() {
		return diags
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		return append(diags, failure(expr.Range(), "Invalid findings", "findings is a list of texts; an empty one accepts."))
	}
	for _, e := range v.AsValueSlice() {
		if !known(e, cty.String) {
			return append(diags, failure(expr.Range(), "Invalid findings", "findings is a list of texts; an empty one accepts."))
		}
		out.findings = append(out.findings, e.AsString())
	}
	return diags
}

// raw returns the bytes that a source brings, and the decoder where the mock decides it: a
// value is JSON whatever the source decodes, but for a text where the source takes texts.
func (m *met) raw(given cty.Value, location string) (data []byte, format string) {
	if m.asText {
		return m.data, ""
	}
	if known(m.value, cty.String) {
		explicit := ""
		if given.Type().HasAttribute("decode") {
			if d, _ := given.GetAttr("decode").Unmark(); known(d, cty.String) {
				explicit = d.AsString()
			}
		}
		if f, err := decode.Choose(explicit, location, m.mime); err == nil && f == decode.Text {
			return []byte(m.value.AsString()), string(decode.Text)
		}
	}
	return m.data, string(decode.JSON)
}

// mockFailure is what a source, rule or sink answers that is mocked to fail.
type mockFailure string

func (e mockFailure) Error() string { return string(e) }
