package cli

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/view"
)

// planFlags are the flags of commands that plan.
type planFlags struct {
	configFlags
	refresh  bool
	destroy  bool
	detailed bool
}

func (f *planFlags) add(cmd *cobra.Command, jsonText, parallelismText string) {
	flags := cmd.Flags()
	f.addJSON(flags, jsonText)
	f.addState(flags)
	f.addInputs(flags)
	f.addParallelism(flags, parallelismText)
}

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Show what apply would do",
		Long: "Look at all sources and sinks and show what apply would do. Nothing is changed: no\n" +
			"value is accepted, nothing is delivered, no state is written.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd, &f, a.directory(args))
		},
	}
	f.add(cmd, "the plan as JSON, in the shape of Terraform's", "`N` deliveries at a time in an apply; plan takes it so that both take the same flags")
	cmd.Flags().BoolVar(&f.refresh, "refresh", true, "look at the sources; without, their accepted values stand")
	cmd.Flags().BoolVar(&f.destroy, "destroy", false, "plan what destroy would do")
	cmd.Flags().BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 2 if there are changes")
	return cmd
}

func (f *planFlags) options() engine.PlanOptions {
	return engine.PlanOptions{Destroy: f.destroy, NoRefresh: !f.refresh, Brief: !f.json}
}

func (a *app) plan(cmd *cobra.Command, f *planFlags, dir string) error {
	var show progress
	opts := a.options(cmd, &f.configFlags, dir)
	opts.Events = show.Event
	e, err := a.load(cmd.Context(), opts, f.json)
	if err != nil {
		return err
	}
	defer e.Close()
	if !f.json {
		show.start(a, nil)
	}
	p, diags := e.Plan(cmd.Context(), f.options())
	show.end()
	diags = append(e.diags, diags...)
	if stillborn(p, diags) {
		return a.fail(diags, e.Files(), f.json)
	}
	if f.json {
		err = view.PlanJSON(a.Stdout, p, diags, a.sources(e.Files()))
	} else {
		err = view.PlanText(a.Stdout, p, a.style(a.Stdout))
	}
	a.report(diags, e.Files())
	switch {
	case err != nil || p.Failed() || diags.HasErrors():
		return errFailed
	case f.detailed && p.HasChanges():
		return errChanges
	}
	return nil
}

// stillborn reports whether there is no plan to show, only the reason.
func stillborn(p *plan.Plan, diags hcl.Diagnostics) bool {
	return diags.HasErrors() && len(p.Sources)+len(p.Sinks)+len(p.ForgetSources) == 0
}
