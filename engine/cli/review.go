package cli

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/engine"
	"tidegate/engine/review"
)

// lookFlags say how a plan looks at the world, and what it is compared with.
type lookFlags struct {
	base             string
	record, recorded string
	noExec           bool
	hosts            []string
}

func (f *lookFlags) add(flags *pflag.FlagSet) {
	flags.Var((*textFlag)(&f.base), "base", "plan what the change since a git `REVISION` does, without state and targets")
	flags.Var((*textFlag)(&f.record), "record", "write what the sources bring into `DIR`, for --recorded")
	flags.Var((*textFlag)(&f.recorded), "recorded", "read what --record wrote into `DIR` instead of asking the sources")
	flags.BoolVar(&f.noExec, "no-exec", false, "run no program: a source or rule that is one fails")
	flags.StringSliceVar(&f.hosts, "allow-host", nil, "let sources connect to `HOST` (example.com, *.example.com) and no other; may be repeated")
}

// check refuses flags that do not go together.
func (f *lookFlags) check(cmd *cobra.Command) error {
	if f.record != "" && f.recorded != "" {
		return &usageError{"Invalid flags", "--record writes what the sources bring, and --recorded asks none; say one of them."}
	}
	if f.base == "" {
		return nil
	}
	for _, name := range []string{"out", "destroy", "refresh", "state", "record", "target", "exclude"} {
		if cmd.Flags().Changed(name) {
			return &usageError{"Invalid flags", "--base plans what a change does, from nothing but the configuration and its sources; --" + name + " has no meaning for that."}
		}
	}
	return nil
}

func (f *lookFlags) look(a *app) review.Look {
	return review.Look{
		Guard:  review.Guard{NoExec: f.noExec, LimitHosts: f.hosts != nil, Hosts: f.hosts},
		Record: a.path(f.record), Play: a.path(f.recorded),
	}
}

// looking is the recording of a plan under way, nil for none.
type looking struct{ session *review.Session }

// begin puts the guards and the recording between a plan and its sources.
func (f *lookFlags) begin(a *app, opts *engine.Options) (*looking, error) {
	if f.record == "" && f.recorded == "" && !f.noExec && f.hosts == nil {
		return nil, nil
	}
	l := &looking{f.look(a).Begin()}
	registry, err := l.session.Registry(opts.Registry, opts.Dir)
	opts.Registry = registry
	return l, err
}

// finish writes the recording and says what is not in it.
func (l *looking) finish() hcl.Diagnostics {
	if l == nil {
		return nil
	}
	skipped, err := l.session.Save()
	if err != nil {
		return problem("Cannot write the recording", err)
	}
	if len(skipped) == 0 {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "Secrets were not recorded",
		Detail: fmt.Sprintf("The values of %s are sensitive, and a recording is clear text: they are not in it. A plan from it has nothing for them.", strings.Join(skipped, ", ")),
	}}
}

// review plans what a change to the configuration does.
func (a *app) review(cmd *cobra.Command, f *planFlags, opts engine.Options) error {
	r := review.Compare(cmd.Context(), opts, f.base, f.look(a))
	if stillborn(r.Plan, r.Diags) {
		return a.noPlan(f, r.Diags, r.Files)
	}
	if f.json && r.Declared != nil {
		r.Plan.Declared = r.Declared()
	}
	return a.showPlan(cmd, f, nil, r.Plan, r.Diags, r.Files)
}
