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
	"tidegate/providers"
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
		e.prog.filesMutex.Lock()
		for path := range e.prog.files {
			paths[path] = true
		}
		e.prog.filesMutex.Unlock()
		for _, n := range e.prog.nodes {
			if n.static == nil {
				continue
			}
			if f, ok := n.static.rule.(interface{ ConfigFiles() []string }); ok {
				for _, path := range f.ConfigFiles() {
					paths[path] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// readAgain loads the configuration anew.
func (d *Daemon) readAgain(ctx context.Context, before *Engine) (*Engine, hcl.Diagnostics) {
	e, diags := Load(ctx, d.opts)
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

// equalNodes reports whether a block means what it meant: as written, and in all that it
// refers to beside the data of sources.
func equalNodes(a, b *node) bool { return a == b || a.digest == b.digest }

// digests gives every block an identity over its text, the policies it names, and the values
// of what it refers to that depends on no source.
func (p *program) digests() {
	for _, wave := range p.waves {
		p.sideBySide(len(wave), func(i int) {
			n := p.nodes[wave[i]]
			n.digest = p.digestOf(n)
		})
	}
}

func (p *program) digestOf(n *node) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", n.addr)
	if n.addr.Type == address.Variable {
		fmt.Fprintf(h, "%s\n", identity(p.variables[n.addr.Name]))
	}
	readsFiles := false
	write := func(name string, expr hcl.Expression) {
		text := p.sourceText(expr.Range())
		readsFiles = readsFiles || strings.Contains(text, "file")
		fmt.Fprintf(h, "%s=%q\n", name, text)
	}
	if n.expr != nil {
		write("value", n.expr)
	}
	if n.block != nil {
		n.block.Expressions(func(name string, _ *providers.Attribute, expr hcl.Expression) { write(name, expr) })
	}
	for _, r := range n.refs {
		if r.Root == "env" {
			fmt.Fprintf(h, "env.%s=%s\n", r.Name, identityOfText(p.environ[r.Name]))
		}
	}
	for _, d := range p.graph.Dependencies(n.addr) {
		fmt.Fprintf(h, "%s\n", d)
		if d.Type != address.Source && d.Type != address.Sink {
			fmt.Fprintf(h, "%s\n", p.nodes[d].digest)
		}
	}
	if n.static != nil {
		if f, ok := n.static.rule.(interface{ ConfigFiles() []string }); ok {
			for _, path := range f.ConfigFiles() {
				data, _ := os.ReadFile(path)
				fmt.Fprintf(h, "%q %x\n", path, sha256.Sum256(data))
			}
		}
	}
	if readsFiles {
		p.filesMutex.Lock()
		for _, path := range slices.Sorted(maps.Keys(p.files)) {
			fmt.Fprintf(h, "%q %x\n", path, p.files[path])
		}
		p.filesMutex.Unlock()
	}
	return hex.EncodeToString(h.Sum(nil))
}

func identityOfText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// lastGood returns the engine of the last configuration that ran, with why it is used.
func (d *Daemon) lastGood(_ context.Context, broken hcl.Diagnostics) (*Engine, hcl.Diagnostics) {
	return nil, broken
}

// saveConfiguration keeps the running configuration in the state.
func (d *Daemon) saveConfiguration() {}
