package cli

import (
	"time"

	"github.com/spf13/cobra"

	"tidegate/engine/view"
	"tidegate/hclspec"
)

// root returns the command line with all commands.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tidegate",
		Short: "Keeps running systems in step with configuration that lives somewhere else",
		Long: "Tidegate keeps running systems in step with configuration that lives somewhere else:\n" +
			"plan shows what would change, apply makes it so, apply --watch keeps it so.",
		SilenceUsage: true, SilenceErrors: true,
		Version: hclspec.Version,
		Args:    cobra.ArbitraryArgs,
		RunE:    unknownCommand,
	}
	cmd.SetVersionTemplate("Tidegate v{{.Version}}\n")
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetIn(a.Stdin)
	cmd.SetOut(a.Stdout)
	cmd.SetErr(a.Stderr)
	cmd.SetFlagErrorFunc(flagError)
	cmd.PersistentFlags().Var((*textFlag)(&a.chdir), "chdir", "`DIR` against which all other paths are resolved")
	cmd.PersistentFlags().BoolVar(&a.noColor, "no-color", false, "no colours (also with NO_COLOR set)")
	cobra.EnableCommandSorting = false
	cmd.AddCommand(
		a.initCommand(), a.getCommand(), a.validateCommand(), a.fmtCommand(), a.testCommand(), a.planCommand(), a.applyCommand(), a.destroyCommand(),
		a.statusCommand(), a.pauseCommand(), a.resumeCommand(), a.approveCommand(), a.reloadCommand(),
		a.showCommand(), a.outputCommand(), a.driftCommand(), a.graphCommand(), a.stateCommand(), a.historyCommand(), a.rollbackCommand(), a.consoleCommand(),
		a.providersCommand(), a.functionsCommand(), a.versionCommand(), a.completionCommand(), a.manCommand(),
	)
	a.completes(cmd)
	return cmd
}

// stream returns the lines of JSON of apply --json.
func (a *app) stream() *view.Stream { return view.NewStream(a.Stdout, time.Now) }
