package engine

import (
	"time"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// Event is one thing that happened, as every view renders it. The set is closed: the types
// below are all there are. Nothing in an event is secret.
type Event interface{ event() }

// Phase is a stretch of work with a known number of items.
type Phase string

// The phases.
const (
	Observing Phase = "observe"
	Applying  Phase = "apply"
)

// PhaseStarted opens a phase; Total items will finish, each with one closing event.
type PhaseStarted struct {
	Phase Phase
	Total int
}

// LookStarted says that a source is being fetched.
type LookStarted struct{ Address address.Address }

// LookFinished closes the look at one source.
type LookFinished struct {
	Address  address.Address
	Standing plan.Standing
	Problem  plan.Problem
	Reason   string // of the problem
	Elapsed  time.Duration
}

// Accepted says that a candidate became the value in use.
type Accepted struct {
	Address address.Address
	Version string
}

// DeliveryStarted says that a sink is being written; its intent is durable.
type DeliveryStarted struct {
	Address  address.Address
	Action   plan.Action
	Target   string
	Delivery string // the idempotency key
	Repair   bool   // what was acknowledged is restored
}

// DeliveryRetried says that one attempt failed and another follows after Wait.
type DeliveryRetried struct {
	Address address.Address
	Attempt int
	Err     string
	Wait    time.Duration
}

// DeliveryFinished closes one item of the apply phase. Err is "" when it was acknowledged
// and the outcome is durable.
type DeliveryFinished struct {
	Address address.Address
	Action  plan.Action
	Target  string
	Repair  bool // what was acknowledged is restored
	Err     string
	Elapsed time.Duration
}

// DeliverySkipped closes an item that was planned and not tried: something it depends on
// failed, a rate limit had no place after all, or the apply was interrupted.
type DeliverySkipped struct {
	Address address.Address
	Action  plan.Action
	Reason  string
	Until   time.Time // of a deferral, else zero
}

// ApplyFinished closes an apply.
type ApplyFinished struct{ Result Result }

// Rejected says that a candidate was refused, once for each candidate.
type Rejected struct {
	Address address.Address
	Version string
	Reason  string
}

// SourceState says that a source changed its state (StateOK, StateDegraded, ...).
type SourceState struct {
	Address  address.Address
	From, To string
	Reason   string
}

// SinkState says that a sink changed its state, other than by a delivery.
type SinkState struct {
	Address  address.Address
	From, To string
	Reason   string
	Until    time.Time // of a deferral, else zero
}

// DaemonStarted says that deliveries are made from now on; DaemonReady that every source was
// tried once; DaemonStopping that nothing new is begun; DaemonStopped closes.
type (
	DaemonStarted struct {
		Sources, Sinks int
		Moved          int  // that have another address now
		LastGood       bool // the configuration is the last good one, since the present one is broken
	}
	DaemonReady    struct{ Elapsed time.Duration }
	DaemonStopping struct{ Grace time.Duration }
	DaemonStopped  struct{ Parked int }
)

// ReloadStarted says that the configuration was read again and is taken over, or refused, next.
type ReloadStarted struct{}

// Reloaded says that another configuration runs, or, with Err, that the old one goes on.
type Reloaded struct {
	Err                     string // with file and line
	Added, Changed, Removed int
	Moved                   int // that have another address now
	Elapsed                 time.Duration
}

// InstancesChanged says that blocks have other instances, since the data changed that their for_each
// or count is made of, or, with Err, that they stay as they are and why.
type InstancesChanged struct {
	Block                   address.Address // with Err; zero for several
	Err                     string
	Added, Changed, Removed int
	Elapsed                 time.Duration
}

// StateTrouble says that the ledger cannot be written (Err set), or can again.
type StateTrouble struct{ Err string }

// PushReceived says that a pushed value was answered.
type PushReceived struct {
	Address address.Address
	Name    string
	Outcome PushOutcome
	Elapsed time.Duration
}

// ApprovalNeeded says that the deletion of a removed sink's target waits for approval.
type ApprovalNeeded struct {
	Address address.Address
	Target  string
}

// PauseChanged says that somebody paused or resumed sources or sinks.
type PauseChanged struct {
	Pause   Pause
	Resumed bool
}

func (PhaseStarted) event()     {}
func (LookStarted) event()      {}
func (LookFinished) event()     {}
func (Accepted) event()         {}
func (DeliveryStarted) event()  {}
func (DeliveryRetried) event()  {}
func (DeliveryFinished) event() {}
func (DeliverySkipped) event()  {}
func (ApplyFinished) event()    {}
func (Rejected) event()         {}
func (SourceState) event()      {}
func (SinkState) event()        {}
func (DaemonStarted) event()    {}
func (DaemonReady) event()      {}
func (DaemonStopping) event()   {}
func (DaemonStopped) event()    {}
func (ReloadStarted) event()    {}
func (Reloaded) event()         {}
func (InstancesChanged) event() {}
func (StateTrouble) event()     {}
func (PushReceived) event()     {}
func (ApprovalNeeded) event()   {}
func (PauseChanged) event()     {}

// Result counts what an apply did.
type Result struct {
	Accepted, Added, Changed, Destroyed, Forgotten, Adopted int
	Moved                                                   int // sources and sinks that have another address now
	Failed, Skipped, Deferred                               int
	Interrupted                                             bool
}
