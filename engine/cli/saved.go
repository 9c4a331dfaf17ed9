package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/view"
	"tidegate/engine/web"
	"tidegate/hclspec"
	"tidegate/providers/userfile"
)

// defaultExpiry is for how long a saved plan may be applied.
const defaultExpiry = 24 * time.Hour

// maxPlan bounds a file that is read as a saved plan.
const maxPlan = 1 << 30

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// checkOut refuses what could not be saved before anything is looked at.
func (f *planFlags) checkOut(cmd *cobra.Command, a *app) error {
	if f.out == "" {
		if cmd.Flags().Changed("expires") {
			return &usageError{"Invalid flags", "--expires says for how long a saved plan may be applied; say with --out where it is saved."}
		}
		return nil
	}
	if f.expires <= 0 {
		return &usageError{"Invalid flag", "--expires must be more than nothing, for example 24h."}
	}
	if strings.HasSuffix(f.out, ".hcl") || strings.HasSuffix(f.out, ".json") {
		return &usageError{"Invalid flag", "A plan saved as " + f.out + " would be taken for something else by its name. Give it another one, for example plan.tidegate."}
	}
	path := a.path(f.out)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return &usageError{"Invalid flag", "The plan cannot be saved in " + f.out + ", which is there and is no file."}
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return &usageError{"Invalid flag", "The plan cannot be saved in " + f.out + ": there is no directory " + filepath.Dir(path) + "."}
	}
	return nil
}

// savePlan writes the plan where --out says, for its owner alone.
func (a *app) savePlan(ctx context.Context, e *engine.Engine, f *planFlags, p *plan.Plan) error {
	expires := time.Now().Add(f.expires)
	data, err := e.Save(ctx, p, expires)
	if err != nil {
		return err
	}
	if err := userfile.Save(ctx, a.path(f.out), data); err != nil {
		return err
	}
	to := a.Stdout
	switch f.format {
	case formatJSON:
		return nil
	case formatMarkdown:
		to = a.Stderr // the comment is complete
	}
	said := fmt.Sprintf("Saved in %s until %s. To do exactly this:\n  tidegate apply %s", f.out, expires.UTC().Format(time.RFC3339), shellWord(f.out))
	if p.Incomplete {
		said = fmt.Sprintf("Saved in %s, marked as incomplete: it can be shown, and apply refuses it.", f.out)
	}
	fmt.Fprintln(to)
	return view.Prose(to, 0, said, a.style(to))
}

// readPlan reads a file that a plan was saved in, and returns its bytes too.
func readPlan(path string) (*plan.Saved, []byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, nil, errors.Join(err, fmt.Errorf("%s is no regular file", path))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxPlan+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxPlan {
		return nil, nil, fmt.Errorf("%s has more than %d bytes: it is no saved plan", path, maxPlan)
	}
	s, err := plan.Decode(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is a file that cannot be read as a plan: %w", path, err)
	}
	return s, data, nil
}

// vouching finds the state whose key a saved plan has to be signed with: that of --state, or of
// the configuration at hand. What the plan says of it counts for nothing, since whoever writes a
// plan can sign it with a key of their own.
func (a *app) vouching(cmd *cobra.Command, f *configFlags, s *plan.Saved) (string, error) {
	here := a.path(".")
	if f.state == "" && len(hclspec.ReadsOf(here)) == 0 {
		return "", fmt.Errorf("a plan is vouched for by the state of its configuration, and there is none here. Apply it in the directory of the configuration (%s, or --chdir), or name the state with --state", s.Plan.Dir)
	}
	return a.statePath(cmd, f, here)
}

// planningFlags are those that were used up when the plan was made.
var planningFlags = []string{"var", "var-file", "target", "exclude", "refresh", "watch", "listen", "grace", "allow-delete", "warnings-as-errors"}

func (a *app) applySaved(cmd *cobra.Command, f *planFlags, path string) error {
	for _, name := range planningFlags {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			return &usageError{"Invalid flags", "--" + name + " has no meaning for a saved plan, which is applied as it is. To plan anew, name the directory."}
		}
	}
	ctx := cmd.Context()
	r := &applying{app: a, flags: f, auto: true, out: newPatient(a.Stdout)}
	defer r.out.drain(ctx.Done())
	if f.json {
		r.stream = view.NewStream(r.out, time.Now)
		r.stream.Version(hclspec.Version)
	}
	s, data, err := readPlan(path)
	if err != nil {
		return r.fail(problem("Cannot read the plan", err))
	}
	if err := a.elsewhere(s); err != nil {
		return r.fail(problem("Plan for another directory", err))
	}
	opts := a.options(cmd, &f.configFlags, s.Plan.Dir)
	opts.Events = r.show.Event
	if opts.StatePath, err = a.vouching(cmd, &f.configFlags, s); err != nil {
		return r.fail(problem("Nobody vouches for the plan", err))
	}
	r.flags.destroy = s.Plan.Destroy
	if client, err := a.runningDaemon(ctx, opts.StatePath); err == nil {
		return r.savedByDaemon(ctx, client, s, data)
	}
	e := engine.OpenSaved(opts, s)
	defer e.Close()
	r.engine = &loaded{e, nil}
	if err := e.CheckSaved(ctx, s, time.Now()); err != nil {
		return r.fail(refusal(err))
	}
	if err := e.Lock(ctx); err != nil {
		return r.fail(lockProblem(err))
	}
	r.show.start(a, r.stream)
	result, more, err := e.ApplySaved(ctx, s)
	r.show.end()
	if err != nil {
		return r.fail(refusal(err))
	}
	return r.savedEnds(ctx, s.Plan, result, more)
}

// savedByDaemon has the daemon that holds the state carry the plan out.
func (r *applying) savedByDaemon(ctx context.Context, client *web.Client, s *plan.Saved, data []byte) error {
	r.again = "What is deferred waits for its turn; the daemon delivers it then."
	r.show.start(r.app, r.stream)
	result, more, err := client.ApplySaved(ctx, data, r.show.Event)
	r.show.end()
	if err != nil {
		return r.fail(refusal(err))
	}
	return r.savedEnds(ctx, s.Plan, result, more)
}

func (r *applying) savedEnds(ctx context.Context, p *plan.Plan, result engine.Result, diags hcl.Diagnostics) error {
	r.say(diags)
	r.finish(p, result, diags)
	if diags.HasErrors() || p.Failed() || result.Failed > 0 || result.Interrupted || ctx.Err() != nil {
		return errFailed
	}
	return nil
}

// elsewhere refuses a plan where another configuration is at hand than the one it is for.
func (a *app) elsewhere(s *plan.Saved) error {
	here := a.path(".")
	if len(hclspec.ReadsOf(here)) == 0 {
		return nil
	}
	if same, err := sameDirectory(here, s.Plan.Dir); err != nil || same {
		return nil
	}
	return fmt.Errorf("the plan is for %s, and there is another configuration in %s. Apply it there, or with --chdir", s.Plan.Dir, here)
}

func sameDirectory(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(first, second), nil
}

// refusal shows why a saved plan is not applied.
func refusal(err error) hcl.Diagnostics {
	var refused *engine.PlanRefusal
	if errors.As(err, &refused) {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: refused.Summary, Detail: refused.Error()}}
	}
	return problem("Cannot apply the plan", err)
}

// checkSaved verifies a plan that is only looked at.
func (a *app) checkSaved(cmd *cobra.Command, f *configFlags, s *plan.Saved) error {
	opts := a.options(cmd, f, s.Plan.Dir)
	var err error
	if opts.StatePath, err = a.vouching(cmd, f, s); err != nil {
		return err
	}
	e := engine.OpenSaved(opts, s)
	defer e.Close()
	return e.CheckSaved(cmd.Context(), s, time.Now())
}

// showSaved shows a saved plan. Who cannot read the state's key sees it too, but for what is
// sensitive and without knowing whether it was changed.
func (a *app) showSaved(cmd *cobra.Command, f *configFlags, format *renderFlags, path string) error {
	s, _, err := readPlan(path)
	if err != nil {
		return a.failWith("Cannot read the plan", err, f.json)
	}
	var diags hcl.Diagnostics
	var refused *engine.PlanRefusal
	switch err := a.checkSaved(cmd, f, s); {
	case errors.As(err, &refused) && refused.Summary == engine.InvalidPlan:
		return a.fail(refusal(err), nil, f.json)
	case errors.As(err, &refused):
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: refused.Summary, Detail: refused.Detail})
	case err != nil:
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "The plan was not verified",
			Detail: fmt.Sprintf("Nobody can tell here whether it is as it was written: %s.", err),
		})
	}
	err = a.plan(s.Plan, format, diags, nil)
	a.report(diags, nil)
	if err != nil {
		return errFailed
	}
	return nil
}
