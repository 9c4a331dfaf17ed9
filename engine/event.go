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

func (PhaseStarted) event()     {}
func (LookStarted) event()      {}
func (LookFinished) event()     {}
func (Accepted) event()         {}
func (DeliveryStarted) event()  {}
func (DeliveryRetried) event()  {}
func (DeliveryFinished) event() {}
func (DeliverySkipped) event()  {}
func (ApplyFinished) event()    {}

// Result counts what an apply did.
type Result struct {
	Accepted, Added, Changed, Destroyed, Forgotten, Adopted int
	Failed, Skipped, Deferred                               int
	Interrupted                                             bool
}
