package engine

import (
	"fmt"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// expansionValues are the values of for_each and count that a daemon evaluated last. All instances
// of a block are made of one value, and they are rendered one by one: without this the cost of
// one change would be that of all keys for each key. It is safe for concurrent use.
type expansionValues struct {
	mutex sync.Mutex
	last  map[address.Address]expansionValue
}

type expansionValue struct {
	madeOf string
	value  cty.Value
}

// get returns the value of an expansion that was made of the same.
func (e *expansionValues) get(n *node, madeOf string) (cty.Value, bool) {
	if madeOf == "" {
		return cty.NilVal, false
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	last, ok := e.last[n.addr]
	return last.value, ok && last.madeOf == madeOf
}

func (e *expansionValues) put(n *node, madeOf string, v cty.Value) {
	if madeOf == "" || !v.IsKnown() {
		return // why it is not known is to be found out each time
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.last == nil {
		e.last = map[address.Address]expansionValue{}
	}
	e.last[n.addr] = expansionValue{madeOf, v}
}

// madeOf identifies the data that an expansion is made of, "" where that is not a matter of
// accepted values alone: it may be made of what sinks hold, or of files that data name.
func (s *scene) madeOf(n *node) string {
	if len(n.sinks) > 0 {
		return ""
	}
	var out strings.Builder
	for _, a := range n.sources {
		current := s.ledger.Sources[a].Current()
		if s.choices[a].Standing != plan.Accepted || current == nil {
			return ""
		}
		fmt.Fprintf(&out, "%s %s %s %t %q %d\n", a, current.Blob, current.Format, current.Sensitive, current.Version, current.AcceptedAt.UnixNano())
	}
	if !s.prog.readsNothing(n, map[*node]bool{}) {
		return ""
	}
	return out.String()
}

// readsNothing reports whether no functions that look at files take part in a value.
func (p *program) readsNothing(n *node, seen map[*node]bool) bool {
	if seen[n] || n.addr.Type == address.Source || n.constant != cty.NilVal {
		return true
	}
	seen[n] = true
	if n.files != nil {
		return false
	}
	for _, place := range p.graph.DependsOn(n.place) {
		if !p.readsNothing(p.sorted[place], seen) {
			return false
		}
	}
	return true
}
