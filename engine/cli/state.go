package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine/state"
	"tidegate/engine/view"
	"tidegate/hclspec/address"
)

func (a *app) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at the state, and take things out of it",
		Args:  cobra.ArbitraryArgs,
		RunE:  unknownCommand,
	}
	cmd.AddCommand(a.stateListCommand(), a.stateShowCommand(), a.stateRmCommand(), a.statePullCommand(), a.stateUnlockCommand())
	return cmd
}

func (a *app) stateListCommand() *cobra.Command {
	var f configFlags
	return f.onState(&cobra.Command{
		Use:   "list",
		Short: "List the addresses in the state, one a line",
		Args:  atMost(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLedger(cmd, &f, a.path(f.dir), func(_ state.Reader, l *state.Ledger) error {
				return view.StateList(a.Stdout, l)
			})
		},
	})
}

func (a *app) stateShowCommand() *cobra.Command {
	var f configFlags
	cmd := f.onState(&cobra.Command{
		Use:   "show ADDR",
		Short: "Show one entry of the state",
		Args:  cobra.MatchAll(atLeast(1, "an address, for example sink.file.app"), atMost(1, "address")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLedger(cmd, &f, a.path(f.dir), func(r state.Reader, l *state.Ledger) error {
				addr, diags := rowAddress(l, args[0])
				if diags.HasErrors() {
					return a.fail(diags, nil, f.json)
				}
				s := viewState(cmd.Context(), r, l, addr)
				if f.json {
					return view.StateRowJSON(a.Stdout, s, addr)
				}
				return view.StateRow(a.Stdout, s, addr, a.style(a.Stdout))
			})
		},
	})
	f.addJSON(cmd.Flags(), "as JSON")
	return cmd
}

func (a *app) statePullCommand() *cobra.Command {
	var f configFlags
	return f.onState(&cobra.Command{
		Use:   "pull",
		Short: "Write the whole state as JSON, without contents",
		Args:  atMost(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.json = true
			return a.withLedger(cmd, &f, a.path(f.dir), func(_ state.Reader, l *state.Ledger) error {
				return view.Ledger(a.Stdout, l)
			})
		},
	})
}

func (a *app) stateRmCommand() *cobra.Command {
	var f configFlags
	return f.onState(&cobra.Command{
		Use:   "rm ADDR...",
		Short: "Forget entries of the state; targets stay as they are",
		Long: "Forget entries of the state. Targets stay as they are. What is still declared is found\n" +
			"again by the next apply: a sink is adopted or updated, a source accepted anew.",
		Args: atLeast(1, "an address, for example sink.file.app"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.stateRm(cmd, &f, args)
		},
	})
}

func (a *app) stateRm(cmd *cobra.Command, f *configFlags, args []string) error {
	dir := a.path(f.dir)
	// First without the lock, which would make a state where there is none.
	err := a.withLedger(cmd, f, dir, func(_ state.Reader, l *state.Ledger) error {
		_, err := a.removal(l, args)
		return err
	})
	if err != nil {
		return err
	}
	path, err := a.statePath(cmd, f, dir)
	if err != nil {
		return a.reported("Cannot find the state", err, false)
	}
	store, err := state.Open(cmd.Context(), a.stateOptions(cmd, path))
	if err != nil {
		return a.fail(lockProblem(err), nil, false)
	}
	defer store.Close()
	l, err := store.Load(cmd.Context())
	if err != nil {
		return a.failWith("Cannot read the state", err, false)
	}
	batch, err := a.removal(l, args)
	if err != nil {
		return err
	}
	if err := store.Commit(cmd.Context(), batch); err != nil {
		return a.failWith("Cannot write the state", err, false)
	}
	n := len(batch.DeleteSources) + len(batch.DeleteSinks)
	for _, addr := range append(batch.DeleteSources, batch.DeleteSinks...) {
		fmt.Fprintf(a.Stdout, "Removed %s\n", addr)
	}
	_, err = fmt.Fprintf(a.Stdout, "%d removed from the state; targets stay as they are.\n", n)
	return err
}

// removal returns the batch that forgets all the named rows, or says which it does not find.
func (a *app) removal(l *state.Ledger, args []string) (*state.Batch, error) {
	var batch state.Batch
	var diags hcl.Diagnostics
	seen := map[address.Address]bool{}
	for _, arg := range args {
		addr, more := rowAddress(l, arg)
		diags = append(diags, more...)
		if more.HasErrors() || seen[addr] {
			continue
		}
		seen[addr] = true
		if l.Sources[addr] != nil {
			batch.DeleteSources = append(batch.DeleteSources, addr)
		} else {
			batch.DeleteSinks = append(batch.DeleteSinks, addr)
		}
		batch.History = append(batch.History, state.Entry{
			Address: addr, Time: time.Now(), Action: "forget", Cause: "tidegate state rm",
		})
	}
	if diags.HasErrors() {
		return nil, a.fail(diags, nil, false)
	}
	return &batch, nil
}

func (a *app) stateUnlockCommand() *cobra.Command {
	var f configFlags
	return f.onState(&cobra.Command{
		Use:   "unlock",
		Short: "Say who holds the state",
		Long: "Say who holds the state. The lock belongs to a process and ends with it, however it\n" +
			"ends, so there is never a stale lock to remove.",
		Args: atMost(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stateUnlock(cmd, &f)
		},
	})
}

func (a *app) stateUnlock(cmd *cobra.Command, f *configFlags) error {
	path, err := a.statePath(cmd, f, a.path(f.dir))
	if err != nil {
		return a.reported("Cannot find the state", err, false)
	}
	if exists(path) {
		store, err := state.Open(cmd.Context(), a.stateOptions(cmd, path))
		var locked *state.LockedError
		switch {
		case errors.As(err, &locked):
			return a.fail(hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "The state is locked",
				Detail: sentence(locked.Error()) + " The lock ends with that process; stop it to release the state.",
			}}, nil, false)
		case err != nil:
			return a.failWith("Cannot open the state", err, false)
		}
		store.Close()
	}
	_, err = fmt.Fprintln(a.Stdout, "The state is not locked.")
	return err
}
