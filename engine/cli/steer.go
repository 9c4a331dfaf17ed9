package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine/state"
	"tidegate/engine/web"
)

// Times of asking a daemon.
const (
	startPatience = 5 * time.Second  // with one that holds the state and has no socket yet
	askPatience   = 30 * time.Second // with an answer
)

// errNoDaemon says that nobody holds the state.
var errNoDaemon = errors.New("no daemon")

// daemonOf returns the daemon that holds the state of the configuration in dir. The error is
// errNoDaemon, with the path, where nobody does.
func (a *app) daemonOf(cmd *cobra.Command, f *configFlags, dir string) (client *web.Client, path string, err error) {
	if path, err = a.statePath(cmd, f, dir); err != nil {
		return nil, "", err
	}
	if holder := state.Named(path); holder != nil && holder.Socket != "" {
		return web.ControlClient(holder.Socket), path, nil // if it is dead, asking says so
	}
	client, err = a.runningDaemon(cmd.Context(), path)
	return client, path, err
}

// runningDaemon returns the daemon that holds the state at path at this moment. The error is
// errNoDaemon where nobody does, and a *state.LockedError where somebody else does.
func (a *app) runningDaemon(ctx context.Context, path string) (*web.Client, error) {
	deadline := time.Now().Add(startPatience)
	for {
		holder, err := state.LockHolder(path)
		switch {
		case err != nil:
			return nil, err
		case holder == nil:
			return nil, errNoDaemon
		case holder.Socket != "":
			return web.ControlClient(holder.Socket), nil
		case !strings.HasSuffix(holder.Command, watchSuffix) || time.Now().After(deadline):
			return nil, &state.LockedError{Path: path, Holder: *holder}
		}
		// A daemon takes the lock before it has its socket.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// watchSuffix ends the command that a daemon names in the lock.
const watchSuffix = " --watch"

// steer has the daemon do something, and says why where it cannot.
func (a *app) steer(cmd *cobra.Command, f *configFlags, dir, failure string, do func(context.Context, *web.Client) error) error {
	client, path, err := a.daemonOf(cmd, f, dir)
	if err != nil {
		return a.noDaemon(err, dir, path, f.json)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askPatience)
	defer cancel()
	err = do(ctx, client)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, web.ErrNoDaemon):
		return a.noDaemon(errNoDaemon, dir, path, f.json)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("the daemon does not answer within %s; its log may say why", askPatience)
	}
	return a.failWith(failure, err, f.json)
}

func (a *app) noDaemon(err error, dir, path string, asJSON bool) error {
	var locked *state.LockedError
	switch {
	case errors.Is(err, errNoDaemon):
		return a.fail(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "No daemon is running",
			Detail: fmt.Sprintf("No process holds the state %s. Start a daemon with: tidegate apply --watch %s", path, shellWord(dir)),
		}}, nil, asJSON)
	case errors.As(err, &locked):
		return a.fail(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "No daemon is running",
			Detail: sentence(locked.Error()) + " Only a daemon (tidegate apply --watch) can be asked; that process is none, or is just starting or ending.",
		}}, nil, asJSON)
	}
	return a.reported("Cannot find the daemon", err, asJSON)
}

// shellWord quotes a text for a shell where it must be.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-=:,@+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
