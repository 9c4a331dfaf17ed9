package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// publishReceivers tells the listener which names are taken in.
func (d *Daemon) publishReceivers() {
	out := &Receivers{Sources: map[string]*Receiver{}, Detectors: map[string]*Receiver{}}
	for _, n := range d.engine.prog.sorted {
		if n.static != nil {
			_ = d.opts.contain(n.addr, func() { n.receives(out) }) // it takes nothing in then
		}
	}
	d.receivers.Store(out)
}

// receives adds what a source or detector takes in.
func (n *node) receives(out *Receivers) {
	switch a := n.addr; a.Type {
	case address.Source:
		s, ok := settingsOf(n)
		if !ok {
			return
		}
		push, takes := pushOf(n, n.static.source, s)
		if !takes {
			return
		}
		r := &Receiver{Name: push.ConfigName, Address: a, Secrets: push.Secrets, Token: push.BearerToken}
		if push.ConfigName == providers.AllNames {
			out.Wildcard = r
		} else {
			out.Sources[push.ConfigName] = r
		}
	case address.Detector:
		if r, ok := n.static.detector.(providers.Receiver); ok {
			push := r.Push()
			out.Detectors[a.Name] = &Receiver{Name: a.Name, Address: a, Secrets: push.Secrets, Token: push.BearerToken}
		}
	}
}

// Receivers returns what the running configuration takes in.
func (d *Daemon) Receivers() *Receivers {
	if r := d.receivers.Load(); r != nil {
		return r
	}
	return &Receivers{}
}

// Notify wakes the sources of a webhook detector.
func (d *Daemon) Notify(detector address.Address) {
	d.post(func() {
		for _, it := range d.hooks[detector] {
			if !it.gone {
				d.hint(it)
			}
		}
	})
}

// hint lets a source be looked at now. One that fails is spared: its back-off goes on.
func (d *Daemon) hint(it *sourceItem) {
	it.poll = true
	if it.problem == plan.Failed && it.group != "" && time.Since(it.lastLook) < time.Second {
		it.again = true
		return
	}
	d.ask(it)
}

// Push takes a value in. It returns once the value is durable, or refused.
func (d *Daemon) Push(ctx context.Context, p Pushed) PushResult {
	start := time.Now()
	out := d.push(ctx, p)
	d.opts.Events(PushReceived{Address: p.Receiver.Address, Name: p.Name, Outcome: out.Outcome, Elapsed: time.Since(start)})
	return out
}

func (d *Daemon) push(ctx context.Context, p Pushed) PushResult {
	var s *scene
	var n *node
	var accepted int64
	var durable chan bool
	early := PushResult{Outcome: PushGone}
	key := replayKey(p)
	if err := d.call(ctx, func() {
		it := d.sources[p.Receiver.Address]
		switch {
		case d.trouble != nil:
			early = PushResult{Outcome: PushBusy, Reason: "the state cannot be written", After: commitLonger}
			return
		case d.stopping:
			early = PushResult{Outcome: PushBusy, Reason: "the daemon is stopping", After: time.Second}
			return
		case it == nil:
			return
		}
		if outcome, ok := d.replayed(p, key); ok {
			early = PushResult{Outcome: outcome}
			durable = d.underWay()
			return
		}
		n = it.node
		s = d.sceneOf(n)
		accepted = timesAccepted(d.ledger.Sources[it.addr()])
	}); err != nil {
		return PushResult{Outcome: PushBusy, Reason: "the daemon is stopping", After: time.Second}
	}
	if s == nil {
		return d.whenDurable(ctx, durable, &early)
	}
	same, findings := s.judgePush(ctx, n, p)
	if len(findings) > 0 {
		return PushResult{Outcome: PushRejected, Findings: findings}
	}
	result := new(PushResult)
	durable = make(chan bool, 1)
	d.post(func() {
		same = same && timesAccepted(d.ledger.Sources[n.addr]) == accepted // else another came between
		var already bool
		if result.Outcome, already = d.takeIn(p, key, same, durable); already {
			durable <- true
		}
	})
	return d.whenDurable(ctx, durable, result)
}

func timesAccepted(row *state.Source) int64 {
	if row == nil {
		return 0
	}
	return row.Accepted
}

// whenDurable answers once what was taken in is durable; without a channel it is.
func (d *Daemon) whenDurable(ctx context.Context, durable <-chan bool, result *PushResult) PushResult {
	if durable == nil {
		return *result
	}
	select {
	case ok := <-durable:
		if !ok {
			return PushResult{Outcome: PushBusy, Reason: "the state cannot be written", After: commitLonger}
		}
		return *result
	case <-ctx.Done():
		return PushResult{Outcome: PushBusy, Reason: "the state could not be written in time", After: time.Second}
	case <-d.done:
		return PushResult{Outcome: PushBusy, Reason: "the daemon is stopping", After: time.Second}
	}
}

// replayed reports whether a request came before, and its answer now.
func (d *Daemon) replayed(p Pushed, key replayKeyType) (PushOutcome, bool) {
	known, ok := d.replays.seen(key)
	switch {
	case !ok:
		return 0, false
	case known == p.Digest:
		return PushUnchanged, true
	}
	return PushConflict, true
}

// underWay returns what tells that all taken in so far is durable, nil if it is: a request
// that is repeated is not answered before the first one.
func (d *Daemon) underWay() chan bool {
	if !d.writing && d.urgent.empty() {
		return nil
	}
	durable := make(chan bool, 1)
	d.recordUrgent(nil, func() { durable <- true }, func() { durable <- false })
	return durable
}

// takeIn writes a pushed value down, unless it is the accepted one and nothing newer waits.
// Then only the request's identity is: repeated later it would bring the value back. With
// already there is nothing to wait for.
func (d *Daemon) takeIn(p Pushed, key replayKeyType, same bool, durable chan<- bool) (outcome PushOutcome, already bool) {
	it := d.sources[p.Receiver.Address]
	if it == nil {
		return PushGone, true
	}
	if outcome, ok := d.replayed(p, key); ok { // beside this one
		d.recordUrgent(nil, func() { durable <- true }, func() { durable <- false })
		return outcome, false
	}
	same = same && it.sent == nil
	if same && p.Delivery == "" {
		return PushUnchanged, true
	}
	if !json.Valid(p.Data) { // nobody could judge it, and nobody could read it again
		return PushRejected, true
	}
	if p.Delivery != "" {
		d.replays.add(d.urgent, key, p.Digest)
	}
	forget := func() {
		if p.Delivery != "" {
			delete(d.replays.known, key)
		}
	}
	if same {
		d.recordUrgent(nil, func() { durable <- true }, func() { durable <- false; forget() })
		return PushUnchanged, false
	}
	before := it.sent
	value := &pushedValue{Data: p.Data, At: time.Now()}
	if p.Receiver.Name == providers.AllNames {
		value.Data, _ = json.Marshal(map[string]json.RawMessage{p.Name: p.Data})
		if before != nil {
			merged, err := mergeNames(before.Data, value.Data)
			if err == nil {
				value.Data = merged
			}
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic("engine: a pushed value does not marshal: " + err.Error())
	}
	s, _ := settingsOf(it.node)
	it.sent = value
	d.recordUrgent(&state.Document{Name: pushDocument(it.addr()), Data: data, Sealed: s != nil && s.Sensitive}, func() {
		durable <- true
		// A newer one may be on its way. Under a flood one always is: this one is used all the same.
		it.pushed = value
		d.askPushed(it)
	}, func() {
		durable <- false
		if it.sent == value {
			it.sent = before
		}
		forget()
	})
	return PushAccepted, false
}

// judgePush judges a value before it is taken in, as the look at it will do again, and reports
// whether it is the accepted one.
func (s *scene) judgePush(ctx context.Context, n *node, p Pushed) (same bool, findings []string) {
	defer func() {
		if r := recover(); r != nil {
			same, findings = false, []string{s.engine.opts.panicked(n.addr, r, nil).Error()}
		}
	}()
	settings, ok := settingsOf(n)
	if !ok {
		return false, nil // its configuration is not known yet: the look will judge
	}
	value, err := decode.Decode(decode.JSON, p.Data, limitsFor(p.Data))
	if err != nil {
		return false, []string{"config_data: " + err.Error()}
	}
	if int64(len(p.Data)) > settings.MaxBytes {
		return false, []string{providers.TooLargeError(settings.MaxBytes).Error()}
	}
	row := s.ledger.Sources[n.addr]
	s.prepareNode(ctx, n)
	previous := cty.NilVal
	if row.Current() != nil {
		if previous, _, err = s.accepted(ctx, row, false); err != nil {
			previous = cty.NilVal
		}
	}
	if p.Receiver.Name == providers.AllNames {
		if previous != cty.NilVal {
			plain, _ := previous.Unmark()
			previous = attributeOr(plain, p.Name)
		}
	} else if row.Current() != nil {
		key, err := decode.Key(value, s.ignored(n))
		if err == nil && row.Current().Sealed {
			key = s.reader.Keyed(key)
		}
		same = err == nil && key == row.Current().Key
	}
	if same {
		return true, nil
	}
	if settings.Sensitive {
		value = value.Mark(mark.Sensitive)
	}
	version := decode.RawHash(p.Data)
	checks, rejected := s.judgeOne(ctx, n, settings, candidate{value: value, previous: previous, data: p.Data, version: version})
	if !rejected {
		return false, nil
	}
	return false, rejections(checks)
}

// A sender repeats a request whose answer it did not get. What was taken in under an
// identity is remembered, also over a restart, within bounds.
type (
	replayKeyType [16]byte
	replay        struct {
		Key    replayKeyType `json:"k"`
		Digest [32]byte      `json:"d"`
		At     int64         `json:"t"` // Unix seconds
	}
)

const (
	replayPrefix = "replay/"
	replayMost   = 100_000
	replayAge    = 24 * time.Hour
)

func replayKey(p Pushed) (key replayKeyType) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", p.Receiver.Address, p.Delivery))
	copy(key[:], sum[:])
	return key
}

// replays is the memory of request identities. It belongs to the loop.
type replays struct {
	known map[replayKeyType]replay
	order []replayPage // oldest first
	next  int64
	now   func() time.Time
}

// replayPage is one document.
type replayPage struct {
	name string
	keys []replayKeyType
	at   int64
}

func newReplays() *replays {
	return &replays{known: map[replayKeyType]replay{}, now: time.Now}
}

func recallReplays(ctx context.Context, store state.Store) (*replays, error) {
	r := newReplays()
	docs, err := store.Documents(ctx, replayPrefix)
	if err != nil {
		return nil, fmt.Errorf("read the identities of requests: %w", err)
	}
	for _, doc := range docs {
		entries := decodeReplays(doc.Data)
		page := replayPage{name: doc.Name}
		for _, e := range entries {
			r.known[e.Key] = e
			page.keys = append(page.keys, e.Key)
			page.at = max(page.at, e.At)
		}
		r.order = append(r.order, page)
		var n int64
		if _, err := fmt.Sscanf(doc.Name, replayPrefix+"%d", &n); err == nil {
			r.next = max(r.next, n+1)
		}
	}
	return r, nil
}

func (r *replays) seen(key replayKeyType) ([32]byte, bool) {
	e, ok := r.known[key]
	if !ok || r.now().Unix()-e.At > int64(replayAge/time.Second) {
		return [32]byte{}, false
	}
	return e.Digest, true
}

// add remembers a request with the transaction that makes its value durable.
func (r *replays) add(t *transaction, key replayKeyType, digest [32]byte) {
	e := replay{Key: key, Digest: digest, At: r.now().Unix()}
	r.known[key] = e
	t.replays = append(t.replays, e)
}

// write puts what a transaction remembers into one document, and takes out what is too old.
func (r *replays) write(t *transaction) {
	if len(t.replays) == 0 {
		return
	}
	page := replayPage{name: fmt.Sprintf("%s%020d", replayPrefix, r.next)}
	r.next++
	for _, e := range t.replays {
		page.keys = append(page.keys, e.Key)
		page.at = max(page.at, e.At)
	}
	t.documents[page.name] = &state.Document{Name: page.name, Data: encodeReplays(t.replays)}
	t.replays = nil
	r.order = append(r.order, page)
	oldest := r.now().Add(-replayAge).Unix()
	for len(r.order) > 1 && (len(r.known) > replayMost || r.order[0].at < oldest) {
		for _, key := range r.order[0].keys {
			delete(r.known, key)
		}
		t.documents[r.order[0].name] = nil
		r.order = r.order[1:]
	}
}

const replayBytes = 16 + 32 + 8

func encodeReplays(list []replay) []byte {
	out := make([]byte, 0, len(list)*replayBytes)
	for _, e := range list {
		out = append(out, e.Key[:]...)
		out = append(out, e.Digest[:]...)
		for shift := 56; shift >= 0; shift -= 8 {
			out = append(out, byte(e.At>>shift))
		}
	}
	return out
}

func decodeReplays(data []byte) []replay {
	var out []replay
	for ; len(data) >= replayBytes; data = data[replayBytes:] {
		var e replay
		copy(e.Key[:], data)
		copy(e.Digest[:], data[16:])
		for _, b := range data[48:replayBytes] {
			e.At = e.At<<8 | int64(b)
		}
		out = append(out, e)
	}
	return out
}

// recallPushes finds the values that were sent and not yet looked at when the last daemon ended.
func (d *Daemon) recallPushes(ctx context.Context) error {
	docs, err := d.store.Documents(ctx, pushPrefix)
	if err != nil {
		return fmt.Errorf("read what was pushed: %w", err)
	}
	for _, doc := range docs {
		value, err := decodePushed(doc)
		if err != nil {
			d.opts.logger().Error("a pushed value cannot be read", "document", doc.Name, "error", err.Error())
			continue
		}
		a, err := address.Parse(doc.Name[len(pushPrefix):])
		if err != nil {
			continue
		}
		if it := d.sources[a]; it != nil {
			it.pushed, it.sent = value, value
			d.ask(it)
		}
	}
	return nil
}
