// Package state is the ledger: what Tidegate knows that the configuration does not say.
// For each source it holds what was accepted, for each sink what was wanted, sent and
// acknowledged, and what is still open.
//
// An intent is durable before the world is touched and an outcome after, so whatever
// fails in between (a crash, a full disk) leaves a ledger that claims less than the truth
// and never more. A store that cannot be read or written is an error that changes nothing.
package state

import (
	"encoding/json"
	"slices"
	"time"

	"tidegate/hclspec/address"
)

// Ledger is one consistent reading of the whole state, without the bytes of its blobs.
type Ledger struct {
	Lineage string // random, made with the state; a plan for another lineage is refused
	Serial  int64  // grows with every commit
	Sources map[address.Address]*Source
	Sinks   map[address.Address]*Sink
	Outputs map[address.Address]*Output
	// Shared holds the counters of rate limits with scope "shared", by the limit's address.
	Shared map[string]Counter
}

// New returns an empty ledger, as of a state that does not exist yet.
func New() *Ledger {
	return &Ledger{
		Sources: map[address.Address]*Source{},
		Sinks:   map[address.Address]*Sink{},
		Outputs: map[address.Address]*Output{},
		Shared:  map[string]Counter{},
	}
}

// Counter is what a rate limit remembers; see providers.Counter.
type Counter []time.Time

// Source is the row of one source.
type Source struct {
	Address  address.Address `json:"address"`
	Revision int64           `json:"revision"` // grows with every write of this row; set by the store
	// Snapshots are the accepted ones, newest first; the first is in use. At least
	// KeepSnapshots of them are kept, and every one that a sink's acknowledged delivery names.
	Snapshots []Snapshot `json:"snapshots,omitempty"`
	// Validator belongs to the bytes of Snapshots[0]: handed to the next look.
	Validator string `json:"validator,omitempty"`
	// Judged identifies the rules, decoder and schema that Snapshots[0] passed. When it
	// differs from the configuration's the stored bytes are judged again.
	Judged      string             `json:"judged,omitempty"`
	Failures    int                `json:"failures,omitempty"` // in a row
	LastError   string             `json:"last_error,omitempty"`
	LastSuccess time.Time          `json:"last_success,omitzero"`
	Accepted    int64              `json:"accepted,omitempty"` // acceptances ever
	Changes     []time.Time        `json:"changes,omitempty"`  // newest last, bounded
	Rejected    []Rejection        `json:"rejected,omitempty"`
	Counters    map[string]Counter `json:"counters,omitempty"` // by address of the rate limit
	// Polled is the hash of the newest bytes that a poll brought, kept where values are also
	// pushed: a poll that still brings them is no news and does not undo a push.
	Polled string `json:"polled,omitempty"`
	// Flap is set while the value goes back and forth and is therefore held.
	Flap *Flap `json:"flap,omitempty"`
}

// Flap is the value of a source that goes back and forth, until it has stayed long enough.
type Flap struct {
	Key   string `json:"key"`   // identity of the value that is waiting, as Snapshot.Key
	Looks int    `json:"looks"` // how many looks in a row brought it
}

// Current returns the accepted snapshot, nil if there is none (or no row).
func (s *Source) Current() *Snapshot {
	if s == nil || len(s.Snapshots) == 0 {
		return nil
	}
	return &s.Snapshots[0]
}

// KeepSnapshots is the least number of accepted generations of a source that are kept.
const KeepSnapshots = 3

// KeepRevisions is the number of a sink's delivered contents that are kept.
const KeepRevisions = 10

// Snapshot is one accepted value of a source. Its bytes are the blob named Blob.
type Snapshot struct {
	Blob        string    `json:"blob"`    // hash of the original bytes
	Key         string    `json:"key"`     // identity under the detectors: moves only when it counts
	Version     string    `json:"version"` // as shown
	Format      string    `json:"format"`  // decoder
	Location    string    `json:"location,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	Parts       bool      `json:"parts,omitempty"` // the blob is an encoded directory
	Size        int64     `json:"size"`
	Sensitive   bool      `json:"sensitive,omitempty"`
	Sealed      bool      `json:"sealed,omitempty"` // the blob is encrypted and named by a keyed hash
	AcceptedAt  time.Time `json:"accepted_at"`
}

// Rejection is a version that a rule refused, remembered so that it is reported once.
type Rejection struct {
	Hash     string    `json:"hash"`
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`
	Findings []string  `json:"findings,omitempty"` // redacted
}

// Sink is the row of one sink.
type Sink struct {
	Address  address.Address `json:"address"`
	Revision int64           `json:"revision"` // of the row; set by the store
	Kind     string          `json:"kind"`
	Target   string          `json:"target"` // without credentials
	// Sequence counts the intents ever made for this sink: part of the delivery's identity.
	Sequence int64 `json:"sequence"`
	// Writes counts acknowledged writes; a sink that is triggered by this one compares it.
	Writes int64 `json:"writes"`
	// Acknowledged is the newest delivery that was acknowledged as a whole, or adopted.
	Acknowledged *Delivery `json:"acknowledged,omitempty"`
	// Pending is the open intent: a delivery that was begun and whose outcome is failure or
	// unknown. At most one.
	Pending *Delivery `json:"pending,omitempty"`
	// Revisions are delivered contents, newest first; number 0 is what was there before us.
	Revisions []Revision         `json:"revisions,omitempty"`
	Counters  map[string]Counter `json:"counters,omitempty"`
	// Hold is set by a rollback, until it is released.
	Hold *Hold `json:"hold,omitempty"`
}

// Hold keeps a sink from what it was rolled back from. While its block renders to that the
// payload is wanted instead; anything else is delivered, and the hold goes on from there.
type Hold struct {
	Since    time.Time `json:"since"`
	Revision int64     `json:"revision"`         // that is held
	Payload  string    `json:"payload"`          // blob: its block
	Causes   []Cause   `json:"causes,omitempty"` // without the blobs of their values
	// Refused are the fingerprints of what was rolled back from, newest last. None of them is
	// delivered again before the release.
	Refused []string `json:"refused"`
}

// Refuses reports whether one of the fingerprints was rolled back from; "" never was.
func (h *Hold) Refuses(fingerprints ...string) bool {
	return h != nil && slices.ContainsFunc(fingerprints, func(f string) bool { return f != "" && slices.Contains(h.Refused, f) })
}

// Delivery is one value on its way to, or at, its target.
type Delivery struct {
	ID          string    `json:"id"`             // the idempotency key
	Fingerprint string    `json:"fingerprint"`    // of what is sent
	Hash        string    `json:"hash,omitempty"` // of the content, where the target is readable
	At          time.Time `json:"at"`             // of the intent, then of the acknowledgement
	Attempts    int       `json:"attempts,omitempty"`
	Error       string    `json:"error,omitempty"` // of the last attempt, redacted
	// Unknown is set while nobody knows whether the attempt under way reached its target.
	Unknown bool `json:"unknown,omitempty"`
	Adopted bool `json:"adopted,omitempty"` // the target already held the value
	Repair  bool `json:"repair,omitempty"`  // restores an acknowledged value
	// Failures counts those in a row of the sink, of an open intent that a daemon tries again.
	// That is due at RetryAt; never where Gone is set. Both are about the block that Block
	// identifies: another one is tried at once.
	Failures int       `json:"failures,omitempty"`
	RetryAt  time.Time `json:"retry_at,omitzero"`
	Gone     bool      `json:"gone,omitempty"`     // its target says that it takes this never more
	AtStart  bool      `json:"at_start,omitempty"` // tried before it was due, since the daemon was started
	Block    string    `json:"block,omitempty"`
	// Payload names the blob with the block as it was applied (see Payload).
	Payload string `json:"payload"`
	// Causes are the versions of the sources the value was made from, with the blob of each.
	Causes []Cause `json:"causes,omitempty"`
	// Policies identifies what was applied beside the content.
	Policies string `json:"policies,omitempty"`
	// Triggers are the tokens of the triggers that this delivery answers.
	Triggers map[string]string `json:"triggers,omitempty"`
}

// Cause is the version of one source that a delivery was made from.
type Cause struct {
	Source  address.Address `json:"source"`
	Version string          `json:"version"`
	Blob    string          `json:"blob,omitempty"`
}

// Revision is one content a sink's target held.
type Revision struct {
	Number   int64     `json:"number"`
	Time     time.Time `json:"time"`
	Delivery string    `json:"delivery,omitempty"`
	Cause    string    `json:"cause,omitempty"`  // in words: "source.http.app at \"v2\""
	Causes   []Cause   `json:"causes,omitempty"` // the same, without the blobs of their values
	Size     int64     `json:"size"`
	Hash     string    `json:"hash"`
	// Fingerprint is that of the delivery, "" for what was there before us.
	Fingerprint string `json:"fingerprint,omitempty"`
	Payload     string `json:"payload,omitempty"` // blob; for revision 0 the bytes themselves
}

// Output is the row of one output: its value at the last apply. The value is the blob named
// Blob, JSON of its type and itself, sealed where Sensitive.
type Output struct {
	Address   address.Address `json:"address"`
	Revision  int64           `json:"revision"` // of the row; set by the store
	Blob      string          `json:"blob"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// Payload is a sink's block as it was, or is to be, applied: enough to deliver, compare and
// delete without the configuration. It is stored as a blob, sealed where Sensitive is set.
type Payload struct {
	Kind      string          `json:"kind"`
	Values    json.RawMessage `json:"values"`              // attributes as cty JSON with its type
	Sensitive []string        `json:"sensitive,omitempty"` // names of top-level attributes that were marked
	ModuleDir string          `json:"module_dir"`          // of the module that the block stands in
	RootDir   string          `json:"root_dir,omitempty"`  // of the root module, empty where it is ModuleDir
	OnDestroy string          `json:"on_destroy"`
	OnDrift   string          `json:"on_drift"`
}

// Entry is one line of the history.
type Entry struct {
	ID       int64           `json:"id"` // set by the store
	Address  address.Address `json:"address"`
	Time     time.Time       `json:"time"`
	Action   string          `json:"action"` // accept, reject, create, update, repair, adopt, delete, forget, move, fail
	Revision int64           `json:"revision"`
	Cause    string          `json:"cause"`
	Size     int64           `json:"size"`
	Hash     string          `json:"hash"`
	Delivery string          `json:"delivery,omitempty"`
	Error    string          `json:"error,omitempty"`
}
