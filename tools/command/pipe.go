package command

import (
	"context"
	"errors"
	"io"
	"net"

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
			return pipe(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func pipe(ctx context.Context, address string, in io.Reader, out io.Writer) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		io.Copy(c, in) // its end is told to the other side; an error ends the connection just the same
		c.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(out, c)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
