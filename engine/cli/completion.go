package cli

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/engine/view"
	"tidegate/hclspec"
)

// shells write the completion script of each.
var shells = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
}

func (a *app) completionCommand() *cobra.Command {
	names := slices.Sorted(maps.Keys(shells))
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write a script that completes commands, flags, kinds and addresses",
		Long: "Write a completion script for bash, zsh, fish or powershell.\n\n" +
			"bash: tidegate completion bash > /etc/bash_completion.d/tidegate\n\n" +
			"zsh: tidegate completion zsh > \"${fpath[1]}/_tidegate\"\n\n" +
			"fish: tidegate completion fish > ~/.config/fish/completions/tidegate.fish\n\n" +
			"powershell: tidegate completion powershell | Out-String | Invoke-Expression",
		Args:      exactly("a shell: " + strings.Join(names, ", ")),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := shells[args[0]]
			if write == nil {
				hint := fmt.Sprintf("There are %s.", strings.Join(names, ", "))
				if near := hclspec.Nearest(args[0], names); near != "" {
					hint = fmt.Sprintf("Did you mean %s? %s", near, hint)
				}
				return &usageError{"Unknown shell", fmt.Sprintf("There is no completion for %q. %s", args[0], hint)}
			}
			return write(cmd.Root(), a.Stdout)
		},
	}
}

// completes gives every command and flag what completes it. What an argument is follows from
// the command's usage line, so that a new command has it from the start.
func (a *app) completes(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		a.completes(sub)
	}
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = a.argumentsOf(cmd)
	}
	asked := slices.Contains(a.Args, cobra.ShellCompRequestCmd)
	complete := func(f *pflag.Flag) {
		if asked {
			f.Usage = strings.ReplaceAll(f.Usage, "`", "") // which name the value in --help
		}
		if how := a.valuesOf(f.Name); how != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, how) // an error only where another made one before
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(complete)
	cmd.PersistentFlags().VisitAll(complete)
}

func (a *app) argumentsOf(cmd *cobra.Command) cobra.CompletionFunc {
	_, usage, _ := strings.Cut(cmd.Use, " ")
	many := strings.Contains(usage, "...")
	var how cobra.CompletionFunc
	switch word := strings.Trim(strings.TrimSuffix(strings.Trim(usage, "[]"), "..."), "[]"); word {
	case "DIR":
		how = directories
	case "ADDR", "ADDR|GLOB":
		how = a.addresses
	case "KIND":
		how = a.kindNames
	case "PATH":
		how = withEnding("hcl", "hclvars")
	case "":
		how = cobra.NoFileCompletions
	default: // a plan, or a directory
		return nil
	}
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return how(cmd, args, prefix)
	}
}

// valuesOf completes the value of a flag, nil for what is no name of anything.
func (a *app) valuesOf(flag string) cobra.CompletionFunc {
	switch flag {
	case "dir", "chdir":
		return directories
	case "target", "exclude":
		return a.addresses
	case "var-file":
		return withEnding("hclvars", "json")
	case "var":
		return a.variables
	case "format":
		return func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			formats := []string{formatText, formatJSON, formatMarkdown}
			if cmd.Name() == "graph" {
				formats = slices.Sorted(maps.Keys(graphFormats))
			}
			return starting(formats, prefix), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil
}

func directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func withEnding(endings ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return endings, cobra.ShellCompDirectiveFilterFileExt
	}
}

// starting keeps what a word under way may become.
func starting(list []string, prefix string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

func (a *app) kindNames(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, k := range a.registry.Kinds() {
		out = append(out, cobra.CompletionWithDesc(k.Type+"."+k.Name, k.Summary))
	}
	return starting(out, prefix), cobra.ShellCompDirectiveNoFileComp
}

// addresses names what the configuration declares and the state has, as far as a command takes
// it. It only reads, and where it cannot, it knows nothing.
func (a *app) addresses(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	e, dir := a.completing(cmd, args)
	defer e.Close()
	seen := map[string]bool{}
	declared := cmd.Parent() == nil || cmd.Parent().Name() != "state"
	path := e.StatePath()
	if f := cmd.Flags().Lookup("state"); f != nil && f.Value.String() != "" {
		path = a.path(f.Value.String())
	} else if path == "" {
		path = filepath.Join(dir, engine.DefaultState)
	}
	if exists(path) {
		if reader, err := state.OpenReader(cmd.Context(), a.stateOptions(cmd, path)); err == nil {
			defer reader.Close()
			if ledger, err := reader.Load(cmd.Context()); err == nil {
				for _, have := range view.Addresses(ledger) {
					seen[have.String()] = true
				}
				if declared {
					e.Remember(ledger)
				}
			}
		}
	}
	if declared {
		for _, name := range e.Addresses() {
			seen[name] = true
		}
	}
	for _, arg := range args {
		delete(seen, arg)
	}
	return starting(slices.Sorted(maps.Keys(seen)), prefix), cobra.ShellCompDirectiveNoFileComp
}

// variables are NAME= of each that the configuration declares.
func (a *app) variables(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	e, _ := a.completing(cmd, args)
	defer e.Close()
	var out []string
	for name := range e.Spec().Variables {
		out = append(out, name+"=")
	}
	slices.Sort(out)
	return starting(out, prefix), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completing is the configuration that a command line under way is about, with its mistakes.
func (a *app) completing(cmd *cobra.Command, args []string) (*engine.Engine, string) {
	dir := a.directory(nil)
	if f := cmd.Flags().Lookup("dir"); f != nil {
		dir = a.path(f.Value.String())
	} else if _, usage, _ := strings.Cut(cmd.Use, " "); strings.HasPrefix(usage, "[DIR") && len(args) > 0 {
		dir = a.directory(args)
	}
	e, _ := engine.Validate(cmd.Context(), a.options(cmd, &configFlags{}, dir))
	return e, dir
}
