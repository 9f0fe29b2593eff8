package command

import (
	"postroom/tools/guest"

	"github.com/spf13/cobra"
)

// newPipe is what QEMU runs for each connection of the guest to a service of this machine.
func newPipe() *cobra.Command {
	return &cobra.Command{
		Use:     "pipe ADDRESS",
		Short:   "Connect standard input and output to a TCP address",
		Long:    "Connect standard input and output to a TCP address, until both directions have ended.",
		Example: `  postroom pipe 127.0.0.1:995`,
		Hidden:  true,
		Args:    takes("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return guest.Pipe(args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
