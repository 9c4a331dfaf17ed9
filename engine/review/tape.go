package review

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"tidegate/providers"
)

// label names what is fetched. Equal keys are one value.
type label struct {
	address, kind, identity, key string
	secret                       bool
}

// tape holds each fetched value for all who ask for it, and lets values be recorded and played.
type tape struct {
	record, play string // directories, "" for none

	mutex   sync.Mutex
	takes   map[string]*take
	labels  map[string]label
	skipped []string // addresses of secrets, which are not recorded
}

type take struct {
	once     sync.Once
	snapshot providers.Snapshot
	err      error
}

func newTape(record, play string) *tape {
	return &tape{record: record, play: play, takes: map[string]*take{}, labels: map[string]label{}}
}

func (t *tape) recorded() bool { return t.play != "" }

// take returns a value that was fetched, recorded or is fetched now. A failure is kept, too:
// both configurations meet the same world.
func (t *tape) take(l label, fetch func() (providers.Snapshot, error)) (providers.Snapshot, error) {
	t.mutex.Lock()
	one := t.takes[l.key]
	if one == nil {
		one = &take{}
		t.takes[l.key], t.labels[l.key] = one, l
	}
	t.mutex.Unlock()
	one.once.Do(func() {
		if t.play != "" {
			one.snapshot, one.err = t.load(l)
			return
		}
		one.snapshot, one.err = fetch()
	})
	return one.snapshot, one.err
}

// recording is one file of a recording.
type recording struct {
	Address     string           `json:"address"`
	Kind        string           `json:"kind"`
	Identity    string           `json:"identity"`
	Key         string           `json:"key"` // identity of the question
	Time        time.Time        `json:"time"`
	ContentType string           `json:"content_type,omitempty"`
	Location    string           `json:"location,omitempty"`
	Format      string           `json:"format,omitempty"`
	Version     string           `json:"version,omitempty"`
	Private     bool             `json:"private,omitempty"`
	Text        *string          `json:"text,omitempty"` // the bytes, where they are text
	Data        []byte           `json:"data,omitempty"` // else in base64
	Parts       []providers.Part `json:"parts,omitempty"`
	Directory   bool             `json:"directory,omitempty"`
}

// file is where a value is recorded: a name that people can read, and tells apart.
func (t *tape) file(dir string, l label) string {
	name := notInNames.ReplaceAllString(l.address, "_")
	return filepath.Join(dir, name[:min(len(name), longestName)]+l.suffix())
}

// notInNames is what a key of an instance may hold and the name of a file should not.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// longestName is how much of an address a file is named by.
const longestName = 150

// suffix ends the names of the files in which equal values are recorded.
func (l label) suffix() string { return "." + strings.TrimPrefix(l.key, "sha256:")[:12] + ".json" }

func (t *tape) load(l label) (providers.Snapshot, error) {
	path := t.file(t.play, l)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// The block may have been renamed since.
		files, _ := os.ReadDir(t.play)
		if i := slices.IndexFunc(files, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), l.suffix()) }); i >= 0 {
			path = filepath.Join(t.play, files[i].Name())
			data, err = os.ReadFile(path)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Snapshot{}, providers.Permanent(fmt.Errorf("%s is not among what was recorded in %s; record it with: tidegate plan --record DIR", l.identity, t.play))
	}
	if err != nil {
		return providers.Snapshot{}, providers.Permanent(err)
	}
	var r recording
	if err := json.Unmarshal(data, &r); err != nil || r.Key != l.key {
		return providers.Snapshot{}, providers.Permanent(fmt.Errorf("the recording %s is damaged; record it again", path))
	}
	out := providers.Snapshot{Data: r.Data, ContentType: r.ContentType, Location: r.Location, Format: r.Format, Version: r.Version, Private: r.Private}
	if r.Text != nil {
		out.Data = []byte(*r.Text)
	}
	if r.Directory {
		out.Parts = slices.Concat([]providers.Part{}, r.Parts)
	}
	return out, nil
}

// save writes everything that was fetched into the directory of the recording.
func (t *tape) save(now time.Time) error {
	if t.record == "" {
		return nil
	}
	if err := os.MkdirAll(t.record, 0o755); err != nil {
		return err
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for key, one := range t.takes {
		l := t.labels[key]
		if one.err != nil || one.snapshot.NotModified {
			continue
		}
		if l.secret || one.snapshot.Sensitive {
			t.skipped = append(t.skipped, l.address)
			continue
		}
		s := one.snapshot
		r := recording{
			Address: l.address, Kind: l.kind, Identity: l.identity, Key: key, Time: now.UTC(), ContentType: s.ContentType,
			Location: s.Location, Format: s.Format, Version: s.Version, Private: s.Private, Parts: s.Parts, Directory: s.Parts != nil,
		}
		if text := string(s.Data); utf8.Valid(s.Data) {
			r.Text = &text
		} else {
			r.Data = s.Data
		}
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(t.file(t.record, l), append(data, '\n'), 0o600); err != nil {
			return err
		}
	}
	slices.Sort(t.skipped)
	return nil
}
