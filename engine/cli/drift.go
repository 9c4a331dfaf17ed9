package cli

import (
	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
)

// errDrifted is the exit code of drift where there is any.
var errDrifted = &exitError{2}

func (a *app) driftCommand() *cobra.Command {
	var f configFlags
	var s selectFlags
	cmd := &cobra.Command{
		Use:   "drift [DIR]",
		Short: "Show what somebody else changed in the targets",
		Long: "Compare what the targets of sinks hold with what was last delivered to them. No source is\n" +
			"asked and nothing is written or locked. The exit code is 0 if all are in step, 2 if a\n" +
			"target drifted (with on_drift = \"ignore\" it may), 1 after an error.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.drift(cmd, &f, &s, a.directory(args))
		},
	}
	f.addJSON(cmd.Flags(), "the drift as JSON, in the shape of Terraform's")
	f.addState(cmd.Flags())
	f.addInputs(cmd.Flags())
	s.addSelect(cmd.Flags())
	return cmd
}

func (a *app) drift(cmd *cobra.Command, f *configFlags, s *selectFlags, dir string) error {
	e, err := a.load(cmd.Context(), a.options(cmd, f, dir), f.json)
	if err != nil {
		return err
	}
	defer e.Close()
	d, diags := e.Drift(cmd.Context(), engine.PlanOptions{Targets: s.targets, Excludes: s.excludes})
	diags = append(e.diags, diags...)
	if diags.HasErrors() && len(d.Sinks) == 0 {
		return a.fail(diags, e.Files(), f.json)
	}
	failed := diags.HasErrors() || d.Count(engine.Unreadable) > 0
	if f.json {
		err = view.DriftJSON(a.Stdout, d, failed, diags, a.sources(e.Files()))
	} else {
		err = view.DriftText(a.Stdout, d, failed, a.style(a.Stdout))
	}
	a.report(diags, e.Files())
	switch {
	case err != nil || failed:
		return errFailed
	case d.Count(engine.Drifted) > 0:
		return errDrifted
	}
	return nil
}
