package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	app    = address.Of(address.Sink, "file", "app")
	reload = address.Of(address.Sink, "exec", "reload")
	notify = address.Of(address.Sink, "http", "notify")
	origin = address.Of(address.Source, "http", "origin")
)

// In these tests a fingerprint is "fp:CONTENT" and a hash "hash:CONTENT", so that a failure
// shows what was compared. What is sensitive is keyed.
func fingerprintOf(content string) string { return "fp:" + content }

func hashOf(content string) string { return "hash:" + content }

func keyed(s string) string { return "hmac-" + s }

// block is what a sink applies: enough to write a target, as apply does, from a plan alone.
type block struct{ Content, Mode string }

func payloadOf(kind string, b block) *state.Payload {
	data, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return &state.Payload{Kind: kind, Values: data}
}

func blockOf(values []byte) block {
	var b block
	if err := json.Unmarshal(values, &b); err != nil {
		panic(err)
	}
	return b
}

// delivered is a delivery of some content.
func delivered(id, content string, with ...func(*state.Delivery)) *state.Delivery {
	d := &state.Delivery{
		ID: id, Fingerprint: fingerprintOf(content), Hash: hashOf(content), At: noon.Add(-time.Hour),
		Policies: "0644", Payload: string(payloadOf("file", block{content, "0644"}).Values),
	}
	for _, f := range with {
		f(d)
	}
	return d
}

func asSecret(d *state.Delivery) { d.Fingerprint, d.Hash = keyed(d.Fingerprint), keyed(d.Hash) }

func withError(d *state.Delivery) { d.Error, d.Attempts = "exit status 1", 3 }

func interrupted(d *state.Delivery) { d.Unknown, d.Attempts = true, 1 }

func answering(name, token string) func(*state.Delivery) {
	return func(d *state.Delivery) {
		if d.Triggers == nil {
			d.Triggers = map[string]string{}
		}
		d.Triggers[name] = token
	}
}

func rowOf(a address.Address, with ...func(*state.Sink)) *state.Sink {
	row := &state.Sink{Address: a, Kind: a.Kind, Target: targetOf(a), Revision: 4, Sequence: 7, Writes: 3}
	for _, f := range with {
		f(row)
	}
	return row
}

func targetOf(a address.Address) string { return "/etc/" + a.Name }

func acked(content string, with ...func(*state.Delivery)) func(*state.Sink) {
	return func(row *state.Sink) { row.Acknowledged = delivered("dlv_ack", content, with...) }
}

func adopted(content string) func(*state.Sink) {
	return acked(content, func(d *state.Delivery) { d.Adopted = true })
}

func open(content string, with ...func(*state.Delivery)) func(*state.Sink) {
	return func(row *state.Sink) { row.Pending = delivered("dlv_open", content, with...) }
}

func ledgerOf(rows ...*state.Sink) *state.Ledger {
	l := state.New()
	l.Lineage, l.Serial = "lineage", 41
	for _, row := range rows {
		if row != nil {
			l.Sinks[row.Address] = row
		}
	}
	return l
}

// file is a file sink that wants some content and whose target is missing.
func file(a address.Address, content string, with ...func(*SinkObservation)) *SinkObservation {
	o := &SinkObservation{
		Address: a, Kind: a.Kind, Target: targetOf(a), OnCreate: "run", OnDrift: "repair", Policies: "0644",
		Values: cty.ObjectVal(map[string]cty.Value{"content": cty.StringVal(content)}), Payload: payloadOf("file", block{content, "0644"}),
		Fingerprint: fingerprintOf(content), Hash: hashOf(content), Content: []byte(content), Size: int64(len(content)),
	}
	for _, f := range with {
		f(o)
	}
	return o
}

// program is an exec sink: nobody can read what its target holds.
func program(a address.Address, stdin string, with ...func(*SinkObservation)) *SinkObservation {
	o := file(a, stdin)
	o.Opaque, o.Hash, o.Content = true, "", nil
	for _, f := range with {
		f(o)
	}
	return o
}

func holding(content string) func(*SinkObservation) {
	return func(o *SinkObservation) {
		o.Exists, o.Held, o.HeldHash = true, []byte(content), hashOf(content)
	}
}

func onDrift(policy string) func(*SinkObservation) {
	return func(o *SinkObservation) { o.OnDrift = policy }
}

func from(fallback bool) func(*SinkObservation) {
	return func(o *SinkObservation) { o.Fallback = fallback }
}

func blocked(kind WaitKind) func(*SinkObservation) {
	return func(o *SinkObservation) { o.Blocked = &Wait{Kind: kind, On: origin.String(), Reason: "no value"} }
}

// after makes a sink depend on others.
func after(list ...address.Address) func(*SinkObservation) {
	return func(o *SinkObservation) { o.DependsOn = append(o.DependsOn, list...) }
}

func triggeredBy(a address.Address) func(*SinkObservation) {
	return func(o *SinkObservation) {
		o.Triggers = append(o.Triggers, Trigger{Name: a.String(), Sink: a})
		o.DependsOn = append(o.DependsOn, a)
	}
}

func triggeredByValue(name, token string) func(*SinkObservation) {
	return func(o *SinkObservation) { o.Triggers = append(o.Triggers, Trigger{Name: name, Token: token}) }
}

func limitedBy(names ...string) func(*SinkObservation) {
	return func(o *SinkObservation) { o.Limits = append(o.Limits, names...) }
}

// withLast loads the acknowledged block where something differs from it, as the observer does.
func withLast(o *SinkObservation, row *state.Sink) *SinkObservation {
	if row == nil || row.Acknowledged == nil {
		return o
	}
	ack := row.Acknowledged
	if ack.Fingerprint == o.Fingerprint && (o.Opaque || o.Exists && o.HeldHash == ack.Hash && len(o.Differs) == 0) {
		return o
	}
	o.Last = lastOf(row)
	return o
}

func lastOf(row *state.Sink) *LastApplied {
	ack := row.Acknowledged
	b := blockOf([]byte(ack.Payload))
	last := &LastApplied{
		Payload: payloadOf(row.Kind, b), Blob: ack.Payload, Content: []byte(b.Content),
		Values: cty.ObjectVal(map[string]cty.Value{"content": cty.StringVal(b.Content)}),
	}
	if strings.HasPrefix(ack.Fingerprint, "hmac-") {
		last.Sensitive = true
		last.Values = cty.ObjectVal(map[string]cty.Value{"content": cty.StringVal(b.Content).Mark(mark.Sensitive)})
	}
	return last
}

// secretly makes what is sent sensitive: everything is keyed, and the plain names are the others.
func secretly(o *SinkObservation) {
	o.Sensitive = true
	o.Values = cty.ObjectVal(map[string]cty.Value{"content": o.Values.GetAttr("content").Mark(mark.Sensitive)})
	o.OtherFingerprint, o.OtherHash, o.OtherHeldHash = o.Fingerprint, o.Hash, o.HeldHash
	o.Fingerprint, o.Hash = keyed(o.Fingerprint), keyed(o.Hash)
	if o.HeldHash != "" {
		o.HeldHash = keyed(o.HeldHash)
	}
}

// plainly is for a sink that may have been sensitive before.
func plainly(o *SinkObservation) {
	o.OtherFingerprint, o.OtherHash = keyed(o.Fingerprint), keyed(o.Hash)
	if o.HeldHash != "" {
		o.OtherHeldHash = keyed(o.HeldHash)
	}
}

// window allows most updates in any hour.
func window(most int) Limiter {
	recent := func(c state.Counter, now time.Time) state.Counter {
		var out state.Counter
		for _, t := range c {
			if t.After(now.Add(-time.Hour)) {
				out = append(out, t)
			}
		}
		return out
	}
	return Limiter{
		Next: func(c state.Counter, now time.Time) time.Time {
			if r := recent(c, now); len(r) >= most {
				return r[len(r)-most].Add(time.Hour)
			}
			return now
		},
		Take: func(c state.Counter, at time.Time) state.Counter { return append(recent(c, at), at) },
	}
}

func sharedWindow(most int) Limiter {
	l := window(most)
	l.Shared = true
	return l
}

func compute(l *state.Ledger, limits map[string]Limiter, sinks ...*SinkObservation) *Plan {
	return Compute(&Input{Now: noon, Ledger: l, Sinks: sinks}, NewLimits(limits, l, noon))
}

func changeOf(t testing.TB, p *Plan, a address.Address) *SinkChange {
	t.Helper()
	for _, c := range p.Sinks {
		if c.Address == a {
			return c
		}
	}
	t.Fatalf("%s is not in the plan", a)
	return nil
}

// describe says in a few words what a plan does with a sink: the action, whose identity the
// delivery has ("same": of the open intent, "kept": of what is acknowledged), and what else counts.
func describe(c *SinkChange, row *state.Sink) string {
	words := []string{string(c.Action)}
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(c.Wanted != c.Action, "for "+string(c.Wanted))
	switch {
	case c.Delivery == nil:
	case row != nil && row.Pending != nil && row.Pending.ID == c.Delivery.ID:
		words = append(words, "same")
	case row != nil && row.Acknowledged != nil && row.Acknowledged.ID == c.Delivery.ID:
		words = append(words, "kept")
	default:
		words = append(words, "new")
	}
	add(c.Repair, "repair")
	add(c.Counts, "counts")
	add(c.Remember, "remember")
	add(c.Replaces != nil && c.Delivery != nil, "replaces")
	if c.Drift != nil {
		words = append(words, "drift")
		add(c.Drift.Missing, "missing")
		add(c.Drift.Content, "content")
		add(len(c.Drift.Differs) > 0, "differs")
	}
	if c.Wait != nil {
		words = append(words, fmt.Sprintf("(%s)", c.Wait.Kind))
	}
	return strings.Join(words, " ")
}

// checkIdentity holds a planned delivery against what apply relies on.
func checkIdentity(t testing.TB, l *state.Ledger, c *SinkChange) {
	t.Helper()
	if c.Delivery == nil || c.Remember {
		return
	}
	sequence := l.Serial
	row := l.Sinks[c.Address]
	if row != nil {
		sequence = row.Sequence
	}
	if row != nil && row.Pending != nil && c.Delivery.ID == row.Pending.ID {
		if c.Sequence != sequence || c.Delivery.Attempts != row.Pending.Attempts {
			t.Errorf("%s: sequence %d and %d attempts for the open intent, want %d and %d", c.Address, c.Sequence, c.Delivery.Attempts, sequence, row.Pending.Attempts)
		}
		return
	}
	if c.Sequence != sequence+1 {
		t.Errorf("%s: a new intent has sequence %d, want %d", c.Address, c.Sequence, sequence+1)
	}
	if want := DeliveryID(l.Lineage, c.Address, c.Sequence, c.Delivery.Fingerprint); c.Delivery.ID != want {
		t.Errorf("%s: a new intent is %s, want %s", c.Address, c.Delivery.ID, want)
	}
}

// sameValues compares values with their marks, and addresses as a whole.
var sameValues = cmp.Options{
	cmp.Comparer(func(a, b Value) bool {
		if a.IsAbsent() || b.IsAbsent() {
			return a.IsAbsent() == b.IsAbsent()
		}
		return a.RawEquals(b.Value)
	}),
	cmp.Comparer(func(a, b address.Address) bool { return a == b }),
}
