package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/engine/web"
)

func (a *app) reloadCommand() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use:   "reload [DIR]",
		Short: "Have a running daemon load its configuration now",
		Long: "Have a running daemon load its configuration now, as SIGHUP does, and say what became of\n" +
			"it. Without this it does so by itself when the files have been quiet for two seconds. A\n" +
			"configuration with mistakes changes nothing: the one that runs goes on.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.steer(cmd, &f, a.directory(args), "Cannot reload the configuration", func(ctx context.Context, c *web.Client) error {
				if err := c.Reload(ctx); err != nil {
					return fmt.Errorf("the old configuration goes on: %w", err)
				}
				_, err := fmt.Fprintln(a.Stdout, "The configuration is loaded.")
				return err
			})
		},
	}
	f.addState(cmd.Flags())
	return cmd
}
