package scenario

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// world is what the runs of one state key meet and leave behind: the time, the state, the
// files, and what was delivered. The stand-ins of a stage look at it from the goroutines of an
// engine; everything else happens while no engine is at work.
type world struct {
	store *state.Memory
	begin time.Time
	now   time.Time // set between rounds only

	mutex      sync.Mutex
	files      map[string]*entry // by path, links resolved
	above      map[string]int    // how many files are below a directory, at any depth
	mocks      map[address.Address]*timeline
	sent       map[address.Address]*met // what was last sent to a source that is sent to
	deliveries []delivery               // of this round
	outcomes   map[string]outcome       // of this round, by address of the sink
	strangers  map[address.Address]stranger
}

// entry is a file.
type entry struct {
	name      string // as tests call it
	data      []byte
	mode      fs.FileMode
	sensitive bool
}

// delivery is what would have been done: a program that would run, a request that would be
// sent.
type delivery struct {
	address, kind, target, id string
	values                    cty.Value
}

// outcome is what became of one sink in an apply.
type outcome struct{ word, reason string }

// stranger is a block that would have asked somebody, and is not mocked.
type stranger struct{ what, who string }

func newWorld(begin time.Time) *world {
	return &world{
		store: state.NewMemory(), begin: begin, now: begin,
		files: map[string]*entry{}, above: map[string]int{}, sent: map[address.Address]*met{},
	}
}

func (w *world) clock() time.Time { return w.now }

// round forgets what only one round knows.
func (w *world) round() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.deliveries, w.outcomes, w.strangers = nil, map[string]outcome{}, map[address.Address]stranger{}
}

// meets returns what the mock of a block says now, nil where there is none.
func (w *world) meets(a address.Address) *met {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	t := w.mocked(a)
	if t == nil {
		return nil
	}
	m, _ := t.at(w.now)
	return m
}

// mocked returns the mock of a block, nil where there is none.
func (w *world) mocked(a address.Address) *timeline {
	for _, name := range knownAs(a) {
		if t := w.mocks[name]; t != nil {
			return t
		}
	}
	return nil
}

// knownAs are the addresses under which a block may be mocked or expected to fail: its own, then
// that of all its instances, then that of those in all instances of its module.
func knownAs(a address.Address) []address.Address {
	out := []address.Address{a}
	if a.Key != address.NoKey {
		out = append(out, a.Block())
	}
	if a.Module != address.Root {
		out = append(out, everywhere(a))
	}
	return out
}

// everywhere is the block of an address, in all instances of its module.
func everywhere(a address.Address) address.Address {
	out := a.Block()
	out.Module = address.Root
	for _, step := range a.Module.Steps() {
		out.Module = out.Module.Child(step.Name, address.NoKey)
	}
	return out
}

func (w *world) stray(a address.Address, s stranger) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.strangers[a] = s
}

func (w *world) record(d delivery) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.deliveries = append(w.deliveries, d)
}

func (w *world) file(path string) (entry, bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	e, ok := w.files[path]
	if !ok {
		return entry{}, false
	}
	return *e, true
}

func (w *world) write(path string, e entry) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.files[path] == nil {
		w.count(path, 1)
	}
	w.files[path] = &e
}

// count lets the directories above a path know of one more file, or one less.
func (w *world) count(path string, by int) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		w.above[dir] += by
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

func (w *world) remove(path string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.files[path] != nil {
		w.count(path, -1)
	}
	delete(w.files, path)
}

// below returns the files in a directory, by their names relative to it.
func (w *world) below(dir string, recursive bool) map[string]entry {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.above[dir] == 0 {
		return nil // most of what is read is a file, and there may be many
	}
	out := map[string]entry{}
	for path, e := range w.files {
		rel, err := filepath.Rel(dir, path)
		if err != nil || !filepath.IsLocal(rel) || rel == "." || hidden(rel) || !recursive && filepath.Dir(rel) != "." {
			continue
		}
		out[filepath.ToSlash(rel)] = *e
	}
	return out
}

// event notes what became of a delivery.
func (w *world) event(ev engine.Event) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	switch ev := ev.(type) {
	case engine.DeliveryFinished:
		o := outcome{"delivered", ev.Err}
		if ev.Err != "" {
			o.word = "failed"
		}
		w.outcomes[ev.Address.String()] = o
	case engine.DeliverySkipped:
		o := outcome{"skipped", ev.Reason}
		if !ev.Until.IsZero() {
			o.word = "deferred"
		}
		w.outcomes[ev.Address.String()] = o
	}
}

// filesValue is what tests see of the files.
func (w *world) filesValue() cty.Value {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	out := map[string]cty.Value{}
	for _, path := range slices.Sorted(maps.Keys(w.files)) {
		e := w.files[path]
		content := nothing
		if utf8.Valid(e.data) {
			content = cty.StringVal(string(e.data))
		}
		encoded := cty.StringVal(base64.StdEncoding.EncodeToString(e.data))
		if e.sensitive {
			content, encoded = content.Mark(mark.Sensitive), encoded.Mark(mark.Sensitive)
		}
		out[e.name] = cty.ObjectVal(map[string]cty.Value{
			"content": content, "content_base64": encoded, "mode": cty.StringVal(fmt.Sprintf("%04o", e.mode)),
		})
	}
	return cty.ObjectVal(out)
}

func hidden(rel string) bool {
	for _, part := range splitPath(rel) {
		if part[0] == '.' {
			return true
		}
	}
	return false
}

func splitPath(rel string) []string {
	var out []string
	for rel != "." && rel != "" {
		out = append(out, filepath.Base(rel))
		rel = filepath.Dir(rel)
	}
	return out
}

// resolve follows the links of a path as far as it exists.
func resolve(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	base, rest := filepath.Dir(path), filepath.Base(path)
	if base == path {
		return path
	}
	return filepath.Join(resolve(base), rest)
}
