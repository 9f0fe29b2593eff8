package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// Version is this program's, set when it is built: -ldflags "-X postroom/tools/command.Version=1.2.3".
var Version = "dev"

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show this program's version",
		Long:  `Show this program's version. "postroom status" shows a box's.`,
		Example: `  postroom version
  postroom version --json`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]string{"version": Version})
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "postroom %s\n", Version)
		return err
	}
	return cmd
}
