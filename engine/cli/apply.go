package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/engine/view"
	"tidegate/hclspec"
)

func (a *app) applyCommand() *cobra.Command {
	var f planFlags
	var w watchFlags
	var auto bool
	cmd := &cobra.Command{
		Use:   "apply [DIR|PLAN]",
		Short: "Make the plan so",
		Long: "Plan, show the plan, ask for approval, accept the new values and deliver them. What\n" +
			"fails stays pending and is tried again by the next apply.\n\n" +
			"Of a PLAN that \"tidegate plan --out PLAN\" saved exactly what it says is delivered,\n" +
			"without asking. It is refused, and nothing changed, when what it rests on has moved. With\n" +
			"a daemon running it is carried out by that.",
		Args: atMost(1, "directory or saved plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.watch && f.strict {
				return &usageError{"Flags that exclude each other", "--warnings-as-errors means nothing to --watch, which goes on whatever there is to warn about. Run \"tidegate validate --warnings-as-errors\" before."}
			}
			if len(args) > 0 && isFile(a.path(args[0])) {
				return a.applySaved(cmd, &f, a.path(args[0]))
			}
			if len(args) > 0 && !exists(a.path(args[0])) {
				return a.failWith("Nothing to apply", errors.New(sentence(fmt.Sprintf("there is no directory %s, nor a saved plan", args[0]))), f.json)
			}
			if w.watch {
				if err := f.unselected(); err != nil {
					return err
				}
				return a.watch(cmd, &f, &w, a.directory(args))
			}
			return a.apply(cmd, &f, a.directory(args), auto)
		},
	}
	f.add(cmd, "what happens as lines of JSON, in the shape of Terraform's", "`N` deliveries at a time")
	cmd.Flags().BoolVar(&auto, "auto-approve", false, "do not ask")
	w.add(cmd)
	addStrict(cmd.Flags(), &f.strict)
	f.addSummary(cmd.Flags())
	cmd.Flags().BoolVar(&f.refresh, "refresh", true, "look at the sources; without, their accepted values stand")
	return cmd
}

// applying is one apply or destroy under way.
type applying struct {
	*app
	engine *loaded
	flags  *planFlags
	auto   bool
	show   progress
	out    *patient     // stdout, which must not make deliveries wait
	stream *view.Stream // nil for text
	again  string       // what becomes of what is deferred, "" for the next apply
}

func (a *app) apply(cmd *cobra.Command, f *planFlags, dir string, auto bool) error {
	ctx := cmd.Context()
	r := &applying{app: a, flags: f, auto: auto, out: newPatient(a.Stdout)}
	defer r.out.drain(ctx.Done()) // after the state was released
	if f.json {
		r.stream = view.NewStream(r.out, time.Now)
		r.stream.Version(hclspec.Version)
		if !auto {
			return r.fail(problem("Approval needed", errors.New("with --json there is nobody to ask; add --auto-approve")))
		}
	}
	opts := a.options(cmd, &f.configFlags, dir)
	opts.Events = r.show.Event
	e, diags := engine.Load(ctx, opts)
	economise(e)
	defer e.Close()
	r.engine = &loaded{e, diags}
	if diags.HasErrors() {
		return r.fail(diags)
	}
	if err := e.Lock(ctx); err != nil {
		return r.fail(lockProblem(err))
	}
	return r.run(ctx)
}

func (r *applying) run(ctx context.Context) error {
	r.show.start(r.app, r.stream)
	p, diags := r.engine.Plan(ctx, r.flags.options())
	r.show.end()
	return r.carryOut(ctx, p, append(r.engine.diags, diags...))
}

// carryOut shows a plan, asks, and applies it.
func (r *applying) carryOut(ctx context.Context, p *plan.Plan, diags hcl.Diagnostics) error {
	if stillborn(p, diags) || ctx.Err() != nil {
		return r.fail(diags)
	}
	if r.flags.strict {
		diags = strict(p, diags)
	}
	r.plan(p)
	r.say(diags)
	if r.flags.strict && warnings(diags)+p.Warnings() > 0 {
		return errFailed // before anything is accepted or delivered
	}
	if err := r.approve(ctx, p); err != nil {
		return err
	}
	r.out.flush()
	// Even a plan without changes has something to write down: when each source was looked at.
	r.show.start(r.app, r.stream)
	result, more := r.engine.Apply(ctx, p)
	r.show.end()
	if n := warnings(more); r.flags.strict && n > 0 {
		more = append(more, warningsAreErrors(n))
	}
	r.say(more)
	r.finish(p, result, more)
	if p.Outcome() == plan.Errored || more.HasErrors() || result.Failed > 0 || result.Interrupted || ctx.Err() != nil {
		return errFailed
	}
	return nil
}

func (r *applying) plan(p *plan.Plan) {
	if r.stream != nil {
		r.stream.Plan(p)
		return
	}
	write := view.PlanText
	if r.flags.summary {
		write = view.PlanBrief
	}
	_ = write(r.out, p, r.style(r.Stdout))
}

// approve asks where there is something to approve.
func (r *applying) approve(ctx context.Context, p *plan.Plan) error {
	if r.auto || !p.Acts() {
		return nil
	}
	question := "Do you want Tidegate to do this?"
	if r.flags.destroy {
		question = "Do you really want Tidegate to do this? What is deleted is gone."
	}
	r.out.flush()
	yes, err := r.confirm(ctx, question)
	switch {
	case err != nil:
		return r.fail(problem("Approval needed", err))
	case !yes:
		fmt.Fprintln(r.Stderr, "\nNothing was done.")
		return errFailed
	}
	return nil
}

// finish writes the last lines: the outputs and the counts.
func (r *applying) finish(p *plan.Plan, result engine.Result, diags hcl.Diagnostics) {
	if r.stream != nil {
		r.stream.Outputs(p.Outputs)
		r.stream.Result(result, r.flags.destroy)
		return
	}
	if result == (engine.Result{}) && !p.HasChanges() && !diags.HasErrors() {
		return // the plan said it: No changes.
	}
	fmt.Fprintln(r.out)
	if !r.flags.destroy && result.Failed == 0 && !result.Interrupted {
		_ = view.Outputs(r.out, p.Outputs, r.style(r.Stdout))
	}
	text := view.ApplyText(result, r.flags.destroy)
	if diags.HasErrors() || p.Failed() {
		text = strings.Replace(text, " complete:", " incomplete:", 1)
	}
	fmt.Fprintln(r.out, text)
	if n := p.Summary().Deferred; n > 0 || result.Deferred > 0 {
		fmt.Fprintln(r.out, cmp.Or(r.again, "What is deferred waits for its turn; apply again then."))
	}
}

func (r *applying) say(diags hcl.Diagnostics) {
	if len(diags) == 0 {
		return
	}
	if r.stream != nil {
		r.stream.Diagnostics(diags, r.sources(r.files()))
	}
	r.out.flush()
	r.report(diags, r.files())
}

func (r *applying) fail(diags hcl.Diagnostics) error {
	r.say(diags)
	return errFailed
}

func (r *applying) files() map[string]*hcl.File {
	if r.engine == nil {
		return nil
	}
	return r.engine.Files()
}

// lockProblem says who holds the state.
func lockProblem(err error) hcl.Diagnostics {
	var locked *state.LockedError
	switch {
	case !errors.As(err, &locked):
		return problem("Cannot open the state", err)
	case locked.Holder.Socket != "":
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "A daemon holds the state", Detail: sentence(locked.Error()) + " " + beside}}
	}
	return problem("The state is locked", locked)
}

// beside says how to get done what a daemon keeps others from doing.
const beside = "It applies changes by itself: edit the configuration, which it takes up when the files have been " +
	"quiet for two seconds (tidegate reload: now). What is taken out of the configuration is forgotten, or deleted after " +
	"tidegate approve ADDR. tidegate pause ADDR stops it from delivering somewhere, tidegate status shows what it does."
