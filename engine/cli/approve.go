package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/engine/web"
	"tidegate/hclspec/address"
)

func (a *app) approveCommand() *cobra.Command {
	var f configFlags
	return f.onState(&cobra.Command{
		Use:   "approve ADDR",
		Short: "Let the target of a removed sink be deleted",
		Long: "Let a running daemon delete the target of a sink that is no longer declared and was last\n" +
			"applied with on_destroy = \"delete\". Until then the target stays; status lists what waits.",
		Args: exactly("the address of a removed sink, for example sink.file.app"),
		RunE: func(cmd *cobra.Command, args []string) error {
			addr, err := address.Parse(args[0])
			if err != nil {
				return a.failWith("Invalid address", err, false)
			}
			return a.steer(cmd, &f, a.path(f.dir), "Cannot approve", func(ctx context.Context, c *web.Client) error {
				if err := c.Approve(ctx, addr); err != nil {
					return err
				}
				_, err := fmt.Fprintf(a.Stdout, "Approved: the target of %s is deleted.\n", addr)
				return err
			})
		},
	})
}
