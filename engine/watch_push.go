package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// Notify wakes the sources of a webhook detector, and of those in modules that have its name.
func (d *Daemon) Notify(detector address.Address) {
	d.post(func() {
		for _, it := range d.hooks[detector.Name] {
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

// judgeLater is when to send a value again that nobody could judge: something else has no value yet.
const judgeLater = 10 * time.Second

// incoming is a pushed value on its way in. The loop and the goroutine of its request hand it to
// and fro; what concerns it alone is done beside the loop.
type incoming struct {
	Pushed
	key      replayKeyType
	value    cty.Value
	identity string       // as Snapshot.Key where nothing is ignored
	err      error        // why it could not be decoded
	sent     *pushedValue // what is kept of it, with the bytes of its document
	document []byte       // nil where it is merged with what is there

	sensitive bool // the source says so, whose settings come out of data

	// Of the loop.
	result   PushResult
	node     *node
	scene    *scene // nil if it was judged
	accepted int64  // acceptances when the scene was made
}

// push has a value judged and written down. A value that no rule judges passes the loop once, others
// twice, so that their rules are run beside it.
func (d *Daemon) push(ctx context.Context, p Pushed) PushResult {
	c := d.parsePush(p)
	known := make(chan bool, 1) // tells that the result is known: durable, or not
	d.post(func() { d.receive(c, known) })
	if busy := d.await(ctx, known); busy != nil {
		return *busy
	}
	if c.scene == nil {
		return c.result
	}
	same, findings, waits := c.scene.judgePush(ctx, c)
	switch {
	case len(findings) > 0:
		return PushResult{Outcome: PushRejected, Findings: findings}
	case waits != "":
		return PushResult{Outcome: PushBusy, Reason: waits, After: judgeLater}
	}
	d.post(func() {
		same = same && timesAccepted(d.ledger.Sources[c.node.addr]) == c.accepted // else another came between
		d.takeIn(c, same, known)
	})
	if busy := d.await(ctx, known); busy != nil {
		return *busy
	}
	return c.result
}

// parsePush does what needs no loop.
func (d *Daemon) parsePush(p Pushed) *incoming {
	c := &incoming{Pushed: p}
	if p.Delivery != "" {
		c.key = replayKey(p)
	}
	if err := d.opts.contain(p.Receiver.Address, c.decode); err != nil {
		c.err = err
	}
	return c
}

func (c *incoming) decode() {
	if c.value, c.err = decode.Decode(decode.JSON, c.Data, limitsFor(c.Data)); c.err == nil {
		c.identity, c.err = decode.Key(c.value, nil)
	}
	if c.err == nil && c.Receiver.Name != providers.AllNames {
		c.sent = &pushedValue{Data: c.Data, At: time.Now()}
		c.document, c.err = json.Marshal(c.sent)
	}
}

// receive takes in a value, or makes a scene for its rules.
func (d *Daemon) receive(c *incoming, known chan<- bool) {
	it := d.sources[c.Receiver.Address]
	switch {
	case d.trouble != nil:
		c.result = PushResult{Outcome: PushBusy, Reason: "the state cannot be written", After: commitLonger}
	case d.stopping:
		c.result = PushResult{Outcome: PushBusy, Reason: "the daemon is stopping", After: time.Second}
	case it == nil:
		c.result = PushResult{Outcome: PushGone}
	default:
		if outcome, ok := d.replayed(c); ok {
			c.result.Outcome = outcome
			d.afterUrgent(known)
			return
		}
		row := d.ledger.Sources[it.addr()]
		settings, ok := settingsOf(it.node)
		if simple := ok && len(it.node.rules)+len(it.node.detectors)+len(it.node.members) == 0 && c.Receiver.Name != providers.AllNames &&
			!settings.Sensitive && !(row.Current() != nil && row.Current().Sealed); !simple {
			c.node, c.scene, c.accepted = it.node, d.sceneOf(it.node), timesAccepted(row)
			break
		}
		same, findings := c.fits(settings, row)
		if len(findings) == 0 {
			d.takeIn(c, same, known)
			return
		}
		c.result = PushResult{Outcome: PushRejected, Findings: findings}
	}
	known <- true
}

// fits judges a value that no rule judges, and reports whether it is the accepted one.
func (c *incoming) fits(settings *providers.SourceSettings, row *state.Source) (same bool, findings []string) {
	switch {
	case c.err != nil:
		findings = []string{"config_data: " + c.err.Error()}
	case int64(len(c.Data)) > settings.MaxBytes:
		findings = []string{providers.TooLargeError(settings.MaxBytes).Error()}
	case row.Current() != nil && row.Current().Key == c.identity:
		same = true
	case !settings.AllowEmpty && decode.Empty(c.value):
		findings = []string{emptyFinding}
	}
	return same, findings
}

func timesAccepted(row *state.Source) int64 {
	if row == nil {
		return 0
	}
	return row.Accepted
}

// await waits until the loop tells of a result; where it is none, why.
func (d *Daemon) await(ctx context.Context, known <-chan bool) (busy *PushResult) {
	select {
	case ok := <-known:
		if !ok {
			return &PushResult{Outcome: PushBusy, Reason: "the state cannot be written", After: commitLonger}
		}
		return nil
	case <-ctx.Done():
		return &PushResult{Outcome: PushBusy, Reason: "the state could not be written in time", After: time.Second}
	case <-d.done:
		return &PushResult{Outcome: PushBusy, Reason: "the daemon is stopping", After: time.Second}
	}
}

// replayed reports whether a request came before, and its answer now.
func (d *Daemon) replayed(c *incoming) (PushOutcome, bool) {
	if c.Delivery == "" {
		return 0, false
	}
	known, ok := d.replays.seen(c.key)
	switch {
	case !ok:
		return 0, false
	case known == c.Digest:
		return PushUnchanged, true
	}
	return PushConflict, true
}

// afterUrgent tells once all that was taken in so far is durable: a request that is repeated is
// not answered before the first one.
func (d *Daemon) afterUrgent(durable chan<- bool) {
	if !d.writing && d.urgent.empty() {
		durable <- true
		return
	}
	d.recordUrgent(nil, func() { durable <- true }, func() { durable <- false })
}

// takeIn writes a pushed value down, unless it is the accepted one and nothing newer waits.
// Then only the request's identity is: repeated later it would bring the value back.
func (d *Daemon) takeIn(c *incoming, same bool, durable chan<- bool) {
	it := d.sources[c.Receiver.Address]
	if it == nil {
		c.result.Outcome = PushGone
		durable <- true
		return
	}
	if outcome, ok := d.replayed(c); ok { // beside this one
		c.result.Outcome = outcome
		d.afterUrgent(durable)
		return
	}
	same = same && it.sent == nil && !it.lost && it.had().lostPush == "" // what is lost is had again by it
	if same {
		c.result.Outcome = PushUnchanged
	}
	if same && c.Delivery == "" {
		durable <- true
		return
	}
	before := it.sent
	if err := c.merge(before); !same && err != nil {
		c.result = PushResult{Outcome: PushRejected, Findings: []string{"config_data: " + err.Error()}}
		durable <- true
		return
	}
	if c.Delivery != "" {
		d.replays.add(d.urgent, c.key, c.Digest)
	}
	forget := func() {
		if c.Delivery != "" {
			delete(d.replays.known, c.key)
		}
	}
	if same {
		d.recordUrgent(nil, func() { durable <- true }, func() { durable <- false; forget() })
		return
	}
	s, _ := settingsOf(it.node)
	value := c.sent
	it.sent = value
	d.recordUrgent(&state.Document{Name: pushDocument(it.addr()), Data: c.document, Sealed: c.sensitive || s != nil && s.Sensitive}, func() {
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
}

// merge puts what is sent to a source that takes every name beside the names that wait.
func (c *incoming) merge(before *pushedValue) (err error) {
	if c.err != nil || c.document != nil {
		return c.err
	}
	c.sent = &pushedValue{At: time.Now()}
	if c.sent.Data, err = json.Marshal(map[string]json.RawMessage{c.Name: c.Data}); err != nil {
		return err
	}
	if before != nil {
		if merged, err := mergeNames(before.Data, c.sent.Data); err == nil {
			c.sent.Data = merged
		}
	}
	c.document, err = json.Marshal(c.sent)
	return err
}

// judgePush judges a value before it is taken in, as the look at it will do again, and reports
// whether it is the accepted one. Where nobody can judge it yet it says what that waits for.
func (s *scene) judgePush(ctx context.Context, c *incoming) (same bool, findings []string, waits string) {
	n := c.node
	defer func() {
		if r := recover(); r != nil {
			same, findings, waits = false, []string{s.engine.opts.panicked(n.addr, r, nil).Error()}, ""
		}
	}()
	if c.err != nil {
		return false, []string{"config_data: " + c.err.Error()}, ""
	}
	s.prepareNode(ctx, n)
	settings, ok := settingsOf(n)
	if !ok {
		ev, diags := s.evaluated(n)
		if diags.HasErrors() {
			return false, nil, n.addr.String() + " cannot judge it: " + firstError(diags)
		}
		if settings, ok = ev.settings.(*providers.SourceSettings); !ok || ev.source == nil {
			return false, nil, n.addr.String() + " cannot judge it yet: " + s.unknownReason(n)
		}
		c.sensitive = settings.Sensitive
	}
	if int64(len(c.Data)) > settings.MaxBytes {
		return false, []string{providers.TooLargeError(settings.MaxBytes).Error()}, ""
	}
	value := c.value
	row := s.ledger.Sources[n.addr]
	previous := cty.NilVal
	if row.Current() != nil {
		var err error
		if previous, _, err = s.accepted(ctx, row, false); err != nil {
			previous = cty.NilVal
		}
	}
	if c.Receiver.Name == providers.AllNames {
		if previous != cty.NilVal {
			plain, _ := previous.Unmark()
			previous = attributeOr(plain, c.Name)
		}
	} else if row.Current() != nil {
		key, err := decode.Key(value, s.ignored(n))
		if err == nil && row.Current().Sealed {
			key = s.reader.Keyed(key)
		}
		same = err == nil && key == row.Current().Key
	}
	if same {
		return true, nil, ""
	}
	if settings.Sensitive {
		value = value.Mark(mark.Sensitive)
	}
	version := decode.RawHash(c.Data)
	if settings.Sensitive {
		version = s.reader.Keyed(version) // a rule may say it
	}
	checks, rejected := s.judgeOne(ctx, n, settings, candidate{value: value, previous: previous, data: c.Data, version: version})
	if !rejected {
		return false, nil, ""
	}
	return s.verdict(n, checks)
}

// verdict tells what rejects a value from what could only not judge it yet, since it waits for the
// value of something else: the value may be a good one.
func (s *scene) verdict(n *node, checks []plan.Check) (same bool, findings []string, waits string) {
	for _, c := range checks {
		if len(refuses(c)) == 0 {
			continue
		}
		why := s.cannotJudgeYet(n, c.Address)
		if why == "" {
			return false, rejections(checks), ""
		}
		if waits == "" {
			waits = c.Address + " cannot judge it yet: " + why
		}
	}
	return false, nil, waits
}

// cannotJudgeYet says what a rule of a source waits for, "" for nothing.
func (s *scene) cannotJudgeYet(n *node, rule string) string {
	for _, a := range n.rules {
		if r := s.prog.nodes[a]; a.String() == rule && s.waitsOn(r) != "" {
			return s.unknownReason(r)
		}
	}
	for _, m := range s.prog.missingPolicies(n) {
		if m.policy.String() == rule && m.yet {
			return m.why
		}
	}
	return ""
}
