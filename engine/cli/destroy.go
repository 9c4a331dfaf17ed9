package cli

import "github.com/spf13/cobra"

func (a *app) destroyCommand() *cobra.Command {
	f := planFlags{destroy: true, refresh: true}
	var auto bool
	cmd := &cobra.Command{
		Use:   "destroy [DIR]",
		Short: "Forget all sinks, and delete the targets that say so",
		Long: "Forget all sinks of the state. A target stays as it is unless its sink was last applied\n" +
			"with on_destroy = \"delete\".",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.apply(cmd, &f, a.directory(args), auto)
		},
	}
	f.add(cmd, "what happens as lines of JSON, in the shape of Terraform's", "`N` deliveries at a time")
	f.addSummary(cmd.Flags())
	cmd.Flags().BoolVar(&auto, "auto-approve", false, "do not ask")
	return cmd
}
