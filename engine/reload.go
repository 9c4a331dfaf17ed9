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
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// Times of reloading.
const (
	configLook  = 500 * time.Millisecond // between two looks at the configuration's files
	configQuiet = 2 * time.Second        // that they must not have changed for
)

// lookShare bounds what looking costs: one part in so many of the time.
const lookShare = 50

// candidateConfig is a configuration that was read and is to run from now on.
type candidateConfig struct {
	engine   *Engine
	diags    hcl.Diagnostics
	document []byte // as it is kept, nil if it cannot be
	start    time.Time
	// instances says that it is the same configuration, in which blocks that follow data have
	// other instances; engine is nil where they stay as they are.
	instances bool
	refused   map[address.Address]keyset // the instances that were asked for and cannot be made
	replies   []chan error               // of those who wait
	around    *Prepared                  // nil where nothing changes around the daemon
	done      chan struct{}              // closed when it runs, or was refused
}

// reloadRequest asks for a reload at once.
type reloadRequest struct{ reply chan error }

// configWatch looks at the files of the configuration in the background and reads them again
// when they changed and have been quiet since. Looking costs a stat for each file; it works on
// every file system, and a directory that is being replaced file by file is waited for.
type configWatch struct {
	d      *Daemon
	ctx    context.Context
	out    chan *candidateConfig
	engine *Engine // of the configuration that runs

	tried   *Engine // of the newest one that is broken, nil if the running one is the newest
	problem string  // what was said of it
	loaded  stamps  // of the files when they were read last
	seen    stamps
	changed time.Time // when seen was found to be other than before, zero if it is as loaded
}

// watchConfiguration starts the goroutine that reads configurations.
func (d *Daemon) watchConfiguration(ctx context.Context) <-chan *candidateConfig {
	w := &configWatch{d: d, ctx: ctx, out: make(chan *candidateConfig), engine: d.engine, tried: d.broken}
	if w.tried != nil {
		w.problem = problemOf(w.tried, d.brokenDiags)
	}
	d.work.Go(w.run)
	return w.out
}

func (w *configWatch) run() {
	w.loaded = w.look().asRead(cmp.Or(w.tried, w.engine), nil) // from the load on
	w.seen = w.loaded
	interval := cmp.Or(w.d.watch.ConfigInterval, configLook)
	timer := time.NewTimer(max(0, interval))
	defer timer.Stop()
	if interval < 0 {
		timer.Stop()
	}
	for {
		select {
		case <-w.ctx.Done():
			return
		case r := <-w.d.reloads:
			w.load(w.gather(r))
		case next := <-w.d.others:
			w.others(next)
		case <-timer.C:
			start := time.Now()
			w.wait()
			timer.Reset(max(interval, lookShare*time.Since(start)))
		}
	}
}

// gather takes all who wait for a reload: one serves them all.
func (w *configWatch) gather(first reloadRequest) []chan error {
	replies := []chan error{first.reply}
	for {
		select {
		case r := <-w.d.reloads:
			replies = append(replies, r.reply)
		default:
			return replies
		}
	}
}

// wait loads once the files have changed and have been quiet since.
func (w *configWatch) wait() {
	if now := w.look(); !now.equal(w.seen) {
		w.seen, w.changed = now, time.Now()
	}
	switch {
	case w.changed.IsZero():
	case w.seen.equal(w.loaded):
		w.changed = time.Time{} // it is as it was
	case time.Since(w.changed) >= configQuiet:
		w.load(nil)
	}
}

// load reads the configuration and hands it to the loop, unless nobody waits and there is
// nothing new to say.
func (w *configWatch) load(replies []chan error) {
	next := &candidateConfig{start: time.Now(), replies: replies, done: make(chan struct{})}
	before := w.look()
	next.engine, next.diags, next.document = w.d.readAgain(w.engine)
	if !next.diags.HasErrors() {
		next.diags = append(next.diags, w.recallInstances(next.engine)...)
	}
	if after := w.look(); !after.equal(before) && replies == nil {
		w.seen, w.changed = after, time.Now() // it changed meanwhile, and is not quiet
		return
	}
	if prepare := w.d.watch.Prepare; prepare != nil && !next.diags.HasErrors() {
		around, more := prepare(next.engine, next.engine.receivers())
		next.around, next.diags = around, append(next.diags, more...)
	}
	news := replies != nil || next.around != nil
	if next.diags.HasErrors() {
		problem := problemOf(next.engine, next.diags)
		news = news || problem != w.problem
		w.tried, w.problem = next.engine, problem
	} else if news = news || w.problem != "" || !sameProgram(w.engine.prog, next.engine.prog); news {
		w.engine, w.tried, w.problem = next.engine, nil, ""
	}
	w.loaded = w.look().asRead(next.engine, before)
	w.seen, w.changed = w.loaded, time.Time{}
	if !news {
		return
	}
	select {
	case w.out <- next:
	case <-w.ctx.Done():
		if next.around != nil {
			next.around.Abort()
		}
		return
	}
	<-next.done
}

// problemOf identifies a broken configuration with what is said of it.
func problemOf(e *Engine, diags hcl.Diagnostics) string {
	h := sha256.New()
	fmt.Fprintln(h, e.spec.Hash)
	for _, diag := range diags {
		fmt.Fprintln(h, diag.Error(), diag.Detail)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sameProgram reports whether two programs mean the same.
func sameProgram(a, b *program) bool {
	if a.spec.Hash != b.spec.Hash || len(a.sorted) != len(b.sorted) {
		return false
	}
	for i, n := range a.sorted {
		if n.addr != b.sorted[i].addr || n.digest != b.sorted[i].digest {
			return false
		}
	}
	return true
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

// stamps tell whether files were touched, by path, or by kind of read for what is listed.
type stamps map[string]stamp

// stamp is of one file; the zero value says that there is none.
type stamp struct {
	info os.FileInfo
	sum  fileFound
}

func (a stamp) equal(b stamp) bool {
	if a.info == nil || b.info == nil {
		return a.info == nil && b.info == nil && a.sum == b.sum
	}
	return a.info.Size() == b.info.Size() && a.info.ModTime().Equal(b.info.ModTime()) && a.info.Mode() == b.info.Mode() && os.SameFile(a.info, b.info)
}

func (s stamps) equal(other stamps) bool {
	return maps.EqualFunc(s, other, stamp.equal)
}

// changedSince is the stamp of a file that is not any more as it was read. No file has it.
var changedSince = stamp{sum: fileFound{ok: true}}

// asRead takes over what was seen before the files were read. Of what nobody looked at then, it
// compares what is there now with what the configuration was made of: a file that changed in
// between has the stamp of none, whatever its times say.
func (s stamps) asRead(e *Engine, before stamps) stamps {
	read := map[string]bool{}
	compare := func(r hclspec.Read, was func() fileFound, disk hclspec.FunctionOptions) {
		key := stampKey(r)
		read[key] = true
		if _, known := before[key]; known {
			return
		}
		switch {
		case r.Kind == hclspec.ReadSet:
			s[key] = stamp{sum: was()}
		case foundIn(disk.Again(r)) != was():
			s[key] = changedSince
		}
	}
	for r, found := range e.spec.Sources() {
		compare(r, func() fileFound { return foundIn(found) }, hclspec.FunctionOptions{})
	}
	if e.prog != nil {
		for _, f := range e.prog.fileReads() {
			for r, was := range f.all() {
				compare(r, func() fileFound { return was }, e.prog.disk())
			}
		}
	}
	for path, is := range s {
		if was, known := before[path]; known {
			s[path] = was
		} else if _, belongs := hclspec.KindOf(filepath.Base(path)); belongs && !read[path] && is.info != nil && !is.info.IsDir() {
			s[path] = changedSince // it was not there
		}
	}
	return s
}

// stampKey is the key of what a read looks at.
func stampKey(r hclspec.Read) string {
	if r.Kind == hclspec.ReadSet {
		return fmt.Sprintf("%s of %s", r.Pattern, r.Path)
	}
	return r.Path
}

// look looks at the directory's files and at those that functions and rules read, of the
// configuration that runs and of the newest one that does not.
func (w *configWatch) look() stamps {
	out := stamps{}
	w.engine.stamp(out)
	if w.tried != nil {
		w.tried.stamp(out)
	}
	return out
}

func (e *Engine) stamp(out stamps) {
	one := func(path string) {
		if _, done := out[path]; !done {
			info, _ := os.Stat(path)
			out[path] = stamp{info: info}
		}
	}
	for i, path := range e.spec.Directories() {
		dir, err := os.Open(path)
		if err != nil {
			one(path)
			continue
		}
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		for _, name := range names {
			if hclspec.IsConfigFile(name) || i == 0 && isConfiguration(name) {
				one(filepath.Join(path, name))
			}
		}
	}
	for r := range e.spec.Sources() {
		one(r.Path)
	}
	if e.prog == nil {
		return
	}
	for _, f := range e.prog.fileReads() {
		for r := range f.all() {
			if r.Kind == hclspec.ReadSet {
				out[stampKey(r)] = stamp{sum: foundIn(e.prog.disk().Again(r))}
				continue
			}
			one(r.Path)
		}
	}
}

func isConfiguration(name string) bool {
	return hclspec.IsConfigFile(name) || name == hclspec.LockFileName || strings.HasSuffix(name, ".hclvars") || strings.HasSuffix(name, ".hclvars.json")
}

// readAgain loads the configuration anew, and puts it into the form in which it is kept.
func (d *Daemon) readAgain(before *Engine) (*Engine, hcl.Diagnostics, []byte) {
	e, diags := d.loadSafely(before)
	if !diags.HasErrors() && e.statePath != before.statePath {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "The state cannot be moved while it is held",
			Detail: fmt.Sprintf("The configuration now names the state %s, and the daemon holds %s. Stop it, move the files, start again.", e.statePath, before.statePath),
		})
	}
	if diags.HasErrors() {
		e.prog.forget()
		return e, diags, nil
	}
	document := d.keepable(e, e.prog.found)
	e.prog.digests()
	e.prog.slim()
	return e, diags, document
}

// loadSafely loads the configuration. A kind that panics over it makes it a broken one.
func (d *Daemon) loadSafely(before *Engine) (e *Engine, diags hcl.Diagnostics) {
	err := d.opts.contain(address.Address{}, func() { e, diags = load(d.opts, loadOptions{before: before}) })
	if err == nil {
		return e, diags
	}
	for _, n := range before.prog.sorted {
		n.next = nil // as forget does for a program that was made to the end
	}
	return before, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The configuration cannot be loaded", Detail: err.Error()}}
}

// reconfigure lets another configuration run. Equal nodes go on as they are; a broken one
// changes nothing.
func (d *Daemon) reconfigure(next *candidateConfig) {
	if next.instances {
		defer close(next.done)
		d.reinstance(next)
		return
	}
	if !next.diags.HasErrors() && d.waitsForMoves(next) {
		return
	}
	defer close(next.done)
	d.engine.emitQuietly(ReloadStarted{})
	d.reload.Time, d.reload.Count = time.Now(), d.reload.Count+1
	if next.diags.HasErrors() {
		d.reload.Success = false
		d.reload.Failed++
		d.reload.Error = placed(next.diags)
		d.engine.emit(Reloaded{Err: d.reload.Error, Elapsed: time.Since(next.start)})
		next.reply(errors.New(d.reload.Error))
		return
	}
	moved, carryOn, err := d.move(next.engine.prog)
	if err != nil {
		d.reload.Success, d.reload.Error = false, err.Error()
		d.reload.Failed++
		d.engine.emit(Reloaded{Err: d.reload.Error, Elapsed: time.Since(next.start)})
		next.reply(err)
		return
	}
	d.instances.refused = nil
	ev := d.runs(next)
	carryOn()
	d.reload.Success, d.reload.Error = true, ""
	ev.Moved, ev.Elapsed = moved, time.Since(next.start)
	d.engine.emit(ev)
	d.checkReady()
	next.reply(nil)
}

// runs lets the configuration run, and counts what changed by it.
func (d *Daemon) runs(next *candidateConfig) Reloaded {
	next.engine.store, next.engine.reader = d.engine.store, d.engine.reader
	d.engine, d.broken, d.brokenDiags = next.engine, nil, nil
	d.running.Store(d.engine)
	ev := d.install(equalNodes)
	d.saveConfiguration(next.document)
	if next.around != nil {
		next.around.Commit()
	}
	return ev
}

func (c *candidateConfig) reply(err error) {
	for _, r := range c.replies {
		r <- err
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
			text = diag.Summary + ": " + strings.ReplaceAll(diag.Detail, "\n\n", " ")
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
