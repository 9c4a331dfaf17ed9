package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
	"tidegate/engine/web"
)

func (a *app) statusCommand() *cobra.Command {
	var f configFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Ask a running daemon how everything is",
		Long: "Ask a running daemon how everything is. The exit code is 0 whenever it answers, whatever\n" +
			"it answers; what has a problem is listed first.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.steer(cmd, &f, a.directory(args), "Cannot ask the daemon", func(ctx context.Context, c *web.Client) error {
				st, err := c.Status(ctx)
				if err != nil {
					return err
				}
				return a.showStatus(st, &f, all)
			})
		},
	}
	f.addJSON(cmd.Flags(), "as JSON, with all counts and times")
	f.addState(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "list every source and sink, however many they are")
	return cmd
}

func (a *app) showStatus(st *engine.Status, f *configFlags, all bool) error {
	if f.json {
		return view.StatusJSON(a.Stdout, st)
	}
	rows := view.StatusRows
	if all {
		rows = 0
	}
	return view.Status(a.Stdout, st, rows, a.style(a.Stdout))
}
