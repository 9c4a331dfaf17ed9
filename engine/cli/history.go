package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/engine/view"
	"tidegate/engine/web"
	"tidegate/hclspec/address"
)

func (a *app) historyCommand() *cobra.Command {
	var f configFlags
	var limit int
	var compare string
	cmd := &cobra.Command{
		Use:   "history [ADDR]",
		Short: "Show what was delivered, when, and why",
		Args:  atMost(1, "address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if compare != "" {
				return a.compareRevisions(cmd, &f, args, compare)
			}
			return a.history(cmd, &f, args, limit)
		},
	}
	f.addJSON(cmd.Flags(), "a list of objects")
	f.onState(cmd)
	cmd.Flags().Var((*countFlag)(&limit), "limit", "at most so many `ENTRIES`, the newest (default: all)")
	cmd.Flags().Var((*textFlag)(&compare), "diff", "show the differences between two kept revisions of a sink: `OLD..NEW`, such as 2..3")
	return cmd
}

// compareRevisions shows what differs between two revisions of a sink.
func (a *app) compareRevisions(cmd *cobra.Command, f *configFlags, args []string, compare string) error {
	old, young, ok := strings.Cut(compare, "..")
	from, err := strconv.ParseInt(old, 10, 64)
	to, wrong := strconv.ParseInt(young, 10, 64)
	switch {
	case f.json || cmd.Flags().Changed("limit"):
		return &usageError{"Invalid flags", "--diff shows two revisions, as text; leave out --json and --limit."}
	case len(args) == 0:
		return &usageError{"Address missing", "Say whose revisions: tidegate history ADDR --diff " + compare + "."}
	case !ok || err != nil || wrong != nil:
		return &usageError{"Invalid flag", "--diff takes two revisions, such as 2..3."}
	}
	return a.withLedger(cmd, f, a.path(f.dir), func(r state.Reader, l *state.Ledger) error {
		addr, diags := rowAddress(l, args[0])
		if diags.HasErrors() {
			return a.fail(diags, nil, false)
		}
		row := l.Sinks[addr]
		if row == nil {
			return a.failWith("No revisions", errors.New(args[0]+" is no sink; sources have versions, sinks have revisions"), false)
		}
		c, err := engine.CompareRevisions(cmd.Context(), a.options(cmd, f, a.path(f.dir)), r, row, from, to)
		if err != nil {
			return a.failWith("Cannot compare revisions", err, false)
		}
		return view.Revisions(a.Stdout, c, a.style(a.Stdout))
	})
}

func (a *app) history(cmd *cobra.Command, f *configFlags, args []string, limit int) error {
	var of address.Address
	if len(args) > 0 {
		var err error
		if of, err = address.Parse(args[0]); err != nil {
			return a.failWith("Invalid address", err, f.json)
		}
	}
	entries, ok := a.askHistory(cmd, f, of, limit)
	if !ok || len(entries) == 0 {
		reader, err := a.reader(cmd, f, a.path(f.dir))
		if err != nil {
			return err
		}
		defer reader.Close()
		if entries, err = reader.History(cmd.Context(), of, limit); err != nil {
			return a.failWith("Cannot read the history", err, f.json)
		}
		if len(entries) == 0 && !of.IsZero() {
			if err := a.knownAddress(cmd, reader, args[0], f.json); err != nil {
				return err
			}
		}
	}
	if f.json {
		return view.HistoryJSON(a.Stdout, entries)
	}
	return view.History(a.Stdout, entries, a.style(a.Stdout))
}

// askHistory asks the daemon, which saves a copy of the state. Where none runs, or it does not
// answer (it is another user's), the copy says the same.
func (a *app) askHistory(cmd *cobra.Command, f *configFlags, of address.Address, limit int) ([]state.Entry, bool) {
	path, err := a.statePath(cmd, f, a.path(f.dir))
	if err != nil {
		return nil, false
	}
	holder := state.Named(path)
	if holder == nil || holder.Socket == "" {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), historyPatience)
	defer cancel()
	entries, err := web.ControlClient(holder.Socket).History(ctx, of, limit)
	return entries, err == nil
}

// historyPatience is how long a daemon may take before its state is copied instead.
const historyPatience = 5 * time.Second

// knownAddress fails for an address that the state has never heard of: a typing mistake
// should not look like an empty history.
func (a *app) knownAddress(cmd *cobra.Command, reader state.Reader, arg string, asJSON bool) error {
	l, err := reader.Load(cmd.Context())
	if err != nil {
		return a.failWith("Cannot read the state", err, asJSON)
	}
	if _, diags := rowAddress(l, arg); diags.HasErrors() {
		return a.fail(diags, nil, asJSON)
	}
	return nil
}
