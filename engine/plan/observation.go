package plan

import (
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
)

// Input is everything Compute looks at.
type Input struct {
	Now     time.Time
	Ledger  *state.Ledger
	Sources []*SourceObservation // in the order of their addresses
	Sinks   []*SinkObservation   // dependencies first
	Removed []*Removed           // sinks of the ledger that are no longer declared, or all when destroying
	// RemovedSources are sources of the ledger that are no longer declared.
	RemovedSources []address.Address
	Destroy        bool
}

// Limiter answers for one rate limit; its functions are pure.
type Limiter struct {
	Shared bool
	Next   func(c state.Counter, now time.Time) time.Time
	Take   func(c state.Counter, at time.Time) state.Counter
}

// SourceObservation is what one look at a source brought, judged.
type SourceObservation struct {
	Address  address.Address
	Kind     string
	Identity string

	Blocked string // why its configuration is not known, "" if it is
	Pushed  bool   // the value was sent, and waits in the state
	// Unusable says that the value itself is why the look failed: it will never be of use.
	Unusable bool
	Polled   string // hash of what a poll brought, where values are also sent
	Waiting  bool   // nothing was ever sent to it
	Err      string // why the look failed, "" if it did not
	// Same is set when the origin answered "not modified", or the very bytes that are accepted.
	Same      bool
	Validator string          // of this look
	Fresh     *state.Snapshot // what the look brought, nil on Same or failure
	Data      []byte          // its bytes
	Judged    string          // identity of the rules, decoder and schema
	Rejected  bool            // the value (fresh, or stored and judged again) was refused
	Checks    []Check

	// Ignored are the places of a value whose changes do not count, where they are to be shown.
	Ignored []decode.Path

	Accepted     cty.Value // the accepted value, NilVal if none or not readable
	Value        cty.Value // the fresh value, NilVal if it could not be decoded
	Fallback     cty.Value // NilVal if there is none
	FallbackFine bool      // it passed the rules
	Limits       []string  // addresses of the rate limits on acceptances
	// FlapWindow is the time within which a value that goes back and forth is held, 0 for not at all.
	FlapWindow time.Duration
}

// SinkObservation is one sink as it would be delivered, beside what its target holds.
type SinkObservation struct {
	Address address.Address
	Kind    string
	Target  string

	Blocked *Wait // why it cannot be rendered or may not be delivered, nil if it can
	Checks  []Check
	Values  cty.Value // attributes, marked; NilVal if they could not be evaluated
	Payload *state.Payload
	// Fingerprint is of what would be sent, Hash of the content where the target is
	// readable; both keyed where Sensitive.
	Fingerprint string
	Hash        string
	// OtherFingerprint and OtherHash are the same, keyed where the others are plain and the
	// other way round: what was acknowledged before a value was marked is still recognised.
	OtherFingerprint string
	OtherHash        string
	OtherHeldHash    string
	// Policies identifies what the ledger must know beside the content: mode, owner,
	// on_drift, on_destroy.
	Policies string

	Content []byte // nil also where the sink is in step
	// Format is how the content is written, where it is to be compared by key, too.
	Format      decode.Format
	Size        int64 // of the content
	Sensitive   bool
	FilledLater bool
	Filled      []string // what is filled in then
	Fallback    bool     // made from the fallback of some source
	// HeldBy is set where all of this is of a revision that was put back.
	HeldBy *state.Hold

	Opaque   bool // the target cannot be read
	Exists   bool
	Held     []byte
	HeldHash string
	Differs  []string
	// ConfigChanged says that attributes beside the content were changed in the
	// configuration since the last delivery, so that Differs is no drift.
	ConfigChanged bool

	Last *LastApplied // what was acknowledged, loaded only where something differs

	OnCreate, OnDrift string
	Triggers          []Trigger
	DependsOn         []address.Address // sinks it has an edge to
	Limits            []string
	Retry             Retry
	Causes            []state.Cause
}

// LastApplied is the acknowledged block of a sink.
type LastApplied struct {
	Values  cty.Value
	Payload *state.Payload
	Content []byte
	Blob    string // name of the payload's blob
	// Sensitive is set where what was sent then is not to be shown.
	Sensitive bool
}

// Trigger is one entry of a sink's triggers.
type Trigger struct {
	Name  string          // as it is written
	Sink  address.Address // zero for a value
	Token string          // of a value: moves when the value does
	// Block is the entry of a repeated block of which all instances are triggers, where this is
	// one of them, else "".
	Block string
}

// Removed is a sink that the ledger knows and the configuration does not.
type Removed struct {
	Address   address.Address
	OnDestroy string
	Keeps     string // why the target stays, where that is something else than on_destroy = "keep"
	Payload   *state.Payload
	Values    cty.Value
	// Successor is a declared sink that writes the same path: the target is its own now.
	Successor address.Address
	// Foreign says that the target, to which nobody knows whether anything was delivered, holds
	// something else than that.
	Foreign   bool
	Sensitive bool
	DependsOn []address.Address
}
