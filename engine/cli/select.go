package cli

import (
	"github.com/spf13/pflag"
)

// selectFlags say which part of the configuration a command is about.
type selectFlags struct {
	targets, excludes []string
}

func (f *selectFlags) addSelect(flags *pflag.FlagSet) {
	flags.Var(&patternFlag{&f.targets}, "target", "`ADDR` or glob of what alone is planned, with what it needs; may be repeated")
	flags.Var(&patternFlag{&f.excludes}, "exclude", "`ADDR` or glob of what is left out, with what needs it; may be repeated")
}

// unselected refuses the flags where everything is run.
func (f *selectFlags) unselected() error {
	if len(f.targets)+len(f.excludes) == 0 {
		return nil
	}
	return &usageError{
		"Nothing to select from", "--watch keeps all of the configuration so; --target and --exclude are for one plan or apply. " +
			"tidegate pause ADDR has a daemon leave something alone.",
	}
}

// patternFlag is --target or --exclude.
type patternFlag struct{ list *[]string }

func (f *patternFlag) String() string { return "" }
func (f *patternFlag) Type() string   { return "string" }
func (f *patternFlag) Set(value string) error {
	if value == "" {
		return errEmpty
	}
	*f.list = append(*f.list, value)
	return nil
}
