package view

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/engine/graph"
	"tidegate/engine/plan"
	"tidegate/engine/scenario"
	"tidegate/hclspec/address"
)

func parse(t *testing.T, name, src string) (*hcl.File, hcl.Attributes) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(src), name, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attrs, _ := f.Body.JustAttributes()
	return f, attrs
}

// secretDiagnostics are errors of an expression over secrets, and one in a file of values.
func secretDiagnostics(t *testing.T) (hcl.Diagnostics, Sources) {
	t.Helper()
	f, attrs := parse(t, "main.hcl", "x = \"${var.token}${var.deep.token}${var.deep}${var.plain}\"\n")
	values, valueAttrs := parse(t, "prod.hclvars", "token = \""+canary+"\"\n")
	expr, other := attrs["x"].Expr, valueAttrs["token"].Expr
	rng, rng2 := expr.Range(), other.Range()
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{
		"token": secret(), "deep": object("token", secret()), "plain": cty.StringVal("shown"),
	})}}
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagWarning, Summary: "Odd value", Detail: "It does not fit.", Subject: &rng2},
		{Severity: hcl.DiagError, Summary: "Invalid template", Detail: "It is \x1b[2J wrong.", Subject: &rng, Expression: expr, EvalContext: ctx},
	}
	return diags, Sources{Files: map[string]*hcl.File{"main.hcl": f, "prod.hclvars": values}}
}

// renderings returns everything this package writes about secrets.
func renderings(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(name string, write func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = b.String()
	}
	p := fullPlan()
	diags, src := secretDiagnostics(t)
	s := Style{Width: 80}
	add("plan text", func(b *bytes.Buffer) error { return PlanText(b, p, s) })
	add("plan JSON", func(b *bytes.Buffer) error { return PlanJSON(b, p, diags, src) })
	add("plan summary", func(b *bytes.Buffer) error { return PlanBrief(b, p, s) })
	add("plan summary JSON", func(b *bytes.Buffer) error { return PlanBriefJSON(b, p, diags, src) })
	add("plan Markdown", func(b *bytes.Buffer) error { return PlanMarkdown(b, p, diags, src, MarkdownOptions{}) })
	add("plan Markdown summary", func(b *bytes.Buffer) error {
		return PlanMarkdown(b, p, diags, src, MarkdownOptions{Limit: MinCommentLimit, Brief: true})
	})
	add("diagnostics", func(b *bytes.Buffer) error { return Diagnostics(b, diags, src, s) })
	add("diagnostics JSON", func(b *bytes.Buffer) error { return DiagnosticsJSON(b, diags, src) })
	add("stream", func(b *bytes.Buffer) error {
		st := NewStream(b, func() time.Time { return day })
		st.Version("0.1.0")
		st.Plan(p)
		st.Diagnostics(diags, src)
		st.Outputs(p.Outputs)
		return nil
	})
	add("tests", func(b *bytes.Buffer) error { return writeSuite(b, suiteReport("a", diags, p), src, s) })
	d := driftOfPlan(p)
	add("drift", func(b *bytes.Buffer) error { return DriftText(b, d, false, s) })
	add("drift JSON", func(b *bytes.Buffer) error { return DriftJSON(b, d, false, diags, src) })
	g := graphOfPlan(p)
	add("graph", func(b *bytes.Buffer) error {
		return errors.Join(GraphDot(b, g), GraphSVG(b, g), GraphMermaid(b, g), GraphJSON(b, g))
	})
	add("outputs", func(b *bytes.Buffer) error { return Outputs(b, p.Outputs, s) })
	add("state", func(b *bytes.Buffer) error { return StateText(b, sampleLedger(), s) })
	add("state JSON", func(b *bytes.Buffer) error { return StateJSON(b, sampleLedger()) })
	add("value", func(b *bytes.Buffer) error {
		b.WriteString(Value(object("a", secret(), "b", cty.ListVal([]cty.Value{secret()}))))
		b.WriteString(Value(secret()) + inline(secret()))
		data, err := ValueJSON(object("a", secret(), "b", cty.MapVal(map[string]cty.Value{"x": secret()})))
		b.Write(data)
		return err
	})
	return out
}

// driftOfPlan tells of the drift in a plan, and of every other sink that it cannot be read.
func driftOfPlan(p *plan.Plan) *engine.Drift {
	d := &engine.Drift{Selection: p.Selection}
	for _, c := range p.Sinks {
		standing := engine.Unreadable
		if c.Drift != nil {
			standing = engine.Drifted
		}
		d.Sinks = append(d.Sinks, engine.SinkDrift{Standing: standing, Change: c})
	}
	return d
}

func graphOfPlan(p *plan.Plan) Graph {
	g := Graph{Graph: graph.New(address.Address.Compare), States: engine.PlanStates(p), AsOf: "a plan"}
	for a := range g.States {
		g.Add(a)
	}
	return g
}

// suiteReport is of one file with a run of each status.
func suiteReport(name string, diags hcl.Diagnostics, p *plan.Plan) *scenario.Report {
	f := &scenario.FileResult{File: &scenario.File{Name: name}, Status: scenario.Err}
	for _, s := range []scenario.Status{scenario.Pass, scenario.Fail, scenario.Err, scenario.Skip} {
		r := &scenario.RunResult{File: f.File, Run: &scenario.Run{Name: name + string(s)}, Status: s, Plan: p}
		if s == scenario.Fail || s == scenario.Err {
			r.Diagnostics = diags
		}
		f.Runs = append(f.Runs, r)
	}
	return &scenario.Report{Files: []*scenario.FileResult{f}}
}

// writeSuite writes a report in every form there is.
func writeSuite(b *bytes.Buffer, r *scenario.Report, src Sources, s Style) error {
	text, stream := NewSuiteText(b, b, s, s, src), NewStream(b, func() time.Time { return day })
	for _, f := range r.Files {
		events := []scenario.Event{scenario.FileStarted{File: f.File}}
		for _, run := range f.Runs {
			events = append(events, scenario.RunFinished{Result: run})
		}
		for _, e := range append(events, scenario.FileFinished{Result: f}) {
			text.Event(e)
			stream.TestEvent(e, src)
		}
	}
	stream.TestSummary(r)
	return errors.Join(text.Summary(r), SuiteJUnit(b, r, src))
}

func TestNoSecretIsShown(t *testing.T) {
	for name, text := range renderings(t) {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows the secret:\n%s", name, text)
		}
	}
}

// evil holds what must not reach a terminal: an escape, a C1 control, a direction override,
// invalid UTF-8, a carriage return, DEL and a zero-width space.
const evil = "a\x1b[31mb\u009bc\u202ed\xffe\rf\x7fg\u200bh"

func TestNoControlCharacterIsWritten(t *testing.T) {
	p := fullPlan()
	p.Sources[0].Identity, p.Sources[0].Version, p.Sources[0].Reason = evil, evil, evil
	p.Sources[0].Changes = plan.ValueChanges(object(evil, evil), object(evil, evil+"2", "n"+evil, 1))
	p.Sources[0].Checks[0].Findings = []string{evil}
	p.Sinks[0].Target, p.Sinks[0].Reasons = evil, []string{evil}
	p.Sinks[0].Lines = lines("x\n", strings.ReplaceAll(evil, "\xff", "")+"\n")
	p.Sinks[1].Wait = &plan.Wait{Kind: plan.BlockedBy, Reason: evil, On: evil}
	p.Outputs[0].Name = evil
	var b bytes.Buffer
	if err := PlanText(&b, p, Style{Width: 40}); err != nil {
		t.Fatal(err)
	}
	if err := PlanJSON(&b, p, nil, Sources{}); err != nil {
		t.Fatal(err)
	}
	if err := PlanMarkdown(&b, p, hcl.Diagnostics{{Summary: evil, Detail: evil}}, Sources{}, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := PlanBrief(&b, p, Style{Width: 20}); err != nil {
		t.Fatal(err)
	}
	if err := writeSuite(&b, suiteReport(evil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: evil, Detail: evil}}, nil), Sources{}, Style{Width: 30}); err != nil {
		t.Fatal(err)
	}
	a := sink("file", "x")
	for _, e := range []engine.Event{
		engine.DeliveryStarted{Address: a, Action: plan.Create, Target: evil},
		engine.DeliveryRetried{Address: a, Err: evil},
		engine.DeliveryFinished{Address: a, Err: evil},
		engine.DeliverySkipped{Address: a, Reason: evil},
		engine.LookFinished{Address: a, Problem: plan.Failed, Reason: evil},
		engine.Accepted{Address: a, Version: evil},
	} {
		NewLines(&b).Event(e)
		NewStream(&b, func() time.Time { return day }).Event(e)
	}
	if err := Diagnostics(&b, hcl.Diagnostics{{Summary: evil, Detail: evil, Subject: &hcl.Range{Filename: evil}}}, Sources{}, Style{Width: 30}); err != nil {
		t.Fatal(err)
	}
	b.WriteString(Value(object(evil, evil)) + Value(cty.StringVal("x\n"+evil+"\n")))
	for _, bad := range []string{"\x1b", "\u009b", "\u202e", "\xff", "\r", "\x7f", "\u200b"} {
		if i := strings.Index(b.String(), bad); i >= 0 {
			t.Errorf("%q is written: %q", bad, b.String()[max(0, i-40):i+10])
		}
	}
}
