package engine

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// A scene is what a worker may see of a running daemon: the part of the ledger, and of what
// is known of sources, that one node depends on. It is made by the owner of the ledger and
// shares only what is never changed. Values are made when they are needed, in the worker, of
// the accepted bytes: a daemon keeps no value of its own, so that idle sources cost little
// and everything follows from the ledger.
type scene struct {
	*observer
	cache *valueCache

	fetched *fetched          // what a glance brought, nil if nobody fetched yet
	judged  string            // what judgedBy returned before, "" if it has to be asked
	pushed  *pushedValue      // the newest value that was sent, nil if there is none or it was used
	poll    bool              // look at the origin, whatever was pushed
	flap    time.Duration     // window within which a value that goes back and forth is held
	seeds   []seed            // sinks that this one depends on
	early   bool              // one of them is not finished
	lost    bool              // the accepted bytes of this source cannot be read: they are to be had again
	unread  []address.Address // sources whose accepted bytes cannot be read
}

// seed is what a sink's decision must know of one that it depends on.
type seed struct {
	address address.Address
	wanted  plan.Action
	wait    *plan.Wait
}

// simple reports whether a source depends on nothing that moves: most of what is polled.
func (p *program) simple(n *node) bool {
	if n.static == nil || len(n.rules)+len(n.members)+len(n.sources)+len(n.sinks)+len(n.written) > 0 || n.static.hasPreconditions() {
		return false
	}
	for _, a := range n.detectors {
		if m := p.nodes[a]; m == nil || m.static == nil {
			return false
		}
	}
	return true
}

// prepare makes the values that some expressions refer to.
func (s *scene) prepare(ctx context.Context, refs []*hclspec.Reference) {
	for _, r := range refs {
		if !r.Node.IsZero() {
			s.prepareValue(ctx, r.Node)
		}
	}
}

// prepareValue makes the value of one node, and of what it is made of.
func (s *scene) prepareValue(ctx context.Context, a address.Address) {
	if _, ok := s.values[a]; ok {
		return
	}
	n := s.prog.nodes[a]
	switch {
	case n == nil:
	case a.Type == address.Source:
		s.values[a] = s.standing(ctx, n)
	case n.constant != cty.NilVal && (n.out == nil || len(n.out.Preconditions) == 0):
		s.values[a] = n.constant
	case a.Type == address.Expansion:
		key := s.madeOf(n)
		v, ok := s.prog.expansions.get(n, key)
		if !ok {
			s.prepare(ctx, n.refs)
			v, _ = s.prog.valueNode(n, s.values)
			s.prog.expansions.put(n, key, v)
		}
		s.values[a] = v
	case n.computed():
		s.prepare(ctx, n.refs)
		if a.Type == address.Instances {
			for _, place := range s.prog.graph.DependsOn(n.place) {
				s.prepareValue(ctx, s.prog.sorted[place].addr)
			}
		}
		v, _ := s.prog.valueNode(n, s.values)
		v, diags := s.refused(n, v)
		if s.values[a] = v; diags.HasErrors() {
			s.reasons[a] = outputReason(diags)
		}
	}
}

// prepareNode makes the values that a node and the rules over it refer to.
func (s *scene) prepareNode(ctx context.Context, n *node) {
	s.prepare(ctx, n.refs)
	for _, list := range [][]address.Address{n.rules, n.detectors, n.limits} {
		for _, a := range list {
			if policy := s.prog.nodes[a]; policy != nil {
				s.prepare(ctx, policy.refs)
			}
		}
	}
}

// standing is what expressions see of a source, made of its accepted bytes or its fallback.
func (s *scene) standing(ctx context.Context, n *node) cty.Value {
	c := s.choices[n.addr]
	row := s.ledger.Sources[n.addr]
	l := &look{SourceObservation: &plan.SourceObservation{Address: n.addr}}
	if c.Standing == plan.Accepted {
		v, text, err := s.accepted(ctx, row, n.readsAttribute("text"))
		if err != nil {
			c.Standing, c.Reason = plan.Nothing, "the accepted value cannot be read: "+err.Error()
			s.reasons[n.addr] = c.Reason
			s.unread = append(s.unread, n.addr)
		}
		c.Value, l.text = v, text
		s.choices[n.addr] = c
	}
	return s.sourceObject(l, c, row)
}

// accepted decodes the accepted bytes of a source.
func (s *scene) accepted(ctx context.Context, row *state.Source, wantText bool) (cty.Value, []byte, error) {
	current := row.Current()
	if v, ok := s.cache.get(current); ok && !wantText {
		return v, nil, nil
	}
	data, err := s.reader.Blob(ctx, current.Blob)
	if err != nil {
		return cty.NilVal, nil, err
	}
	v, err := decodeSnapshot(current, data)
	if err != nil {
		return cty.NilVal, nil, err
	}
	if current.Sensitive {
		v = v.Mark(mark.Sensitive)
	}
	s.cache.put(current, v)
	return v, data, nil
}

// valueCache keeps the decoded values that were used last, so that a change of one source
// does not decode the others again that it is merged with. It is safe for concurrent use.
type valueCache struct {
	mutex sync.Mutex
	bytes int64
	order *list.List // of *cachedValue, the newest first
	index map[cacheKey]*list.Element
}

type cacheKey struct {
	blob, format string
	sensitive    bool
}

type cachedValue struct {
	key   cacheKey
	value cty.Value
	size  int64
}

// A decoded value takes some ten times the bytes it was made of.
const (
	cacheBytes     = 32 << 20
	decodedPerByte = 10
	decodedLeast   = 512
)

func newValueCache() *valueCache {
	return &valueCache{order: list.New(), index: map[cacheKey]*list.Element{}}
}

func keyOf(s *state.Snapshot) cacheKey { return cacheKey{s.Blob, s.Format, s.Sensitive} }

func (c *valueCache) get(s *state.Snapshot) (cty.Value, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	e := c.index[keyOf(s)]
	if e == nil {
		return cty.NilVal, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedValue).value, true
}

func (c *valueCache) put(s *state.Snapshot, v cty.Value) {
	size := s.Size*decodedPerByte + decodedLeast
	if size > cacheBytes/4 {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	key := keyOf(s)
	if c.index[key] != nil {
		return
	}
	c.index[key] = c.order.PushFront(&cachedValue{key, v, size})
	for c.bytes += size; c.bytes > cacheBytes; {
		last := c.order.Back()
		old := c.order.Remove(last).(*cachedValue)
		delete(c.index, old.key)
		c.bytes -= old.size
	}
}

// overlay is a state's reader that also knows the bytes which are on their way into it.
type overlay struct {
	state.Reader
	mutex sync.RWMutex
	blobs map[string][]byte
}

func (o *overlay) Blob(ctx context.Context, hash string) ([]byte, error) {
	o.mutex.RLock()
	data, ok := o.blobs[hash]
	o.mutex.RUnlock()
	if ok {
		return data, nil
	}
	return o.Reader.Blob(ctx, hash)
}

func (o *overlay) add(blobs []state.Blob) {
	if len(blobs) == 0 {
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for _, b := range blobs {
		o.blobs[b.Hash] = b.Data
	}
}

func (o *overlay) remove(blobs []state.Blob) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for _, b := range blobs {
		delete(o.blobs, b.Hash)
	}
}
