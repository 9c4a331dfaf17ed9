package view

import (
	"slices"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// item is one entry of a plan that something is to be said of: a source, a sink, or a source
// that is forgotten.
type item struct {
	sign, name, words string
	source            *plan.SourceChange
	sink              *plan.SinkChange
}

// ranks order items by how much a reviewer has to know of them: what went wrong, then what is
// lost, changed, added and left as somebody else made it, then what it comes from, then what
// does not happen now.
var ranks = []string{
	attention, plan.Delete.Mark(), plan.Update.Mark(), plan.Create.Mark(), alone, plan.Read.Mark(), waiting,
	plan.Forget.Mark(), plan.Adopt.Mark(), moved, plan.NoOp.Mark(),
}

// alone stands for drift that is only warned about, whose sign is that of what went wrong.
const alone = "drift"

// items returns the entries of a plan, the most important first, else in the plan's order.
func items(p *plan.Plan) []item {
	var out []item
	for _, c := range listedSinks(p) {
		out = append(out, item{sign: sinkMark(c), name: c.Address.String(), words: sinkWords(c), sink: c})
	}
	for _, c := range listedSources(p) {
		out = append(out, item{sign: sourceMark(c), name: c.Address.String(), words: sourceWords(c), source: c})
	}
	for _, a := range p.ForgetSources {
		out = append(out, forgotten(p, a))
	}
	for _, m := range p.Moves {
		out = append(out, item{sign: moved, name: m.To.String(), words: "has moved from " + m.From.String()})
	}
	slices.SortStableFunc(out, func(a, b item) int { return a.rank() - b.rank() })
	return out
}

func (it item) rank() int {
	if it.sign == attention && !it.wrong() {
		return slices.Index(ranks, alone)
	}
	return slices.Index(ranks, it.sign)
}

// warnings counts what rules that only warn found.
func (it item) warnings() int {
	one := &plan.Plan{}
	if it.source != nil {
		one.Sources = []*plan.SourceChange{it.source}
	}
	if it.sink != nil {
		one.Sinks = []*plan.SinkChange{it.sink}
	}
	return one.Warnings()
}

// wrong reports whether the item failed or was refused.
func (it item) wrong() bool {
	return it.sign == attention && (it.sink == nil || it.sink.Wait != nil)
}

// grave reports whether nobody may overlook the item.
func (it item) grave() bool { return it.wrong() || it.sign == plan.Delete.Mark() }

// movedWords says that something has another name and is the same.
func movedWords(m plan.Move) string {
	return m.From.String() + " has moved to " + m.To.String()
}

func forgotten(p *plan.Plan, a address.Address) item {
	words := "is no longer declared; what was accepted is forgotten"
	if p.Destroy {
		words = "will be forgotten"
	}
	return item{sign: plan.Forget.Mark(), name: a.String(), words: words}
}
