package engine

import (
	"time"

	"tidegate/hclspec/address"
)

// Status is what a running daemon says of itself. Nothing in it is secret.
type Status struct {
	Version       string          `json:"version"`
	PID           int             `json:"pid"`
	Started       time.Time       `json:"started"`
	Time          time.Time       `json:"time"` // of this answer
	Dir           string          `json:"dir"`
	State         string          `json:"state"`         // path of the ledger
	StateError    string          `json:"state_error"`   // why the ledger cannot be written, "" if it can
	Configuration string          `json:"configuration"` // hash of the running one
	Reload        ReloadStatus    `json:"reload"`
	Ready         bool            `json:"ready"` // every source was tried once
	Queue         int             `json:"queue"` // looks and deliveries that wait for a worker
	Listener      string          `json:"listener,omitempty"`
	Sources       []*SourceStatus `json:"sources"`          // by address
	Sinks         []*SinkStatus   `json:"sinks"`            // by address
	Checks        []*CheckStatus  `json:"checks,omitempty"` // by address
	Pauses        []*Pause        `json:"pauses,omitempty"`
	Approvals     []*Approval     `json:"approvals,omitempty"`
}

// ReloadStatus says what became of the newest attempt to load the configuration.
type ReloadStatus struct {
	Success bool      `json:"success"`
	Time    time.Time `json:"time"` // of the attempt
	Count   int64     `json:"count"`
	Failed  int64     `json:"failed"`
	Error   string    `json:"error,omitempty"` // with file and line
}

// The states of sources and sinks. Those of a source: Waiting until its first look or push,
// then OK, Degraded (failing, below its failure_threshold still OK), Rejected, Deferred,
// Flapping, Blocked, Paused. Those of a sink: OK, Delivering, Settling, Deferred, Blocked,
// Rejected, Failed (pending and tried again at Next), Drifted (and left so), Fighting, Paused.
const (
	StateOK         = "ok"
	StateWaiting    = "waiting"
	StateFailing    = "failing"
	StateDegraded   = "degraded"
	StateRejected   = "rejected"
	StateDeferred   = "deferred"
	StateFlapping   = "flapping"
	StateBlocked    = "blocked"
	StatePaused     = "paused"
	StateDelivering = "delivering"
	StateSettling   = "settling"
	StateFailed     = "failed"
	StateDrifted    = "drifted"
	StateFighting   = "fighting"
)

// SourceStatus is what a daemon knows of one source.
type SourceStatus struct {
	Address         address.Address `json:"address"`
	Kind            string          `json:"kind"`
	Identity        string          `json:"identity,omitempty"` // path, URL or command
	State           string          `json:"state"`
	Reason          string          `json:"reason,omitempty"`
	Version         string          `json:"version,omitempty"` // of the accepted value
	LastLook        time.Time       `json:"last_look,omitzero"`
	LastSuccess     time.Time       `json:"last_success,omitzero"` // look or push that was answered
	LastChange      time.Time       `json:"last_change,omitzero"`  // acceptance
	LastError       string          `json:"last_error,omitempty"`
	LastErrorTime   time.Time       `json:"last_error_time,omitzero"`
	NextLook        time.Time       `json:"next_look,omitzero"` // zero: only when something tells
	Failures        int             `json:"failures"`           // in a row
	CertificateEnds time.Time       `json:"certificate_ends,omitzero"`
	// LostPush says why a value that was sent has to be sent again, "" where none has.
	LostPush string `json:"lost_push,omitempty"`

	// Since the daemon started.
	Looks      int64 `json:"looks"`
	Changes    int64 `json:"changes"`
	Rejections int64 `json:"rejections"`
	Errors     int64 `json:"errors"`
}

// SinkStatus is what a daemon knows of one sink.
type SinkStatus struct {
	Address       address.Address `json:"address"`
	Kind          string          `json:"kind"`
	Target        string          `json:"target,omitempty"`
	State         string          `json:"state"`
	Reason        string          `json:"reason,omitempty"`
	Revision      int64           `json:"revision"`
	LastSuccess   time.Time       `json:"last_success,omitzero"` // newest acknowledgement
	LastError     string          `json:"last_error,omitempty"`
	LastErrorTime time.Time       `json:"last_error_time,omitzero"`
	Attempts      int             `json:"attempts"`      // of the pending delivery
	Next          time.Time       `json:"next,omitzero"` // when something is tried or due
	Deliveries    int64           `json:"deliveries"`    // acknowledged since the daemon started
	Errors        int64           `json:"errors"`        // failed since then
	Repairs       int64           `json:"repairs"`
	Deferrals     int64           `json:"deferrals"`
}

// Pause stops looking at sources, or delivering to sinks, whose address matches.
type Pause struct {
	Pattern string    `json:"pattern"` // an address or a glob over addresses
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"`   // zero: until resumed
	Except  []string  `json:"except,omitempty"` // addresses that were resumed out of a glob
}

// Approval is the deletion of a removed sink's target, which waits for somebody's word.
type Approval struct {
	Address address.Address `json:"address"`
	Target  string          `json:"target"`
	Since   time.Time       `json:"since"`
}

// Receiver is what the listener must know to take in one name: values for a source, or hints
// for a detector. Its secrets are in clear.
type Receiver struct {
	Name    string          // config_name, "*" for all others, or the name of the detector
	Address address.Address // of the source or detector
	Secrets []string
	Token   string
}

// Open reports whether anybody on the machine may send.
func (r *Receiver) Open() bool { return len(r.Secrets) == 0 && r.Token == "" }

// Receivers are all names that the running configuration takes in. A value of it is never
// changed: a reload makes another.
type Receivers struct {
	Sources   map[string]*Receiver // by config_name
	Wildcard  *Receiver            // of config_name "*", nil if there is none
	Detectors map[string]*Receiver // by the detector's name
}

// Pushed is one value that was sent to the listener, authenticated.
type Pushed struct {
	Receiver *Receiver
	Name     string // config_name as sent
	Data     []byte // JSON of config_data
	// Delivery identifies the request (webhook-id, X-GitHub-Delivery) among those of its
	// receiver, "" if it names none; Digest is over the whole body. They stop replays.
	Delivery string
	Digest   [32]byte
}

// PushOutcome is what became of a pushed value.
type PushOutcome int

// The outcomes. All but the first three leave everything as it was.
const (
	PushAccepted  PushOutcome = iota // durable; it is in use, or waits for a limit or a pause
	PushUnchanged                    // equal to the newest value, or a repetition of this very request
	PushConflict                     // the delivery's id came before, with another body
	PushRejected                     // by a rule or the decoder; Findings says why
	PushGone                         // the receiver is not declared any more
	PushBusy                         // too much waits, or the state cannot be written: try later
)

// PushResult answers a push.
type PushResult struct {
	Outcome  PushOutcome
	Findings []string      // of PushRejected
	Reason   string        // of PushBusy
	After    time.Duration // of PushBusy: when to try again
}
