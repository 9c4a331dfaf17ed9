package scenario

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/engine/standin"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/providers"
)

// Kinds whose instances ask nobody are used as they are: their answers follow from the
// configuration, the environment and the module's files.
var (
	answers  = map[string]bool{"static": true, "env": true}    // of sources
	computes = map[string]bool{"assert": true, "schema": true} // of rules
)

// stage is what the stand-ins of one loaded configuration share. The world on it changes from
// run to run, while no engine is at work.
type stage struct {
	dir   string // of the module, links resolved
	shown string // as it was given
	world *world

	// unread are sources that count as reading no path: they are mocked, so that an engine must
	// not tell them what a sink is about to write there.
	unread []address.Address

	mutex    sync.Mutex
	resolved map[string]string          // targets to the paths that they lead to
	written  map[string]bool            // the paths that sinks write
	reads    map[address.Address]string // the paths that sources read
	sentTo   map[address.Address]string // sources whose values are sent to them, with their name
}

func newStage(dir string) *stage {
	return &stage{dir: resolve(dir), shown: dir, resolved: map[string]string{}, written: map[string]bool{}, reads: map[address.Address]string{}, sentTo: map[address.Address]string{}}
}

// registry returns the kinds with stand-ins for those that touch the world.
func (s *stage) registry(real *providers.Registry) (*providers.Registry, error) {
	var kinds []*providers.Kind
	for _, k := range real.Kinds() {
		switch {
		case k.Type == "source":
			k = k.StandIn(func(real any, values cty.Value, env providers.Env) any {
				return s.source(k.Name, real.(providers.Source), values, env)
			})
		case k.Type == "sink":
			k = k.StandIn(func(real any, values cty.Value, env providers.Env) any {
				return s.sink(k.Name, real.(providers.Sink), values, env)
			})
		case k.Type == "rule" && !computes[k.Name]:
			k = k.StandIn(func(real any, _ cty.Value, env providers.Env) any {
				return &ruleStandIn{stage: s, address: addressOf(env), kind: k.Name}
			})
		}
		kinds = append(kinds, k)
	}
	return providers.NewRegistry(kinds)
}

func (s *stage) event(ev engine.Event) {
	if s.world != nil {
		s.world.event(ev)
	}
}

func addressOf(env providers.Env) address.Address {
	a, err := address.Parse(env.Address)
	if err != nil {
		panic("scenario: the engine names a block " + env.Address)
	}
	return a
}

// name is what tests call a path: relative where it is below the module's directory.
func (s *stage) name(path string) string {
	if name := shown(s.shown, path); name != path {
		return name
	}
	return shown(s.dir, path)
}

// sourceStandIn answers what the mock says, or what the real source does where that asks
// nobody outside of the module's directory.
type sourceStandIn struct {
	stage   *stage
	real    providers.Source
	address address.Address
	kind    string
	values  cty.Value
}

func (s *stage) source(kind string, real providers.Source, values cty.Value, env providers.Env) providers.Source {
	base := &sourceStandIn{stage: s, real: real, address: addressOf(env), kind: kind, values: values}
	if r, is := real.(providers.Receiver); is {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.sentTo[base.address] = r.Push().ConfigName
		return &receiverStandIn{base, r}
	}
	if r, is := real.(providers.PathReader); is && !slices.ContainsFunc(knownAs(base.address), func(a address.Address) bool { return slices.Contains(s.unread, a) }) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		path := r.ReadsPath()
		s.reads[base.address] = path
		return &readerStandIn{base, path}
	}
	return base
}

// rereads reports whether a source that is mocked as a reads what some sink writes.
func (s *stage) rereads(a address.Address) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for reader, path := range s.reads {
		if !slices.Contains(knownAs(reader), a) {
			continue
		}
		for written := range s.written {
			if filepath.IsLocal(relative(path, written)) {
				return true
			}
		}
	}
	return false
}

type (
	receiverStandIn struct {
		*sourceStandIn
		providers.Receiver
	}
	readerStandIn struct {
		*sourceStandIn
		path string // nothing on the disk changes while tests run
	}
)

func (s *sourceStandIn) Identity() string {
	if id, is := s.real.(providers.Identifier); is {
		return id.Identity()
	}
	return s.address.String()
}

func (s *sourceStandIn) Fetch(ctx context.Context, last string) (providers.Snapshot, error) {
	if m := s.stage.world.meets(s.address); m != nil {
		return s.mocked(m)
	}
	if answers[s.kind] {
		return s.real.Fetch(ctx, last)
	}
	return s.refuse("asked")
}

// refuse leaves a source alone that would ask somebody.
func (s *sourceStandIn) refuse(how string) (providers.Snapshot, error) {
	s.stage.world.stray(s.address, stranger{how, s.Identity()})
	return providers.Snapshot{}, providers.Permanent(errors.New("it is not mocked, and a test asks nobody"))
}

func (s *sourceStandIn) mocked(m *met) (providers.Snapshot, error) {
	if m.err != "" {
		return providers.Snapshot{}, providers.Permanent(mockFailure(m.err))
	}
	location := s.Identity()
	data, format := m.raw(s.values, location)
	return providers.Snapshot{
		Data: data, Format: format, Location: location, ContentType: m.mime, Version: m.version, Sensitive: m.sensitive,
	}, nil
}

func (s *readerStandIn) ReadsPath() string { return s.path }

// Fetch reads what the mock says, else the files of the test, else the module's own.
func (s *readerStandIn) Fetch(ctx context.Context, last string) (providers.Snapshot, error) {
	world, path := s.stage.world, s.path
	if m := world.meets(s.address); m != nil {
		return s.mocked(m)
	}
	if e, ok := world.file(path); ok {
		return providers.Snapshot{Data: e.data, Location: s.Identity(), Sensitive: e.sensitive}, nil
	}
	recursive := false
	if s.values.Type().HasAttribute("recursive") {
		v, _ := s.values.GetAttr("recursive").Unmark()
		recursive = known(v, cty.Bool) && v.True()
	}
	within := world.below(path, recursive)
	inside := filepath.IsLocal(relative(s.stage.dir, path))
	switch {
	case s.stage.writes(path):
		return providers.Snapshot{}, fmt.Errorf("read %s: no such file: no sink has written it in this test", s.stage.name(path))
	case len(within) == 0 && inside:
		return s.real.Fetch(ctx, last)
	case len(within) == 0:
		return s.refuse("read outside of the module's directory")
	}
	return s.directory(ctx, within, inside)
}

// directory puts the files of the test into those of the module.
func (s *readerStandIn) directory(ctx context.Context, within map[string]entry, inside bool) (providers.Snapshot, error) {
	parts := map[string]providers.Part{}
	out := providers.Snapshot{Location: s.Identity()}
	if inside {
		found, err := s.real.Fetch(ctx, "")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
		for _, p := range found.Parts {
			parts[p.Name] = p
		}
	}
	for name, e := range within {
		parts[name] = providers.Part{Name: name, Data: e.data}
		out.Sensitive = out.Sensitive || e.sensitive
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		out.Parts = append(out.Parts, parts[name])
	}
	return out, nil
}

func (s *stage) writes(path string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.written[path]
}

func relative(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return ".."
	}
	return rel
}

// ruleStandIn is a rule that would ask somebody.
type ruleStandIn struct {
	stage   *stage
	address address.Address
	kind    string
}

func (r *ruleStandIn) Judge(context.Context, providers.Candidate) ([]providers.Finding, error) {
	m := r.stage.world.meets(r.address)
	switch {
	case m == nil:
		r.stage.world.stray(r.address, stranger{"asked", fmt.Sprintf("a rule %q", r.kind)})
		return nil, errors.New("it is not mocked, and a test asks nobody")
	case m.err != "":
		return nil, mockFailure(m.err)
	}
	var out []providers.Finding
	for _, f := range m.findings {
		out = append(out, providers.Finding{Message: f})
	}
	return out, nil
}

// sinkStandIn notes what would be delivered. What it would send is what the real sink says.
type sinkStandIn struct {
	stage   *stage
	real    providers.Sink
	address address.Address
	kind    string
	values  cty.Value
}

func (s *stage) sink(kind string, real providers.Sink, values cty.Value, env providers.Env) providers.Sink {
	base := &sinkStandIn{stage: s, real: real, address: addressOf(env), kind: kind, values: values}
	w, writes := real.(providers.PathWriter)
	content, has := real.(providers.Content)
	if !writes || !has {
		return standin.Sink(real, standin.Target{Write: base.write, Delete: base.fails})
	}
	path := s.writesTo(real.Target(), w)
	f := &fileStandIn{base, path, content, env.IsSensitive("content") || env.IsSensitive("content_base64")}
	return standin.Sink(real, standin.Target{Path: path, Read: f.read, Write: f.write, Delete: f.remove})
}

// writesTo notes the path that a sink writes. Sinks are made anew for each plan, and following
// links costs far more than remembering where they lead.
func (s *stage) writesTo(target string, w providers.PathWriter) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	path, known := s.resolved[target]
	if !known {
		path = w.WritesPath()
		s.resolved[target], s.written[path] = path, true
	}
	return path
}

func (s *sinkStandIn) write(d providers.Delivery) error {
	if err := s.fails(); err != nil {
		return err
	}
	s.stage.world.record(delivery{s.address.String(), s.kind, s.stage.name(s.real.Target()), d.ID, s.values})
	return nil
}

// fails returns the failure that a mock asks for. It is permanent: a second attempt in the
// same moment of a test would meet the same.
func (s *sinkStandIn) fails() error {
	if m := s.stage.world.meets(s.address); m != nil && m.err != "" {
		return providers.Permanent(mockFailure(m.err))
	}
	return nil
}

// fileStandIn is one whose target is a file of the test.
type fileStandIn struct {
	*sinkStandIn
	path      string // links resolved
	content   providers.Content
	sensitive bool
}

func (f *fileStandIn) read() (providers.Observed, error) {
	e, ok := f.stage.world.file(f.path)
	if !ok {
		return providers.Observed{}, nil
	}
	out := providers.Observed{
		Exists: true, Data: e.data, Hash: decode.RawHash(e.data), Private: e.mode&0o004 == 0,
	}
	if want, given := f.mode(); given && want != e.mode {
		out.Differs = append(out.Differs, fmt.Sprintf("mode is %04o, want %04o", e.mode, want))
	}
	return out, nil
}

// mode returns the wanted permissions, as the sink "file" has them.
func (f *fileStandIn) mode() (fs.FileMode, bool) {
	if !f.values.Type().HasAttribute("mode") {
		return 0, false
	}
	v, _ := f.values.GetAttr("mode").Unmark()
	if !known(v, cty.String) {
		return 0, false
	}
	bits, err := strconv.ParseUint(v.AsString(), 8, 32)
	return fs.FileMode(bits), err == nil
}

func (f *fileStandIn) write(d providers.Delivery) error {
	mode, given := f.mode()
	if !given {
		mode = 0o644
		if e, ok := f.stage.world.file(f.path); ok {
			mode = e.mode
		}
		if f.sensitive {
			mode &= 0o600
		}
	}
	if err := f.sinkStandIn.write(d); err != nil {
		return err
	}
	f.stage.world.write(f.path, entry{f.stage.name(f.real.Target()), f.content.Content(), mode, f.sensitive})
	return nil
}

func (f *fileStandIn) remove() error {
	if err := f.fails(); err != nil {
		return err
	}
	f.stage.world.remove(f.path)
	return nil
}
