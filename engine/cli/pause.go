package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/web"
)

func (a *app) pauseCommand() *cobra.Command {
	var f configFlags
	var reason string
	var period time.Duration
	cmd := f.onState(&cobra.Command{
		Use:   "pause ADDR|GLOB",
		Short: "Stop looking at a source, or delivering to a sink",
		Long: "Have a running daemon stop looking at a source, or delivering to a sink. A glob stands for\n" +
			"all that it matches (quote it: 'source.http.*'). It holds until resumed, or for as long as\n" +
			"--for says, also when the daemon is started anew.",
		Args: exactly("an address or a glob, for example sink.file.app or 'source.http.*'"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := engine.Pause{Pattern: args[0], Reason: reason}
			if cmd.Flags().Changed("for") {
				if period <= 0 {
					return a.failWith("Invalid flag", errors.New("--for must be more than nothing, for example 90m"), false)
				}
				p.Until = time.Now().Add(period)
			}
			return a.steer(cmd, &f, a.path(f.dir), "Cannot pause", func(ctx context.Context, c *web.Client) error {
				if err := c.Pause(ctx, p); err != nil {
					return err
				}
				end := "until resumed"
				if !p.Until.IsZero() {
					end = "until " + p.Until.UTC().Format(time.RFC3339)
				}
				_, err := fmt.Fprintf(a.Stdout, "Paused %s %s.\n", args[0], end)
				return err
			})
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` that status and log show")
	cmd.Flags().DurationVar(&period, "for", 0, "`DURATION` after which it ends by itself, such as 90m or 24h")
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	var f configFlags
	return f.onState(&cobra.Command{
		Use:   "resume ADDR|GLOB",
		Short: "End a pause",
		Long: "End the pause of a pattern, or resume one address, out of a paused glob too: the rest of\n" +
			"that stays paused. What changed meanwhile is looked at and delivered at once.",
		Args: exactly("an address or the glob that was paused"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.steer(cmd, &f, a.path(f.dir), "Cannot resume", func(ctx context.Context, c *web.Client) error {
				n, err := c.Resume(ctx, args[0])
				if err != nil {
					return err
				}
				if n == 1 {
					_, err = fmt.Fprintf(a.Stdout, "Resumed %s.\n", args[0])
				} else {
					_, err = fmt.Fprintf(a.Stdout, "Resumed %s: %d pauses.\n", args[0], n)
				}
				return err
			})
		},
	})
}
