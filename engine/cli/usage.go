package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/hclspec"
)

// usageError is a mistake on the command line.
type usageError struct{ summary, detail string }

func (e *usageError) Error() string { return e.summary + ": " + e.detail }

// usageOf explains an error of cobra's own.
func usageOf(err error, root *cobra.Command) *usageError {
	return &usageError{"Invalid command line", sentence(err.Error()) + " Run \"" + root.Name() + " --help\" for the commands."}
}

// flagError names the nearest flag for one that is not known.
func flagError(cmd *cobra.Command, err error) error {
	help := fmt.Sprintf("Run %q for its flags.", cmd.CommandPath()+" --help")
	if text, is := strings.CutSuffix(err.Error(), ": invalid syntax"); is && strings.Contains(text, "strconv.ParseBool") {
		text, _, _ = strings.Cut(text, "strconv.ParseBool")
		err = errors.New(text + "true or false is needed")
	}
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return &usageError{"Invalid flag", sentence(err.Error()) + " " + help}
	}
	var names []string
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	if near := hclspec.Nearest(name, names); near != "" {
		help = fmt.Sprintf("Did you mean --%s? %s", near, help)
	}
	return &usageError{"Unknown flag", fmt.Sprintf("%q has no flag --%s. %s", cmd.CommandPath(), name, help)}
}

// unknownCommand refuses what follows a command that only groups others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	help := fmt.Sprintf("Run %q for the commands.", cmd.CommandPath()+" --help")
	if near := hclspec.Nearest(args[0], names); near != "" {
		help = fmt.Sprintf("Did you mean %q? %s", cmd.CommandPath()+" "+near, help)
	}
	return &usageError{"Unknown command", fmt.Sprintf("There is no command %q. %s", cmd.CommandPath()+" "+args[0], help)}
}

// atMost allows that many arguments, and no empty one: a shell variable that is not set must
// not make a command work on the current directory.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n && slices.Contains(args, "") {
			return &usageError{"Empty argument", fmt.Sprintf("%q got an empty %s. Leave it out or say which.", cmd.CommandPath(), what)}
		}
		if len(args) <= n {
			return nil
		}
		takes := "at most one " + what
		if n == 0 {
			takes = "no arguments"
		}
		return &usageError{"Too many arguments", fmt.Sprintf("%q takes %s, got %q. Flags may stand anywhere, values of flags follow an equals sign or a blank.", cmd.CommandPath(), takes, args)}
	}
}

// exactly demands one argument.
func exactly(what string) cobra.PositionalArgs {
	return cobra.MatchAll(atLeast(1, what), atMost(1, "argument"))
}

// atLeast demands that many arguments.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return &usageError{"Missing argument", fmt.Sprintf("%q needs %s.", cmd.CommandPath(), what)}
	}
}
