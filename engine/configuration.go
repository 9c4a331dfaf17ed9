package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/state"
	"tidegate/hclspec"
)

// configurationDocument holds the running configuration: its files, files of values for
// variables, and what functions and rules read. A start with a broken one runs it. It is
// sealed, since files of values hold secrets. Values of --var are not in it.
const configurationDocument = "configuration"

// maxConfiguration bounds it. What is larger is not kept.
const maxConfiguration = 64 << 20

// storedRead is one entry of the document's head; the contents follow in the same order.
type storedRead struct {
	Kind    hclspec.ReadKind `json:"kind"`
	Path    string           `json:"path"` // relative to the module where it is inside
	Pattern string           `json:"pattern,omitempty"`
	Missing bool             `json:"missing,omitempty"`
	Size    int              `json:"size"`
}

// document returns the configuration as it is stored. What does not hold any more what was
// read is left out: it is about to be read again.
func (e *Engine) document(disk map[hclspec.Read]hclspec.Found) ([]byte, error) {
	sources := e.spec.Sources()
	for _, f := range e.prog.fileReads() {
		for r, was := range f.all() {
			found, ok := disk[r]
			if !ok {
				found = e.prog.disk().Again(r)
			}
			if foundIn(found) == was {
				sources[r] = found
			}
		}
	}
	var head []storedRead
	size := 0
	order := sortedReads(sources)
	for _, r := range order {
		found := sources[r]
		path := r.Path
		if rel, err := filepath.Rel(e.spec.Dir, path); err == nil && filepath.IsLocal(rel) {
			path = rel
		}
		head = append(head, storedRead{r.Kind, path, r.Pattern, !found.OK, len(found.Content)})
		size += len(found.Content)
	}
	if size > maxConfiguration {
		return nil, fmt.Errorf("it has %d MiB, and at most %d are kept", size>>20, maxConfiguration>>20)
	}
	first, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(first)+1+size)
	out = append(append(out, first...), '\n')
	for _, r := range order {
		out = append(out, sources[r].Content...)
	}
	return out, nil
}

// storedConfiguration reads a document.
func storedConfiguration(dir string, data []byte) (hclspec.Stored, error) {
	var head []storedRead
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&head); err != nil {
		return nil, err
	}
	rest := data[min(int64(len(data)), dec.InputOffset()+1):]
	out := hclspec.Stored{}
	for _, r := range head {
		if r.Size < 0 || r.Size > len(rest) {
			return nil, io.ErrUnexpectedEOF
		}
		path := r.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		out[hclspec.Read{Kind: r.Kind, Path: path, Pattern: r.Pattern}] = hclspec.Found{Content: rest[:r.Size:r.Size], OK: !r.Missing}
		rest = rest[r.Size:]
	}
	return out, nil
}

// recallConfiguration returns the document, nil if there is none.
func (d *Daemon) recallConfiguration(ctx context.Context) ([]byte, error) {
	docs, err := d.store.Documents(ctx, configurationDocument)
	if err != nil {
		return nil, fmt.Errorf("read the last good configuration: %w", err)
	}
	for _, doc := range docs {
		if doc.Name == configurationDocument {
			return doc.Data, nil
		}
	}
	return nil, nil
}

// saveConfiguration keeps the running configuration in the state, if it is not there already.
func (d *Daemon) saveConfiguration(data []byte) {
	if data == nil {
		return
	}
	sum := sha256.Sum256(data)
	if sum == d.saved {
		return
	}
	d.saved = sum
	d.record(&state.Batch{Documents: []*state.Document{{Name: configurationDocument, Data: data, Sealed: true}}})
}

// keepable returns what saveConfiguration takes, nil if it cannot be kept.
func (d *Daemon) keepable(e *Engine, disk map[hclspec.Read]hclspec.Found) []byte {
	data, err := e.document(disk)
	if err != nil {
		d.opts.logger().Warn("configuration is not kept as the last good one", "error", err.Error())
	}
	return data
}

// firstConfiguration says what the daemon starts with is to be kept.
func (d *Daemon) firstConfiguration(ctx context.Context) error {
	if d.broken != nil {
		return nil
	}
	stored, err := d.recallConfiguration(ctx)
	if err != nil {
		return err
	}
	if stored != nil {
		d.saved = sha256.Sum256(stored)
	}
	d.first = d.keepable(d.engine, nil)
	return nil
}

// lastGood returns the engine of the last configuration that ran, with what is wrong with the
// present one as warnings; else that as errors.
func (d *Daemon) lastGood(ctx context.Context, broken hcl.Diagnostics) (*Engine, hcl.Diagnostics) {
	refuse := func(err error) (*Engine, hcl.Diagnostics) {
		return nil, append(broken, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "There is no last good configuration",
			Detail: fmt.Sprintf("The configuration is broken, and the last good one cannot run instead: %s.", err),
		})
	}
	e := d.engine
	data, err := d.recallConfiguration(ctx)
	switch {
	case err != nil:
		return refuse(err)
	case data == nil:
		return refuse(errors.New("the state holds none, since none ran with it"))
	}
	stored, err := storedConfiguration(e.spec.Dir, data)
	if err != nil {
		return refuse(fmt.Errorf("read the last good configuration: %w", err))
	}
	good, diags := load(d.opts, loadOptions{stored: stored})
	switch {
	case diags.HasErrors():
		return refuse(errors.New(placed(diags)))
	case good.statePath != e.statePath:
		return refuse(fmt.Errorf("it names another state, %s", good.statePath))
	}
	good.store, e.store = e.store, nil
	d.brokenDiags = broken
	d.broken, d.saved = e, sha256.Sum256(data)
	d.reload.Error = placed(broken)
	out := hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "The last good configuration runs",
		Detail: fmt.Sprintf("The configuration in %s is broken, so the one that ran last is used until it is mended. What is wrong follows.", e.spec.Dir),
	}}
	for _, diag := range broken {
		warning := *diag
		warning.Severity = hcl.DiagWarning
		out = append(out, &warning)
	}
	return good, append(out, diags...)
}

// mayHoldGood reports whether the state of a broken configuration may hold a good one. Where
// the block that names the state cannot be read, the default is not the one that is meant,
// and a state that is not there is not made.
func (e *Engine) mayHoldGood() bool {
	if e.statePath == "" { // there are no files at all
		e.statePath, _ = e.findState()
	}
	if _, err := os.Stat(e.statePath); err != nil {
		return false
	}
	switch {
	case e.opts.StatePath != "" || e.spec.Settings.State.Kind != "":
		return true
	case e.spec.Unread():
		return false
	}
	for name, f := range e.spec.Files {
		if strings.HasSuffix(name, ".hcl") && stateBlock.Match(f.Bytes) {
			return false
		}
	}
	return true
}

var stateBlock = regexp.MustCompile(`(?m)^[^#\n]*\bstate\s+"`)

// Files returns the files that the diagnostics of NewDaemon point into, by name.
func (d *Daemon) Files() map[string]*hcl.File {
	if d.broken != nil {
		return d.broken.Files()
	}
	return d.engine.Files()
}
