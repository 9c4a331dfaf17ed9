package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
	"tidegate/engine/web"
)

// watchFlags are the flags of apply that only --watch has.
type watchFlags struct {
	watch       bool
	listen      string
	grace       time.Duration
	allowDelete bool
}

func (f *watchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.watch, "watch", false, "keep the configuration true until interrupted; needs no approval")
	flags.Var((*textFlag)(&f.listen), "listen", "with --watch, `ADDRESS` of the listener, in place of the block's")
	flags.DurationVar(&f.grace, "grace", engine.DefaultGrace, "with --watch, how long to wait for deliveries under way when stopped")
	flags.BoolVar(&f.allowDelete, "allow-delete", false, "with --watch, delete the targets of removed sinks whose on_destroy is delete without approval")
}

// watching is one daemon and what stands around it.
type watching struct {
	*app
	daemon *engine.Daemon
	log    hclog.Logger
	say    watchReport
	notify *notifier
	around sync.WaitGroup
	// moments are those at which much of the memory is not needed any more.
	moments   <-chan struct{}
	broken    chan error // what stands around it ended
	listening *listening
}

func (a *app) watch(cmd *cobra.Command, f *planFlags, w *watchFlags, dir string) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	// Whoever reads logs or events slowly, or not at all, makes nothing wait.
	errors, out := newPatient(a.Stderr), newPatient(a.Stdout)
	defer errors.close(patience)
	defer out.close(patience)
	log := a.loggerTo(errors, hclog.Info)
	say := watchReport{app: a, log: log}
	if f.json {
		say.out = out
	}
	opts := a.options(cmd, &f.configFlags, dir)
	opts.Logger, opts.Command = log, cmd.CommandPath()+" --watch"
	notify := newNotifier(a.env("NOTIFY_SOCKET"))
	moments := make(chan struct{}, 1)
	opts.Events = func(ev engine.Event) {
		switch ev.(type) {
		case engine.DaemonStarted, engine.DaemonReady, engine.Reloaded:
			select {
			case moments <- struct{}{}:
			default: // it has not begun with the one before
			}
		}
		if notify != nil {
			notify.offer(ev)
		}
		if !f.json {
			return
		}
		if line := view.EventJSON(ev, time.Now()); line != nil {
			_, _ = out.Write(append(line, '\n'))
		}
	}
	r := &watching{app: a, log: log, say: say, notify: notify, moments: moments, broken: make(chan error, 2)}
	d, diags := engine.NewDaemon(ctx, opts, engine.WatchOptions{
		Grace: w.grace, AllowDelete: w.allowDelete,
		Prepare: func(e *engine.Engine, in *engine.Receivers) (*engine.Prepared, hcl.Diagnostics) {
			return r.listening.prepare(e, in)
		},
	})
	if d == nil {
		say.diagnostics(diags, nil)
		return errFailed
	}
	say.diagnostics(diags, d.Engine().Files())
	r.daemon = d
	err := r.run(ctx, stop, w)
	if closed := d.Close(); err == nil {
		err = closed
	}
	if err != nil {
		say.diagnostics(problem("The daemon ended", err), nil)
		return errFailed
	}
	return nil
}

// watchReport says what is wrong with the configuration or the start: to people, as lines of
// the log where that is for programs, and as events where those are asked for.
type watchReport struct {
	*app
	log hclog.Logger
	out io.Writer // of events, nil without
}

func (r watchReport) diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	if r.out != nil {
		for _, line := range view.DiagnosticEvents(diags, r.sources(files), time.Now()) {
			_, _ = r.out.Write(append(line, '\n'))
		}
	}
	if r.env("TIDEGATE_LOG_FORMAT") != "json" {
		r.report(diags, files)
		return
	}
	for _, d := range diags {
		args := []any{"summary", d.Summary, "detail", d.Detail}
		if d.Subject != nil {
			args = append(args, "file", d.Subject.Filename, "line", d.Subject.Start.Line)
		}
		if d.Severity == hcl.DiagError {
			r.log.Error("configuration or start has an error", args...)
		} else {
			r.log.Warn("configuration has a warning", args...)
		}
	}
}

// run serves the control socket and the listener beside the daemon.
func (r *watching) run(ctx context.Context, stop context.CancelFunc, w *watchFlags) error {
	defer r.around.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	// What stands around the daemon ends after it, so that its end can be asked about.
	outer, endOuter := context.WithCancel(context.WithoutCancel(ctx))
	defer endOuter()
	if err := r.control(outer); err != nil {
		return err
	}
	if err := r.listen(ctx, w.listen); err != nil {
		return err
	}
	r.signals(outer)
	r.settle(outer)
	r.tell(outer)
	ended := make(chan error, 1)
	r.around.Go(func() { ended <- r.daemon.Run(ctx) })
	select {
	case err := <-ended:
		return err
	case err := <-r.broken:
		end()
		return errors.Join(err, <-ended)
	}
}

// control serves the control socket and names it in the state's lock.
func (r *watching) control(ctx context.Context) error {
	path, err := r.controlPath()
	if err != nil {
		return err
	}
	ln, err := web.ListenControl(ctx, path)
	if err != nil {
		return err
	}
	if err := r.daemon.Announce(path); err != nil {
		return errors.Join(fmt.Errorf("name the control socket in the lock: %w", err), ln.Close())
	}
	r.around.Go(func() {
		if err := web.ServeControl(ctx, ln, r.daemon, r.log); err != nil {
			r.broken <- fmt.Errorf("the control socket broke: %w", err)
		}
	})
	return nil
}

// longestSocket is what fits into the address of a Unix socket on every system.
const longestSocket = 100

// controlPath is in $RUNTIME_DIRECTORY, else beside the state, else, where that is too long,
// in a directory of our own below the one for temporary files.
func (r *watching) controlPath() (string, error) {
	if dir, _, _ := strings.Cut(r.env("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return filepath.Join(dir, "control.sock"), nil
	}
	state := r.daemon.Engine().StatePath()
	path := strings.TrimSuffix(state, filepath.Ext(state)) + ".sock"
	if len(path) <= longestSocket {
		return path, nil
	}
	sum := sha256.Sum256([]byte(state))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tidegate-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("make a directory for the control socket: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return "", fmt.Errorf("the directory %s is not private; remove it", dir)
	}
	return filepath.Join(dir, "control.sock"), nil
}

// signals reloads at each SIGHUP.
func (r *watching) signals(ctx context.Context) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, reloadSignals...)
	r.around.Go(func() {
		defer signal.Stop(ch)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ch:
				_ = r.daemon.Reload(ctx) // what is wrong is told by an event
			}
		}
	})
}

// settle gives back the memory that starting and reloading took.
func (r *watching) settle(ctx context.Context) {
	r.around.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.moments:
				settleIn(r.daemon.Ready())
			}
		}
	})
}

// tell keeps the service manager informed.
func (r *watching) tell(ctx context.Context) {
	if r.notify == nil {
		return
	}
	r.around.Go(func() { r.notify.follow(ctx, r.alive) })
}

// alive reports whether the loop still turns.
func (r *watching) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return r.daemon.Alive(ctx) == nil
}
