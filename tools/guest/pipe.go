package guest

import (
	"fmt"
	"io"
	"net"
)

// Pipe connects to an address of this machine and copies both ways until one end has ended: the program behind a
// Provide, which QEMU runs anew for each connection of the guest.
func Pipe(address string, in io.Reader, out io.Writer) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return fmt.Errorf("connect the guest: %w", err)
	}
	defer conn.Close()
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(conn, in)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(out, conn)
		ended <- err
	}()
	return <-ended
}
