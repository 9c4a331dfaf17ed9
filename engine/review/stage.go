package review

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/standin"
	"tidegate/hclspec/decode"
	"tidegate/providers"
)

// Guard says what a configuration may do while it is looked at.
type Guard struct {
	NoExec     bool     // no program is run
	LimitHosts bool     // requests go to Hosts alone
	Hosts      []string // see providers.WithHosts
}

// stage is what the stand-ins of one registry share.
type stage struct {
	dir      string // of the module
	guard    Guard
	tape     *tape
	revision *Revision // files of the repository are those of this; nil for the disk
	targets  *targets  // nil where sinks are real
}

// registry returns the kinds with stand-ins for those that touch the world.
func (s *stage) registry(real *providers.Registry) (*providers.Registry, error) {
	var kinds []*providers.Kind
	for _, k := range real.Kinds() {
		switch {
		case k.Type == "source":
			k = k.StandIn(func(real any, values cty.Value, env providers.Env) any {
				return s.source(k, real.(providers.Source), values, env)
			})
		case k.Type == "rate_limit" && s.targets != nil:
			k = k.StandIn(func(any, cty.Value, providers.Env) any { return openLimit{} })
		case k.Type == "sink" && s.targets != nil:
			k = k.StandIn(func(real any, values cty.Value, env providers.Env) any {
				return s.sink(real.(providers.Sink), values, env)
			})
		}
		kinds = append(kinds, k)
	}
	return providers.NewRegistry(kinds)
}

var errNoExec = providers.Permanent(errors.New("it would run a program, and --no-exec was given"))

// openLimit lets everything pass: what a change does is not a matter of its speed.
type openLimit struct{}

func (openLimit) Next(_ providers.Counter, now time.Time) time.Time       { return now }
func (openLimit) Take(c providers.Counter, _ time.Time) providers.Counter { return c }

// sourceStandIn fetches each value once for both configurations.
type sourceStandIn struct {
	stage   *stage
	kind    *providers.Kind
	real    providers.Source
	values  cty.Value
	address string
}

type (
	receiverStandIn struct {
		*sourceStandIn
		providers.Receiver
	}
	readerStandIn struct {
		*sourceStandIn
		reads providers.PathReader
	}
)

func (s *stage) source(kind *providers.Kind, real providers.Source, values cty.Value, env providers.Env) providers.Source {
	base := &sourceStandIn{stage: s, kind: kind, real: real, values: values, address: env.Address}
	if r, is := real.(providers.Receiver); is {
		return &receiverStandIn{base, r}
	}
	if r, is := real.(providers.PathReader); is {
		return &readerStandIn{base, r}
	}
	return base
}

func (s *sourceStandIn) Identity() string {
	if id, is := s.real.(providers.Identifier); is {
		return id.Identity()
	}
	return s.address
}

func (s *sourceStandIn) Retry() providers.Retry {
	if r, is := s.real.(providers.Retrier); is {
		return r.Retry()
	}
	return providers.Retry{Attempts: 1}
}

// Fetch asks without a validator: an answer without a value would be of no use to the other
// configuration.
func (s *sourceStandIn) Fetch(ctx context.Context, _ string) (providers.Snapshot, error) {
	if s.kind.Name == "static" {
		return s.real.Fetch(ctx, "")
	}
	return s.stage.tape.take(s.label(""), func() (providers.Snapshot, error) { return s.ask(ctx) })
}

func (s *sourceStandIn) ask(ctx context.Context) (providers.Snapshot, error) {
	if s.kind.Name == "exec" && s.stage.guard.NoExec {
		return providers.Snapshot{}, errNoExec
	}
	if s.stage.guard.LimitHosts {
		ctx = providers.WithHosts(ctx, s.stage.guard.Hosts)
	}
	return s.real.Fetch(ctx, "")
}

// label tells values that are fetched apart; credentials and policies do not matter.
func (s *sourceStandIn) label(path string) label {
	parts := []string{s.kind.Name, path}
	for it := s.values.ElementIterator(); it.Next(); {
		k, v := it.Element()
		name := k.AsString()
		a := s.kind.Schema.Attribute(name)
		if path != "" && name == "path" || a == nil || a.Credential || a.Common || slices.Contains(policies, name) {
			continue
		}
		v, _ = v.UnmarkDeep()
		if key, err := decode.Key(v, nil); err == nil {
			parts = append(parts, name+"="+key)
		}
	}
	slices.Sort(parts[2:])
	return label{address: s.address, kind: s.kind.Name, identity: s.Identity(), key: decode.RawHash([]byte(strings.Join(parts, "\x00"))), secret: s.secret()}
}

// policies are attributes that do not change what a value is.
var policies = []string{"timeout", "retry", "tls"}

func (s *sourceStandIn) secret() bool {
	if !s.values.Type().HasAttribute("sensitive") {
		return false
	}
	v, _ := s.values.GetAttr("sensitive").Unmark()
	return v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.True()
}

func (s *readerStandIn) ReadsPath() string { return s.reads.ReadsPath() }

// Fetch reads what a sink of this comparison wrote, else the file of the repository's revision,
// else the disk.
func (s *readerStandIn) Fetch(ctx context.Context, _ string) (providers.Snapshot, error) {
	path := s.ReadsPath()
	if s.stage.targets != nil {
		if t, ok := s.stage.targets.get(path); ok {
			return providers.Snapshot{Data: t.content, Location: s.Identity(), Sensitive: t.sensitive}, nil
		}
	}
	if r := s.stage.revision; r != nil && !s.stage.tape.recorded() && r.changes(s.Identity()) {
		if snapshot, ok, err := s.stage.revision.snapshot(s.Identity(), s.recursive()); ok {
			return snapshot, err
		}
	}
	shown := path
	if rel, err := filepath.Rel(s.stage.dir, path); err == nil && filepath.IsLocal(rel) {
		shown = rel
	}
	return s.stage.tape.take(s.label(shown), func() (providers.Snapshot, error) { return s.ask(ctx) })
}

func (s *readerStandIn) recursive() bool {
	if !s.values.Type().HasAttribute("recursive") {
		return false
	}
	v, _ := s.values.GetAttr("recursive").Unmark()
	return v.IsKnown() && !v.IsNull() && v.True()
}

// changes reports whether a file or directory, by the path as it is named or with its links
// resolved, may have been another one at the commit.
func (r *Revision) changes(file string) bool {
	name, inside := r.name(file)
	if !inside {
		return false
	}
	_, plain := r.entries[name]
	if plain && r.entries[name].mode != modeLink {
		return r.differ[name]
	}
	return true // a link or a directory
}

// snapshot reads a file or directory of the tree, false for what is not of it.
func (r *Revision) snapshot(file string, recursive bool) (providers.Snapshot, bool, error) {
	name, inside := r.name(file)
	if !inside {
		return providers.Snapshot{}, false, nil
	}
	out := providers.Snapshot{Location: file}
	name, at, ok := r.entry(name)
	if ok {
		data, err := r.blobs.get(at.name)
		out.Data = data
		return out, true, err
	}
	out.Parts = []providers.Part{}
	for part, at := range r.below(name) {
		if hidden(part) || !recursive && strings.Contains(part, "/") || at.mode == modeLink {
			continue
		}
		data, err := r.blobs.get(at.name)
		if err != nil {
			return out, true, err
		}
		out.Parts = append(out.Parts, providers.Part{Name: part, Data: data})
	}
	slices.SortFunc(out.Parts, func(a, b providers.Part) int { return strings.Compare(a.Name, b.Name) })
	switch {
	case len(out.Parts) > 0:
		return out, true, nil
	case r.tracked[name] || r.tracksBelow(name):
		return out, true, fmt.Errorf("read %s: %w in %s", file, fs.ErrNotExist, r.Ref)
	}
	return out, false, nil
}

func (r *Revision) tracksBelow(dir string) bool {
	for name := range r.tracked {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

func hidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasPrefix(part, ".") })
}

// targets are what the sinks of a comparison have written.
type targets struct {
	mutex sync.Mutex
	files map[string]target
}

type target struct {
	content   []byte
	mode      string
	sensitive bool
}

func (t *targets) get(path string) (target, bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	out, ok := t.files[path]
	return out, ok
}

func (t *targets) put(path string, to *target) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.files, path)
	if to != nil {
		t.files[path] = *to
	}
}

// sink remembers what is delivered to files, and delivers to nobody.
func (s *stage) sink(real providers.Sink, values cty.Value, env providers.Env) providers.Sink {
	w, writes := real.(providers.PathWriter)
	content, has := real.(providers.Content)
	if !writes || !has {
		return standin.Sink(real, standin.Target{})
	}
	now := target{content.Content(), modeOf(values), env.IsSensitive("content") || env.IsSensitive("content_base64")}
	return standin.Sink(real, standin.Target{
		Read:   func() (providers.Observed, error) { return s.targets.observe(w.WritesPath(), now), nil },
		Write:  func(providers.Delivery) error { s.targets.put(w.WritesPath(), &now); return nil },
		Delete: func() error { s.targets.put(w.WritesPath(), nil); return nil },
	})
}

func modeOf(values cty.Value) string {
	if !values.Type().HasAttribute("mode") {
		return ""
	}
	v, _ := values.GetAttr("mode").Unmark()
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return ""
	}
	bits, err := strconv.ParseUint(v.AsString(), 8, 32)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%04o", bits)
}

// observe compares what a path holds with what it is to hold.
func (t *targets) observe(path string, wanted target) providers.Observed {
	held, ok := t.get(path)
	if !ok {
		return providers.Observed{}
	}
	out := providers.Observed{Exists: true, Data: held.content, Hash: decode.RawHash(held.content)}
	if held.mode != wanted.mode {
		out.Differs = []string{fmt.Sprintf("mode is %s, want %s", orDefault(held.mode), orDefault(wanted.mode))}
	}
	return out
}

func orDefault(mode string) string {
	if mode == "" {
		return "that of the file"
	}
	return mode
}
