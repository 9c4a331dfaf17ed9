package view

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/graph"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

func TestGraphDot(t *testing.T) {
	g := graph.New(address.Address.Compare)
	keyed := sink("file", "b")
	keyed.Key = address.StringKey("a\"]; x -> \\n")
	g.Connect(keyed, source("http", "app"))
	g.Connect(sink("exec", "reload"), keyed)
	g.Add(source("static", "alone"))
	var b bytes.Buffer
	if err := GraphDot(&b, Graph{Graph: g}); err != nil {
		t.Fatal(err)
	}
	golden(t, "graph.dot", b.Bytes())
}

func TestHistory(t *testing.T) {
	entries := []state.Entry{
		{ID: 2, Address: sink("file", "app"), Time: day, Action: "update", Revision: 2, Cause: `source.http.app at "v2"`, Size: 12345, Hash: "hmac-sha256:0123456789abcdef0123", Delivery: "dlv_2"},
		{ID: 1, Address: source("http", "app"), Time: day, Action: "fail", Error: "status 503, not sha256:" + strings.Repeat("0123456789abcdef", 4)},
	}
	var b bytes.Buffer
	if err := History(&b, entries, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "history.txt", b.Bytes())
	b.Reset()
	if err := HistoryJSON(&b, entries); err != nil {
		t.Fatal(err)
	}
	golden(t, "history.json", b.Bytes())
	b.Reset()
	if err := HistoryJSON(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("no history is %q, %v", b.String(), err)
	}
}

func TestState(t *testing.T) {
	var b bytes.Buffer
	if err := StateText(&b, sampleLedger(), Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	golden(t, "state.txt", b.Bytes())
	b.Reset()
	if err := StateJSON(&b, sampleLedger()); err != nil {
		t.Fatal(err)
	}
	golden(t, "state.json", b.Bytes())
	var s tfjson.State
	if err := json.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Values.RootModule.Resources) != 2 {
		t.Errorf("%+v", s.Values.RootModule)
	}
}

// What Value writes is an expression that means the same.
func TestValueIsAnExpression(t *testing.T) {
	for _, v := range []cty.Value{
		cty.StringVal("a\"${b}%{c}\\n\t"), cty.StringVal("two\nlines\n"), cty.StringVal("two\nlines"), cty.NumberFloatVal(1.5),
		cty.MustParseNumberVal("123456789012345678901234567890.123456789"), cty.True, cty.NullVal(cty.DynamicPseudoType),
		cty.EmptyObjectVal, cty.EmptyTupleVal,
		object("a", cty.TupleVal([]cty.Value{cty.Zero, cty.StringVal("x\ny\n")}), "b c", object("d", 1)),
	} {
		text := Value(v)
		expr, diags := hclsyntax.ParseExpression([]byte(text+"\n"), "v", hcl.InitialPos)
		if diags.HasErrors() {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		if got, diags := expr.Value(nil); diags.HasErrors() || !got.RawEquals(v) {
			t.Errorf("%s is %#v, want %#v", text, got, v)
		}
	}
}

func TestHugeNumbersStayShort(t *testing.T) {
	f, _, err := big.ParseFloat("1e1000000", 10, 512, big.ToNearestEven)
	if err != nil {
		t.Fatal(err)
	}
	v := cty.NumberVal(f)
	if n := len(Value(v)) + len(inline(v)); n > 100 {
		t.Errorf("%d characters", n)
	}
	if data, err := ValueJSON(v); err != nil || !json.Valid(data) || len(data) > 50 {
		t.Errorf("%s, %v", data, err)
	}
}

func TestLongLinesAreCutAroundTheChange(t *testing.T) {
	long := strings.Repeat("x", 5000)
	var b bytes.Buffer
	p := newPage(&b, Style{})
	l := diff.LineDiff([]byte(long+"OLD"+long+"\n"), []byte(long+"NEW"+long+"\n"), 3)
	p.diffLines(0, &l)
	if err := p.done(); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if !strings.Contains(got, "OLD") || !strings.Contains(got, "NEW") || len(got) > 1200 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestCutAndWrap(t *testing.T) {
	if got := cut("日本語日本語", 8); got != "日本..." || columns(got) > 8 {
		t.Errorf("cut: %q", got)
	}
	for n := range 10 {
		if got := cut("日本語日本語", n); n > 0 && columns(got) > n {
			t.Errorf("cut to %d: %q", n, got)
		}
	}
	if got := strings.Join(wrap("  - one two three", 11), "|"); got != "  - one two|    three" {
		t.Errorf("an item of a list is broken as %q", got)
	}
	if got := strings.Join(wrap("one two three", 7), "|"); got != "one two|three" {
		t.Errorf("wrap: %q", got)
	}
}
