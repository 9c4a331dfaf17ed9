package cli

import (
	"os"

	"github.com/spf13/cobra"

	"tidegate/engine/state"
	"tidegate/engine/view"
)

func (a *app) showCommand() *cobra.Command {
	var f configFlags
	var format renderFlags
	cmd := &cobra.Command{
		Use:   "show [PLAN]",
		Short: "Show what was accepted and delivered, or a saved plan",
		Long: "Show what was accepted and delivered, as of the state. With a PLAN that\n" +
			"\"tidegate plan --out PLAN\" saved show that, as plan did.",
		Args: atMost(1, "saved plan or directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := format.resolve(&f.json); err != nil {
				return err
			}
			dir := a.path(f.dir)
			if len(args) > 0 {
				if dir = a.directory(args); isFile(dir) {
					return a.showSaved(cmd, &f, &format, dir)
				}
				if info, err := os.Stat(dir); err != nil || !info.IsDir() {
					return &usageError{"Neither a plan nor a directory", "\"tidegate show\" shows a saved plan or the state of a directory, and there is no " + args[0] + "."}
				}
			}
			if format.format == formatMarkdown || format.summary {
				return &usageError{"Invalid flags", "--format markdown and --summary are for a saved plan; the state is shown as text or JSON."}
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
	format.add(cmd.Flags())
	f.onState(cmd)
	return cmd
}
