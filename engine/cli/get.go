package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/engine/modules"
	"tidegate/hclspec"
)

func (a *app) getCommand() *cobra.Command {
	var upgrade bool
	cmd := &cobra.Command{
		Use:   "get [DIR]",
		Short: "Get the modules that are in git repositories, and lock them",
		Long: "Get the modules that are in git repositories into .tidegate/modules, and write into\n" +
			hclspec.LockFileName + " which commits they are of and what they hold. No other command\n" +
			"fetches modules; all of them compare what is there with that file.\n\n" +
			"What is locked stays: a branch or tag that moved is refused, unless --upgrade takes it. Where\n" +
			"everything is there already, nobody is asked and no network is needed.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.get(cmd, modules.Options{Dir: a.directory(args), Upgrade: upgrade})
		},
	}
	cmd.Flags().BoolVar(&upgrade, "upgrade", false, "take what branches and tags are now, and lock that")
	return cmd
}

// shortCommit is how much of a commit a line shows.
const shortCommit = 12

func (a *app) get(cmd *cobra.Command, opts modules.Options) error {
	result := modules.Get(cmd.Context(), opts)
	for _, m := range result.Fetched {
		fmt.Fprintf(a.Stdout, "Got %s, commit %s\n", m.Source, m.Commit[:shortCommit])
	}
	if result.Diags.HasErrors() && result.Modules == nil {
		return a.fail(result.Diags, result.Files, false)
	}
	for _, u := range result.Upgraded {
		fmt.Fprintf(a.Stdout, "Upgraded %s: commit %s -> %s\n", u.Source, u.Before, u.After)
	}
	for _, source := range result.Dropped {
		fmt.Fprintf(a.Stdout, "Dropped %s, which nothing calls any more\n", source)
	}
	switch {
	case result.Pruned == 1:
		fmt.Fprintln(a.Stdout, "Removed an old checkout, which nothing names any more")
	case result.Pruned > 1:
		fmt.Fprintf(a.Stdout, "Removed %d old checkouts, which nothing names any more\n", result.Pruned)
	}
	if result.Diags.HasErrors() {
		return a.fail(result.Diags, result.Files, false)
	}
	a.report(result.Diags, result.Files)
	text := "The configuration calls no modules from git."
	switch n := len(result.Modules); {
	case n == 1:
		text = "The module from git is there, as " + hclspec.LockFileName + " says."
	case n > 1:
		text = fmt.Sprintf("All %d modules from git are there, as %s says.", n, hclspec.LockFileName)
	}
	_, err := fmt.Fprintln(a.Stdout, text)
	return err
}
