package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/engine"
	"tidegate/hclspec"
)

// configFlags are the flags of commands that load a configuration.
type configFlags struct {
	json        bool
	state       string
	dir         string // of commands with an ADDR
	inputs      []hclspec.InputFlag
	parallelism int
}

func (f *configFlags) addJSON(flags *pflag.FlagSet, what string) {
	flags.BoolVar(&f.json, "json", false, what)
}

func (f *configFlags) addState(flags *pflag.FlagSet) {
	flags.Var((*textFlag)(&f.state), "state", "`FILE` of the state (default: the state block, $STATE_DIRECTORY, or .tidegate/state.db in the directory)")
}

func (f *configFlags) addDir(flags *pflag.FlagSet) {
	f.dir = "."
	flags.Var((*textFlag)(&f.dir), "dir", "`DIR` of the configuration")
}

// onState adds the flags of a command about the state of a configuration.
func (f *configFlags) onState(cmd *cobra.Command) *cobra.Command {
	f.addState(cmd.Flags())
	f.addDir(cmd.Flags())
	return cmd
}

func (f *configFlags) addInputs(flags *pflag.FlagSet) {
	flags.Var(&inputFlag{"var", &f.inputs}, "var", "`NAME=VALUE` of a variable; may be repeated")
	flags.Var(&inputFlag{"var-file", &f.inputs}, "var-file", "`FILE` with values of variables; may be repeated, later ones win")
}

func (f *configFlags) addParallelism(flags *pflag.FlagSet, what string) {
	f.parallelism = engine.DefaultParallelism
	flags.Var((*countFlag)(&f.parallelism), "parallelism", what)
}

// countFlag is a whole number of at least 1; 0, its zero value, is "not given".
type countFlag int

func (f *countFlag) String() string { return strconv.Itoa(int(*f)) }
func (f *countFlag) Type() string   { return "int" }
func (f *countFlag) Set(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return errors.New("a whole number of at least 1 is needed")
	}
	*f = countFlag(n)
	return nil
}

// textFlag is a path. An empty one, as of a shell variable that is not set, must not pass for
// the default.
type textFlag string

func (f *textFlag) String() string { return string(*f) }
func (f *textFlag) Type() string   { return "string" }
func (f *textFlag) Set(value string) error {
	if value == "" {
		return errEmpty
	}
	*f = textFlag(value)
	return nil
}

var errEmpty = errors.New("it is empty; leave the flag out for its default")

// inputFlag is --var or --var-file. Both append to one list, because the last one wins
// whichever it is.
type inputFlag struct {
	name string
	list *[]hclspec.InputFlag
}

func (f *inputFlag) String() string { return "" }
func (f *inputFlag) Type() string   { return "string" }
func (f *inputFlag) Set(value string) error {
	if value == "" {
		return errEmpty
	}
	*f.list = append(*f.list, hclspec.InputFlag{Name: f.name, Value: value})
	return nil
}

// options returns what the engine needs to know to run the configuration in dir.
func (a *app) options(cmd *cobra.Command, f *configFlags, dir string) engine.Options {
	inputs := make([]hclspec.InputFlag, len(f.inputs))
	for i, in := range f.inputs {
		inputs[i] = in
		if in.Name == "var-file" {
			inputs[i].Value = a.path(in.Value)
		}
	}
	return engine.Options{
		Dir: dir, Registry: a.registry, StatePath: a.path(f.state), Flags: inputs, Environ: a.Environ,
		Parallelism: f.parallelism, Logger: a.logger(), Command: cmd.CommandPath(), Version: hclspec.Version,
	}
}

// loaded is an engine with what loading said.
type loaded struct {
	*engine.Engine
	diags hcl.Diagnostics
}

// load loads a configuration and fails if it cannot be used.
func (a *app) load(ctx context.Context, opts engine.Options, asJSON bool) (*loaded, error) {
	e, diags := engine.Load(ctx, opts)
	economise(e)
	if diags.HasErrors() {
		defer e.Close()
		return nil, a.fail(diags, e.Files(), asJSON)
	}
	return &loaded{e, diags}, nil
}
