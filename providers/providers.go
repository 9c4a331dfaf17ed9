// Package providers is the contract between the engine and everything that touches the
// world: five interfaces, one for each kind of block. Read this file and you can write a
// kind; kind.go says how it is declared, providertest how it is proved.
//
// When a provider fails it returns an error and nothing else happens: the engine keeps the
// accepted value, leaves sinks as they are, and decides from the error's class (Temporary,
// Permanent, After) whether to try again. A provider therefore never falls back by itself,
// never answers with an empty value for something that is missing, and never retries in
// secret.
//
// All methods may be called from several goroutines, but for one instance at most one call
// of Fetch, and at most one call of Write or Delete, is under way at a time. Every method
// with a context returns soon after it is done.
package providers

import (
	"context"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Source is where one value comes from.
type Source interface {
	// Fetch looks once at the origin. last is the Validator of the newest snapshot the
	// engine holds, "" if it holds none; a source that can tell that nothing changed since
	// answers Snapshot{NotModified: true}, every other one answers the whole snapshot.
	// The bytes may not exceed FetchLimit(ctx). What is missing (404, no such file) is an error.
	Fetch(ctx context.Context, last string) (Snapshot, error)
}

// Snapshot is what one look brought.
type Snapshot struct {
	NotModified bool   // nothing else is set but Validator, if it was renewed, and CertificateEnds
	Data        []byte // the bytes as fetched
	Parts       []Part // instead of Data: a directory, sorted by name
	ContentType string // media type as the origin names it, "" if it names none
	Location    string // path or URL after redirects; its ending chooses the decoder
	Format      string // the decoder, where the kind knows it ("json" for env and static)
	Validator   string // opaque; handed back to the next Fetch
	Version     string // what to show as the version (etag, commit); "" for the hash of the bytes
	Sensitive   bool   // the whole value is to be marked
	// Private says that not everybody may read it at the origin (a file of mode 0600, an
	// answer to a token): its bytes are sealed in the state, but shown in plans.
	Private bool
	// CertificateEnds is when the origin's certificate stops being accepted, zero where it
	// has none. It is set beside NotModified, too.
	CertificateEnds time.Time
}

// Part is one file of a directory.
type Part struct {
	Name string // relative, with slashes
	Data []byte
}

// Retrier is a Source whose failed look may be repeated within one look.
type Retrier interface {
	Retry() Retry
}

// Identifier is a Source that can name what it reads, for plans and messages.
type Identifier interface {
	// Identity returns the path, URL or command without credentials.
	Identity() string
}

// PathReader is a Source that reads one local path, so that the engine can order it after
// a sink that writes there.
type PathReader interface {
	ReadsPath() string // absolute
}

// Watcher is a Source or Sink that can tell by itself that its origin or target may have
// changed.
type Watcher interface {
	// Watch registers wake and returns at once. Until stop was called, wake is called soon
	// after something may have changed, from any goroutine and possibly without reason; it
	// does not block, and neither Watch nor stop is called from within it. A path that does
	// not exist yet, or comes back later, is watched all the same. No goroutine is kept for
	// one registration. An error says that there is no notification here (no watches left):
	// the engine polls instead, and tries again with each poll.
	Watch(wake func(Change)) (stop func(), err error)
}

// Change is what a Watcher knows of what happened.
type Change int

// The changes. Each means only "look again"; they differ in when.
const (
	Replaced Change = iota // a whole new thing is in place (a rename): look at once
	Written                // something is being written in place: wait until it settled
	Lost                   // notifications were lost: look at once
)

// AllNames is the ConfigName of a source that takes every name which no other source declares.
const AllNames = "*"

// Push says how a value is sent to a source, or a hint to a detector, and what the sender
// must prove: one of the secrets (a signature) or the token. With neither, anybody on the
// machine may send.
type Push struct {
	ConfigName  string   // "*" for every name that no other source declares; "" for a detector
	Secrets     []string // any of them signs; several serve a rotation
	BearerToken string
}

// Receiver is a Source that has no origin to look at, its value being what was pushed last,
// or a Detector that an authenticated request wakes.
type Receiver interface {
	Push() Push
}

// Detector says when to look again and which differences count.
type Detector interface {
	// Delay returns the wait until the next look, jitter included. It is a pure function of
	// the history (and of the random number it carries).
	Delay(h History) time.Duration
	// Ignore lists the paths of a value whose differences do not count, as in
	// "generated_at" or "meta.*.ts". Lists of all detectors of a source unite.
	Ignore() []string
	// FailureThreshold is the number of failures in a row from which the source counts as degraded.
	FailureThreshold() int
}

// Notified is a Detector that uses what a Watcher tells. What is being written in place is
// looked at when it was quiet for Debounce.
type Notified interface {
	Debounce() time.Duration
}

// Paced is a Detector whose pace others must know: the circuit of a host stays open no
// longer than BackoffMax, and a value that goes back and forth within Window is held.
type Paced interface {
	BackoffMax() time.Duration
	Window() time.Duration
}

// History is what a detector may know of the looks so far.
type History struct {
	Now      time.Time
	Current  time.Duration // the delay before this look, 0 at first
	Changes  []time.Time   // accepted or rejected changes, oldest first
	Failures int           // failures in a row, 0 after a success
	Random   float64       // uniform in [0, 1)
}

// Rule judges a candidate.
type Rule interface {
	// Judge returns what speaks against the candidate; no findings accept it. An error means
	// that the rule itself could not judge, which rejects too.
	Judge(ctx context.Context, c Candidate) ([]Finding, error)
}

// Candidate is a value that asks to be accepted.
type Candidate struct {
	Value    cty.Value // decoded, marked where sensitive
	Previous cty.Value // the last accepted value, null at first
	Data     []byte    // the raw text
	Address  string    // of the source or sink
	Version  string
	// Scope evaluates the expressions of a rule: what the rule's block can see, and value,
	// previous, text and meta.
	Scope *hcl.EvalContext
}

// Finding is one thing that speaks against a candidate.
type Finding struct {
	Message string
	Path    string     // where in the value, "" if it is not about one place
	Range   *hcl.Range // where in the configuration the condition stands
}

// RateLimit says when the next update may pass. It keeps no state of its own: the engine
// hands it a Counter and stores the one it answers, so that limits survive a restart.
type RateLimit interface {
	// Next returns the earliest time, not before now, at which one more update may pass.
	// Times in the counter that lie after now (the clock was set back) never make the wait
	// longer than an untouched clock would.
	Next(c Counter, now time.Time) time.Time
	// Take returns the counter after one update passed at the given time.
	Take(c Counter, at time.Time) Counter
}

// Counter is what a rate limit remembers: a few times, whose meaning is the kind's own.
type Counter []time.Time

// SinkReader is the half of a sink that observing may use: it changes nothing.
type SinkReader interface {
	// Target names where the value goes, without credentials: a path, a URL, a command.
	Target() string
	// Fingerprint identifies what would be sent, without credentials and policies, as
	// "sha256:...". Equal fingerprints need no second delivery.
	Fingerprint() string
	// Read looks at what the target holds now. A kind whose target cannot be read answers
	// Observed{Opaque: true}. A target that does not exist is no error.
	Read(ctx context.Context) (Observed, error)
}

// Observed is what a target holds.
type Observed struct {
	Opaque bool   // the target cannot be read (exec, http)
	Exists bool   // there is something at the target
	Data   []byte // its bytes, up to the sink's cap
	Hash   string // "sha256:..." over all bytes
	// Differs lists in words the attributes beside the content that are not as wanted, for
	// example "mode is 0600, want 0640". Empty when they are, or when nothing is wanted.
	Differs []string
	Private bool // not everybody may read the target: its bytes are sealed in the state
}

// Sink is where a value goes.
type Sink interface {
	SinkReader
	// Write delivers. It returns nil only when the whole delivery has been acknowledged:
	// the file is durable, the program exited with success, the server answered 2xx. On any
	// error the target is as it was, or the error says what is unknown.
	Write(ctx context.Context, d Delivery) error
	// Delete removes the target; one that is already gone is no error. A kind that cannot
	// delete returns a Permanent error.
	Delete(ctx context.Context) error
}

// Exposer is a Sink with attributes that expressions may read (path, url, sha256).
type Exposer interface {
	Expose() map[string]cty.Value
}

// Content is a SinkReader whose delivery is one document: what rules judge and diffs show.
type Content interface {
	Content() []byte
	// Format is the decoder that the target's ending suggests, "" for none.
	Format() string
}

// PathWriter is a Sink that owns one local path; two of them on one path are an error.
type PathWriter interface {
	WritesPath() string // absolute
}

// Readiness is a Sink that can often tell before it is asked to write that it could not.
type Readiness interface {
	// Ready says why Write cannot work as things are now, nil if nothing is known to speak
	// against it. It changes nothing, and may be called beside Read.
	Ready(ctx context.Context) error
}

// Sweeper is a Sink that may have left something beside its target when it was killed.
type Sweeper interface {
	Sweep(ctx context.Context) error
}

// Delivery is one attempt to bring a value to its target.
type Delivery struct {
	ID      string            // stable until acknowledged or superseded: the idempotency key
	Address string            // of the sink
	Cause   map[string]string // source address to version
	Changes []byte            // JSON list of {address, path, action, before, after}, redacted
	Attempt int               // 1 for the first
	// Redact removes secrets from what a program or server answered, for use in errors.
	Redact func(string) string
}
