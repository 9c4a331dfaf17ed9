package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
)

func (a *app) graphCommand() *cobra.Command {
	var f configFlags
	var format string
	cmd := &cobra.Command{
		Use:   "graph [DIR]",
		Short: "Write what depends on what in Graphviz's language",
		Args:  atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "dot" {
				return &usageError{"Unknown format", fmt.Sprintf("--format %q is not known; dot is.", format)}
			}
			// What depends on what needs no values of variables.
			e, diags := engine.Validate(cmd.Context(), a.options(cmd, &f, a.directory(args)))
			defer e.Close()
			if diags.HasErrors() {
				return a.fail(diags, e.Files(), false)
			}
			a.report(diags, e.Files())
			return view.GraphDot(a.Stdout, e.Graph())
		},
	}
	cmd.Flags().StringVar(&format, "format", "dot", "`FORMAT` of the graph: dot")
	f.addInputs(cmd.Flags())
	return cmd
}
