package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/pflag"

	"tidegate/engine/plan"
	"tidegate/engine/view"
)

// The formats of a plan.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatMarkdown = "markdown"
)

var formats = []string{formatText, formatJSON, formatMarkdown}

// renderFlags are the flags of commands that show a plan.
type renderFlags struct {
	format  string // "" is text, or JSON with --json
	summary bool
	limit   int
}

func (f *renderFlags) add(flags *pflag.FlagSet) {
	flags.Var((*formatFlag)(&f.format), "format", "`FORMAT` of the plan: text, json or markdown (made for a comment on a change)")
	f.addSummary(flags)
	f.limit = view.CommentLimit
	flags.Var((*limitFlag)(&f.limit), "comment-limit", "Markdown is cut to `N` characters, 0 for no limit (GitHub takes 65536, GitLab 1000000, Azure DevOps 150000, Bitbucket 32768)")
}

func (f *renderFlags) addSummary(flags *pflag.FlagSet) {
	flags.BoolVar(&f.summary, "summary", false, "of the plan only one short block: what is touched, and the counts")
}

// resolve brings --json and --format together.
func (f *renderFlags) resolve(asJSON *bool) error {
	switch {
	case f.format == "" && *asJSON:
		f.format = formatJSON
	case f.format == "":
		f.format = formatText
	case *asJSON && f.format != formatJSON:
		return &usageError{"Two formats", fmt.Sprintf("--json is short for --format json, and --format %s was given, too. Leave out one of the two.", f.format)}
	}
	*asJSON = f.format == formatJSON
	return nil
}

// plan writes a plan to stdout, with what there is to say of it.
func (a *app) plan(p *plan.Plan, f *renderFlags, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	switch {
	case f.format == formatJSON && f.summary:
		return view.PlanBriefJSON(a.Stdout, p, diags, a.sources(files))
	case f.format == formatJSON:
		return view.PlanJSON(a.Stdout, p, diags, a.sources(files))
	case f.format == formatMarkdown:
		return view.PlanMarkdown(a.Stdout, p, diags, a.sources(files), view.MarkdownOptions{Limit: f.limit, Brief: f.summary})
	case f.summary:
		return view.PlanBrief(a.Stdout, p, a.style(a.Stdout))
	}
	return view.PlanText(a.Stdout, p, a.style(a.Stdout))
}

// strict turns warnings into an error where they count as one. The plan then is one with
// errors, whatever shows it or goes by it.
func strict(p *plan.Plan, diags hcl.Diagnostics) hcl.Diagnostics {
	n := warnings(diags) + p.Warnings()
	if n == 0 {
		return diags
	}
	p.Incomplete = true
	return append(diags, warningsAreErrors(n))
}

func warnings(diags hcl.Diagnostics) int {
	n := 0
	for _, d := range diags {
		if d != nil && d.Severity == hcl.DiagWarning {
			n++
		}
	}
	return n
}

func warningsAreErrors(n int) *hcl.Diagnostic {
	count := fmt.Sprintf("There are %d warnings", n)
	if n == 1 {
		count = "There is 1 warning"
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Warnings count as errors",
		Detail: count + ", and --warnings-as-errors was given. Mend what they say, or leave the flag out.",
	}
}

// formatFlag is the name of a format.
type formatFlag string

func (f *formatFlag) String() string { return string(*f) }
func (f *formatFlag) Type() string   { return "string" }
func (f *formatFlag) Set(value string) error {
	if !slices.Contains(formats, value) {
		return fmt.Errorf("it is one of %s", strings.Join(formats, ", "))
	}
	*f = formatFlag(value)
	return nil
}

// limitFlag is a number of characters, 0 for no limit.
type limitFlag int

func (f *limitFlag) String() string { return strconv.Itoa(int(*f)) }
func (f *limitFlag) Type() string   { return "int" }
func (f *limitFlag) Set(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n != 0 && n < view.MinCommentLimit {
		return errors.New("a whole number of at least " + strconv.Itoa(view.MinCommentLimit) + " is needed, or 0 for no limit")
	}
	*f = limitFlag(n)
	return nil
}
