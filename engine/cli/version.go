package cli

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"tidegate/hclspec"
)

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  atMost(0, ""),
		RunE: func(*cobra.Command, []string) error {
			platform := runtime.GOOS + "_" + runtime.GOARCH
			if !asJSON {
				_, err := fmt.Fprintf(a.Stdout, "Tidegate v%s\non %s\n", hclspec.Version, platform)
				return err
			}
			enc := json.NewEncoder(a.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(struct {
				Version  string `json:"tidegate_version"`
				Platform string `json:"platform"`
				Go       string `json:"go_version"`
			}{hclspec.Version, platform, runtime.Version()})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
