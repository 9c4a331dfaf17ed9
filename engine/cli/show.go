package cli

import (
	"os"

	"github.com/spf13/cobra"

	"tidegate/engine/state"
	"tidegate/engine/view"
)

func (a *app) showCommand() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what was accepted and delivered",
		Args:  atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := a.path(f.dir)
			if len(args) > 0 {
				dir = a.directory(args)
				if info, err := os.Stat(dir); err != nil || !info.IsDir() {
					return &usageError{"Not a directory", "\"tidegate show\" shows the state of a directory, and " + args[0] + " is none."}
				}
			}
			return a.withLedger(cmd, &f, dir, func(r state.Reader, l *state.Ledger) error {
				s := viewState(cmd.Context(), r, l)
				if f.json {
					return view.StateJSON(a.Stdout, s)
				}
				return view.StateText(a.Stdout, s, a.style(a.Stdout))
			})
		},
	}
	f.addJSON(cmd.Flags(), "the state as JSON, in the shape of Terraform's")
	f.onState(cmd)
	return cmd
}
