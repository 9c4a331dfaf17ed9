package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
)

func (a *app) validateCommand() *cobra.Command {
	var f configFlags
	var asErrors bool
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check a configuration without looking at anything else",
		Long: "Check a configuration. No source, state, environment variable or required variable is\n" +
			"needed: they count as unknown. All mistakes are reported at once.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.validate(cmd, &f, a.directory(args), asErrors)
		},
	}
	f.addJSON(cmd.Flags(), "the diagnostics as JSON, in the shape of Terraform's")
	f.addInputs(cmd.Flags())
	addStrict(cmd.Flags(), &asErrors)
	return cmd
}

func (a *app) validate(cmd *cobra.Command, f *configFlags, dir string, asErrors bool) error {
	e, diags := engine.Validate(cmd.Context(), a.options(cmd, f, dir))
	defer e.Close()
	if !diags.HasErrors() {
		diags = append(diags, e.Unused()...)
	}
	if n := warnings(diags); asErrors && n > 0 {
		diags = append(diags, warningsAreErrors(n))
	}
	switch {
	case diags.HasErrors():
		return a.fail(diags, e.Files(), f.json)
	case f.json:
		a.report(diags, e.Files())
		return view.DiagnosticsJSON(a.Stdout, diags, a.sources(e.Files()))
	}
	a.report(diags, e.Files())
	text := "Success! The configuration is valid."
	if len(diags) > 0 {
		text = "Success! The configuration is valid, with the warnings above."
	}
	_, err := fmt.Fprintln(a.Stdout, text)
	return err
}
