package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
	"tidegate/engine/web"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

func (a *app) rollbackCommand() *cobra.Command {
	var f planFlags
	var to int64
	var auto, release bool
	cmd := &cobra.Command{
		Use:   "rollback ADDR",
		Short: "Put an earlier revision of a sink back, and hold it there",
		Long: "Put back what was delivered to a sink before: the revision before the one in use, or the\n" +
			"one that --to names (\"tidegate state show ADDR\" lists them). Its rules, preconditions and rate limits\n" +
			"are asked as for any delivery. What was rolled back from is not delivered again until\n" +
			"--release; a new value is. With a daemon running it is carried out by that.",
		Args: exactly("the address of a sink, for example sink.file.app"),
		RunE: func(cmd *cobra.Command, args []string) error {
			addr, err := address.Parse(args[0])
			if err == nil && addr.Type != address.Sink {
				err = fmt.Errorf("%s is no sink", addr)
			}
			if err != nil {
				return a.failWith("Invalid address", err, f.json)
			}
			given := cmd.Flags().Changed("to")
			switch {
			case release && given:
				return &usageError{"Invalid flags", "--release ends a hold and --to begins one; say one of them."}
			case given && to < 0:
				return &usageError{"Invalid flag", "--to names a revision, a number from 0."}
			case !given:
				to = engine.RevisionBefore
			}
			return a.rollback(cmd, &f, addr, to, release, auto)
		},
	}
	f.addJSON(cmd.Flags(), "what happens as lines of JSON, in the shape of Terraform's")
	f.onState(cmd)
	f.addInputs(cmd.Flags())
	cmd.Flags().Int64Var(&to, "to", 0, "`REVISION` that is put back (default: the one before that in use)")
	cmd.Flags().BoolVar(&release, "release", false, "end the hold: what the configuration says is delivered again")
	cmd.Flags().BoolVar(&auto, "auto-approve", false, "do not ask")
	return cmd
}

func (a *app) rollback(cmd *cobra.Command, f *planFlags, addr address.Address, to int64, release, auto bool) error {
	ctx := cmd.Context()
	dir := a.path(f.dir)
	path, err := a.statePath(cmd, &f.configFlags, dir)
	if err != nil {
		return a.reported("Cannot find the state", err, f.json)
	}
	if _, err := a.runningDaemon(ctx, path); err == nil {
		return a.rollbackByDaemon(cmd, f, addr, to, release, auto)
	}
	r := &applying{app: a, flags: f, auto: auto, out: newPatient(a.Stdout)}
	defer r.out.drain(ctx.Done())
	if f.json {
		r.stream = view.NewStream(r.out, time.Now)
		r.stream.Version(hclspec.Version)
		if !auto && !release {
			return r.fail(problem("Approval needed", errors.New("with --json there is nobody to ask; add --auto-approve")))
		}
	}
	opts := a.options(cmd, &f.configFlags, dir)
	opts.Events = r.show.Event
	e, diags := engine.Load(ctx, opts)
	defer e.Close()
	r.engine = &loaded{e, diags}
	if diags.HasErrors() && !release {
		return r.fail(diags)
	}
	if err := e.Lock(ctx); err != nil {
		return r.fail(lockProblem(err))
	}
	if release {
		if err := e.Release(ctx, addr); err != nil {
			return r.fail(problem("Cannot release", err))
		}
		if !f.json {
			fmt.Fprintf(r.out, "Released: the next apply delivers what the configuration says to %s.\n", addr)
		}
		return nil
	}
	p, more := e.PlanRollback(ctx, addr, to)
	return r.carryOut(ctx, p, append(diags, more...))
}

// rollbackByDaemon asks the daemon that holds the state.
func (a *app) rollbackByDaemon(cmd *cobra.Command, f *planFlags, addr address.Address, to int64, release, auto bool) error {
	if !auto && !release {
		yes, err := a.confirm(cmd.Context(), fmt.Sprintf("Do you want the daemon to roll %s back?", addr))
		if err != nil {
			return a.failWith("Approval needed", err, f.json)
		}
		if !yes {
			fmt.Fprintln(a.Stderr, "\nNothing was done.")
			return errFailed
		}
	}
	return a.steer(cmd, &f.configFlags, a.path(f.dir), "Cannot roll back", func(ctx context.Context, c *web.Client) error {
		if release {
			if err := c.Release(ctx, addr); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.Stdout, "Released: the daemon delivers what the configuration says to %s.\n", addr)
			return err
		}
		revision, err := c.Rollback(ctx, addr, to)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.Stdout, "Rolled back: the daemon delivers revision %d to %s and holds it there until\n"+
			"a new value comes, or: tidegate rollback '%s' --release\n", revision, addr, addr)
		return err
	})
}
