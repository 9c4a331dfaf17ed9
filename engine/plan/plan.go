// Package plan compares what was observed with what the ledger says and answers what is to
// be done. Compute is a function of values: it reads no clock, no file and no network, so a
// plan can be tested by tables and replayed from a record.
//
// A Plan carries everything apply needs, so that what was planned is what is applied. What
// cannot be planned (a failed source, a rejected value, a limit) stands in the plan with its
// reason and changes nothing.
package plan

import (
	"time"

	"tidegate/engine/diff"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// FormatVersion is the version of the Plan's own serialised form.
const FormatVersion = "1.0"

// Plan says what apply will do, and what it leaves for later and why.
type Plan struct {
	FormatVersion string          `json:"format_version"`
	ToolVersion   string          `json:"tool_version"`
	Time          time.Time       `json:"time"`
	Lineage       string          `json:"lineage"`
	Serial        int64           `json:"serial"`
	Configuration string          `json:"configuration"` // hash of the .hcl, variable and function files
	Dir           string          `json:"dir"`           // absolute
	Destroy       bool            `json:"destroy,omitempty"`
	Sources       []*SourceChange `json:"sources,omitempty"` // in the order of their addresses
	Sinks         []*SinkChange   `json:"sinks,omitempty"`   // in dependency order
	Outputs       []*OutputChange `json:"outputs,omitempty"`
	// Checks are the results of check blocks, in the order of their addresses.
	Checks []Check `json:"checks,omitempty"`
	// Variables are the values that the plan was made with, by name.
	Variables map[string]*Value `json:"variables,omitempty"`
	// Hidden are the sensitive texts that took part in it beside its values: what a target answers
	// may quote them. A saved plan has them sealed.
	Hidden []string `json:"-"`
	Limits []*Limit `json:"limits,omitempty"`
	// Selection is nil for a plan about everything.
	Selection *Selection `json:"selection,omitempty"`
	// Shared are the counters of shared rate limits after all acceptances of this plan.
	Shared map[string]state.Counter `json:"shared,omitempty"`
	// ForgetSources are sources of the ledger that are no longer declared.
	ForgetSources []address.Address `json:"forget_sources,omitempty"`
	// Moves are rows of the ledger that are called otherwise now.
	Moves []Move `json:"moves,omitempty"`
	// Base is set where the plan is for a change to the configuration, and says from what.
	Base *Base `json:"base,omitempty"`
	// Declared is the configuration as it is written, for who reads the plan as JSON; nil where nobody does.
	Declared *Declared `json:"declared,omitempty"`
	// Incomplete is set when something could not be looked at or judged: the exit code is 1.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Action is what is done to one item.
type Action string

// The actions. A source knows NoOp and Read, a sink the others.
const (
	NoOp   Action = "no-op"
	Read   Action = "read"   // a candidate is accepted
	Adopt  Action = "adopt"  // the target already is as wanted: only the ledger learns of it
	Create Action = "create" // the target does not exist, or the program or server hears for the first time
	Update Action = "update"
	Delete Action = "delete"
	Forget Action = "forget" // the ledger forgets the sink; its target stays
)

// Mark returns the sign that stands before an item in a plan's text.
func (a Action) Mark() string {
	switch a {
	case Read:
		return "<="
	case Adopt:
		return "="
	case Create:
		return "+"
	case Update:
		return "~"
	case Delete:
		return "-"
	case Forget:
		return "."
	}
	return " "
}

// Delivers reports whether the action touches the target.
func (a Action) Delivers() bool { return a == Create || a == Update || a == Delete }

// Standing says which value of a source is in use for this plan.
type Standing string

// The standings of a source.
const (
	Accepted  Standing = "accepted"  // the newest accepted snapshot
	Candidate Standing = "candidate" // a new value that this plan accepts
	Fallback  Standing = "fallback"  // nothing was ever accepted and the look failed
	Nothing   Standing = "none"      // no value: what uses it is blocked
)

// Problem says what stands in the way of a source's newest value.
type Problem string

// The problems of a source.
const (
	NoProblem Problem = ""
	Failed    Problem = "failed"   // the look failed
	Rejected  Problem = "rejected" // a rule, the decoder or a guard refused it
	Limited   Problem = "deferred" // a rate limit lets it pass later
	Blocked   Problem = "blocked"  // its own configuration is not known
	Waiting   Problem = "waiting"  // for its first push
	Flapping  Problem = "flapping" // it goes back and forth between two values
)

// Move says that what the ledger knows as From is called To now.
type Move struct {
	From address.Address `json:"from"`
	To   address.Address `json:"to"`
}

// PreviousAddress returns what an address was called before, and false where it was called that.
func (p *Plan) PreviousAddress(a address.Address) (address.Address, bool) {
	for _, m := range p.Moves {
		if m.To == a {
			return m.From, true
		}
	}
	return a, false
}

// SourceChange is what the plan says of one source.
type SourceChange struct {
	Address         address.Address `json:"address"`
	Kind            string          `json:"kind"`
	Identity        string          `json:"identity,omitempty"`
	Action          Action          `json:"action"`
	Standing        Standing        `json:"standing"`
	Problem         Problem         `json:"problem,omitempty"`
	Reason          string          `json:"reason,omitempty"`
	Until           time.Time       `json:"until,omitzero"` // of a deferral
	PreviousVersion string          `json:"previous_version,omitempty"`
	Version         string          `json:"version,omitempty"`
	Before          Value           `json:"before"`
	After           Value           `json:"after"`
	Changes         []ValueChange   `json:"changes,omitempty"`
	FormatOnly      bool            `json:"format_only,omitempty"` // other bytes, the same value
	// Pushed says that the value was sent to the listener: apply forgets what was sent.
	Pushed bool    `json:"pushed,omitempty"`
	Checks []Check `json:"checks,omitempty"`
	// Limits are the addresses of the rate limits on acceptances, asked again by a saved plan.
	Limits []string `json:"limits,omitempty"`
	// Accepted counts the acceptances ever of the ledger's row that the plan was made from.
	Accepted int64 `json:"accepted,omitempty"`

	// Row is what the ledger will say when apply starts, nil when nothing changes there.
	Row *state.Source `json:"row,omitempty"`
	// Blobs are the bytes that Row names for the first time.
	Blobs []state.Blob `json:"blobs,omitempty"`
}

// ValueChange is one place at which a value changed.
type ValueChange struct {
	Path      string `json:"path"`
	Action    string `json:"action"` // add, change, remove
	Before    Value  `json:"before"`
	After     Value  `json:"after"`
	Sensitive bool   `json:"sensitive,omitempty"`
	// Volatile is a place whose value does not count: ignored by a detector, or filled in at
	// each delivery.
	Volatile bool `json:"volatile,omitempty"`
}

// KeyDiff compares two documents key by key, whatever order and layout they are written in.
// Without changes that is all in which they differ.
type KeyDiff struct {
	Changes []ValueChange `json:"changes,omitempty"`
}

// Check is the result of one rule over one candidate, or of the conditions of one block.
type Check struct {
	Address  string   `json:"address"` // of the rule, or of the block with the condition
	Object   string   `json:"object"`  // of the source or sink that was judged
	Status   string   `json:"status"`  // pass, fail, error, unknown
	Severity string   `json:"severity,omitempty"`
	Findings []string `json:"findings,omitempty"` // redacted
	// Precondition says that it is one of the block's own preconditions.
	Precondition bool `json:"precondition,omitempty"`
}

// WaitKind says why a sink's action is not carried out now.
type WaitKind string

// The kinds of waits.
const (
	Deferred      WaitKind = "deferred" // by a rate limit, until a known time
	BlockedBy     WaitKind = "blocked"  // by something it depends on
	RejectedByOwn WaitKind = "rejected" // by one of its own rules or preconditions
)

// Wait is the reason why a sink's wanted value is not delivered by this plan.
type Wait struct {
	Kind   WaitKind  `json:"kind"`
	Reason string    `json:"reason"`
	On     string    `json:"on,omitempty"` // the address that is waited for
	Until  time.Time `json:"until,omitzero"`
}

// Drift is what somebody else did to a target.
type Drift struct {
	Policy  string   `json:"policy"` // repair, warn, ignore
	Missing bool     `json:"missing,omitempty"`
	Differs []string `json:"differs,omitempty"` // in words, beside the content
	// Content says that the content is another one; of a sensitive one nothing else is told.
	Content bool       `json:"content,omitempty"`
	Lines   diff.Lines `json:"lines"` // from the acknowledged content to what is there
	Keys    *KeyDiff   `json:"keys,omitempty"`
}

// SinkChange is what the plan says of one sink.
type SinkChange struct {
	Address address.Address `json:"address"`
	Kind    string          `json:"kind"`
	Target  string          `json:"target"`
	Action  Action          `json:"action"` // what this plan does; NoOp when it only waits
	Wanted  Action          `json:"wanted"` // what it would do if nothing made it wait
	Reasons []string        `json:"reasons,omitempty"`
	Wait    *Wait           `json:"wait,omitempty"`
	Drift   *Drift          `json:"drift,omitempty"`
	Repair  bool            `json:"repair,omitempty"` // restores the acknowledged revision
	Before  Value           `json:"before"`           // attributes as last applied or observed
	After   Value           `json:"after"`
	Lines   *diff.Lines     `json:"lines,omitempty"` // of the content, nil where it is opaque or sensitive
	Keys    *KeyDiff        `json:"keys,omitempty"`  // of the content, nil where it has none to compare
	// ContentChanged says whether a sensitive content changed, which is all that is shown of it.
	ContentChanged bool `json:"content_changed,omitempty"`
	Sensitive      bool `json:"sensitive,omitempty"`
	FilledLater    bool `json:"filled_at_delivery,omitempty"` // uses delivery.*
	// Filled are the attributes, and parts of them, that use it.
	Filled []string `json:"filled,omitempty"`
	Checks []Check  `json:"checks,omitempty"`

	DependsOn []address.Address `json:"depends_on,omitempty"` // sinks that are delivered before
	Limits    []string          `json:"limits,omitempty"`     // rate limits asked again at dispatch
	Retry     Retry             `json:"retry"`

	// Counts says that the target changes for whoever is triggered by this sink.
	Counts bool `json:"counts,omitempty"`
	// Baseline are the tokens that triggers which are new in the configuration fire from; the
	// ledger learns of them whatever becomes of this plan's delivery.
	Baseline map[string]string `json:"baseline,omitempty"`
	// Remember says that nothing is done, but the ledger learns of other policies or triggers.
	Remember bool `json:"remember,omitempty"`
	// HeldBy is set where a revision that was put back is wanted instead of what the
	// configuration says.
	HeldBy *state.Hold `json:"held_by,omitempty"`
	// Hold is what the ledger will say before anything is delivered: a rollback. HoldBlob are
	// the bytes that it names, nil where the state has them.
	Hold     *state.Hold `json:"hold,omitempty"`
	HoldBlob *state.Blob `json:"hold_blob,omitempty"`

	// Delivery is the intent, Payload its block; nil when nothing is delivered.
	Delivery *state.Delivery `json:"delivery,omitempty"`
	Payload  *state.Payload  `json:"-"`                 // what Blobs[0] holds
	Blobs    []state.Blob    `json:"blobs,omitempty"`   // what Delivery and revision 0 name
	Changes  []byte          `json:"changes,omitempty"` // delivery.changes, redacted JSON
	Sequence int64           `json:"sequence,omitempty"`
	Revision int64           `json:"revision,omitempty"` // of the ledger's row the plan was made from
	// ObservedHash is what the target held when the plan was made.
	ObservedHash string `json:"observed_hash,omitempty"`
	// Replaces is what revision 0 keeps: the bytes that were there before us.
	Replaces []byte `json:"-"` // what the last of Blobs holds
	Size     int64  `json:"size,omitempty"`
}

// Retry is how a failed delivery is tried again within one apply.
type Retry struct {
	Attempts int           `json:"attempts"`
	Min      time.Duration `json:"min"`
	Max      time.Duration `json:"max"`
}

// Limit is one rate limit, with what is needed to ask it again at dispatch.
type Limit struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	Shared  bool   `json:"shared,omitempty"`
	Values  Value  `json:"values"`
}

// Summary counts what a plan does and leaves.
type Summary struct {
	Add, Change, Destroy, Forget, Adopt, Deferred, Blocked, Rejected, Accept, Drifted int
	Failed                                                                            int // sources that failed or were rejected
	Outputs                                                                           int // whose stored value changes
}

// Summary counts the plan's items. A sink that only waits counts as what it waits for.
func (p *Plan) Summary() Summary {
	var s Summary
	for _, c := range p.Sources {
		switch {
		case c.Problem == Limited:
			s.Deferred++
		case c.Problem == Failed || c.Problem == Rejected:
			s.Failed++
		}
		if c.Action == Read {
			s.Accept++
		}
	}
	for _, c := range p.Sinks {
		switch c.Action {
		case Create:
			s.Add++
		case Update:
			s.Change++
		case Delete:
			s.Destroy++
		case Forget:
			s.Forget++
		case Adopt:
			s.Adopt++
		}
		if c.Wait != nil {
			switch c.Wait.Kind {
			case Deferred:
				s.Deferred++
			case BlockedBy:
				s.Blocked++
			case RejectedByOwn:
				s.Rejected++
			}
		}
		if c.Drift != nil && c.Drift.Policy != "ignore" {
			s.Drifted++
		}
	}
	for _, c := range p.Outputs {
		if c.Action.Delivers() {
			s.Outputs++
		}
	}
	return s
}

// HasChanges reports whether the plan holds anything to do now or later: deliveries,
// acceptances, deferred changes, drift to repair or warn about, and new values of outputs.
func (p *Plan) HasChanges() bool {
	s := p.Summary()
	return s.Add+s.Change+s.Destroy+s.Forget+s.Adopt+s.Deferred+s.Accept+s.Drifted+s.Outputs+len(p.ForgetSources)+len(p.Moves) > 0
}

// Acts reports whether apply would do anything now beside bookkeeping of looks.
func (p *Plan) Acts() bool {
	s := p.Summary()
	return s.Add+s.Change+s.Destroy+s.Forget+s.Adopt+s.Accept+s.Outputs+len(p.ForgetSources)+len(p.Moves) > 0
}

// Failed reports whether something failed or was refused: the exit code is 1.
func (p *Plan) Failed() bool {
	s := p.Summary()
	return p.Incomplete || s.Failed > 0 || s.Rejected > 0
}
