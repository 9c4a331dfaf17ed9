package cli

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec"
)

// planFlags are the flags of commands that plan.
type planFlags struct {
	configFlags
	renderFlags
	refresh  bool
	destroy  bool
	detailed bool
	strict   bool // warnings count as errors
	out      string
	expires  time.Duration
	selectFlags
	lookFlags
}

func (f *planFlags) add(cmd *cobra.Command, jsonText, parallelismText string) {
	flags := cmd.Flags()
	f.addJSON(flags, jsonText)
	f.addState(flags)
	f.addInputs(flags)
	f.addParallelism(flags, parallelismText)
	f.addSelect(flags)
}

// addStrict adds --warnings-as-errors.
func addStrict(flags *pflag.FlagSet, strict *bool) {
	flags.BoolVar(strict, "warnings-as-errors", false, "a warning is an error: exit with 1, and apply nothing")
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
			if err := f.resolve(&f.json); err != nil {
				return err
			}
			return a.runPlan(cmd, &f, a.directory(args))
		},
	}
	f.add(cmd, "the plan as JSON, in the shape of Terraform's: short for --format json", "`N` deliveries at a time in an apply; plan takes it so that both take the same flags")
	f.renderFlags.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.refresh, "refresh", true, "look at the sources; without, their accepted values stand")
	cmd.Flags().BoolVar(&f.destroy, "destroy", false, "plan what destroy would do")
	cmd.Flags().Var((*textFlag)(&f.out), "out", "`FILE` to save the plan in, for \"tidegate apply FILE\"")
	cmd.Flags().DurationVar(&f.expires, "expires", defaultExpiry, "with --out, the `TIME` for which the plan may be applied")
	cmd.Flags().BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 2 if there are changes")
	addStrict(cmd.Flags(), &f.strict)
	f.lookFlags.add(cmd.Flags())
	return cmd
}

func (f *planFlags) options() engine.PlanOptions {
	return engine.PlanOptions{
		Destroy: f.destroy, NoRefresh: !f.refresh, Brief: !f.json && f.out == "", Targets: f.targets, Excludes: f.excludes,
	}
}

func (a *app) runPlan(cmd *cobra.Command, f *planFlags, dir string) error {
	var show progress
	if err := f.checkOut(cmd, a); err != nil {
		return err
	}
	if err := f.lookFlags.check(cmd); err != nil {
		return err
	}
	opts := a.options(cmd, &f.configFlags, dir)
	if f.base != "" {
		return a.review(cmd, f, opts)
	}
	look, err := f.begin(a, &opts)
	if err != nil {
		return a.failWith("Cannot plan", err, f.json)
	}
	opts.Events = show.Event
	e, diags := engine.Load(cmd.Context(), opts)
	if !diags.HasErrors() {
		diags = append(diags, e.Unused()...)
	}
	economise(e)
	defer e.Close()
	if diags.HasErrors() {
		return a.noPlan(f, diags, e.Files())
	}
	if f.out != "" {
		if err := e.PrepareState(cmd.Context()); err != nil {
			return a.failWith("Cannot save a plan for this state", err, f.json)
		}
	}
	if !f.json {
		show.start(a, nil)
	}
	p, more := e.Plan(cmd.Context(), f.options())
	show.end()
	diags = append(diags, more...)
	diags = append(diags, look.finish()...)
	if stillborn(p, diags) {
		return a.noPlan(f, diags, e.Files())
	}
	p.Incomplete = p.Incomplete || diags.HasErrors()
	if f.json || f.out != "" {
		p.Declared = e.Declared()
	}
	return a.showPlan(cmd, f, e, p, diags, e.Files())
}

// showPlan writes a plan, saves it where that was asked for, and answers with its exit code. e is
// needed for saving alone.
func (a *app) showPlan(cmd *cobra.Command, f *planFlags, e *engine.Engine, p *plan.Plan, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	if f.strict {
		diags = strict(p, diags)
	}
	err := a.plan(p, &f.renderFlags, diags, files)
	a.report(diags, files)
	if f.out != "" && cmd.Context().Err() == nil {
		if saved := a.savePlan(cmd.Context(), e, f, p); saved != nil {
			return a.failWith("Cannot save the plan", saved, false)
		}
	}
	if err != nil {
		return errFailed
	}
	if code := p.Outcome().ExitCode(f.detailed); code != 0 {
		return &exitError{code}
	}
	return nil
}

// noPlan says why there is none. A comment on a change says so, too.
func (a *app) noPlan(f *planFlags, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	if f.format == formatMarkdown {
		_ = a.plan(&plan.Plan{ToolVersion: hclspec.Version, Incomplete: true, Destroy: f.destroy}, &f.renderFlags, diags, files)
	}
	return a.fail(diags, files, f.json)
}

// stillborn reports whether there is no plan to show, only the reason.
func stillborn(p *plan.Plan, diags hcl.Diagnostics) bool {
	return diags.HasErrors() && len(p.Sources)+len(p.Sinks)+len(p.ForgetSources) == 0
}
