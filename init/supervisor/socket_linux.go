package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Socket is an open listener that is passed to a service.
type Socket struct {
	Name    string // as in LISTEN_FDNAMES; several may share one
	Address string // where it really listens: HOST:PORT, or a path
	File    *os.File
}

// maxPath is what a Unix socket's path can have, in octets: sun_path holds 108 with the NUL behind it.
const maxPath = 107

// Listen opens a TCP listener; port 0 picks a free one, see Address.
func Listen(name, address string) (Socket, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // Go's default; it costs each connection, and no mail client asks for it
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return Socket{}, fmt.Errorf("listen for %s on %q: %w", name, address, bare(err))
	}
	return take(name, listener.Addr().String(), listener.(*net.TCPListener))
}

// ListenUnix opens a Unix listener of mode 0600, for the user uid unless that is -1. A socket that
// nobody listens at any more is replaced; anything else at path is left alone, and an error.
func ListenUnix(name, path string, uid int) (Socket, error) {
	if len(path) > maxPath {
		return Socket{}, fmt.Errorf("listen for %s on %q: the path has %d octets, a Unix socket's can have %d: choose a shorter folder",
			name, path, len(path), maxPath)
	}
	if err := removeStale(path); err != nil {
		return Socket{}, fmt.Errorf("listen for %s: %w", name, err)
	}
	// The mode is set before bind gives the socket its name: at no moment can others connect.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var chmod error
		return errors.Join(raw.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), 0o600) }), chmod)
	}}
	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return Socket{}, fmt.Errorf("listen for %s on %q: %w", name, path, bare(err))
	}
	unixListener := listener.(*net.UnixListener)
	unixListener.SetUnlinkOnClose(false)
	if uid >= 0 {
		if err := os.Chown(path, uid, -1); err != nil {
			listener.Close()
			return Socket{}, fmt.Errorf("listen for %s: %w", name, err)
		}
	}
	return take(name, path, unixListener)
}

// take makes a Socket of a listener and closes that. The file is outside of Go's poller: else each
// connection would wake the supervisor too. A service's net.FileListener makes it non-blocking again.
func take(name, address string, listener interface {
	net.Listener
	syscall.Conn
}) (Socket, error) {
	defer listener.Close()
	raw, err := listener.SyscallConn()
	if err != nil {
		return Socket{}, fmt.Errorf("take over the socket for %s: %w", name, err)
	}
	fd := -1
	var dup error
	err = raw.Control(func(own uintptr) {
		if fd, dup = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0); dup == nil {
			dup = unix.SetNonblock(fd, false)
		}
	})
	if err := errors.Join(err, dup); err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return Socket{}, fmt.Errorf("take over the socket for %s: %w", name, err)
	}
	return Socket{Name: name, Address: address, File: os.NewFile(uintptr(fd), name)}, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%q is in the way: it is no socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%q is in use by another process", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// bare takes off the net package's "listen tcp 127.0.0.1:110:", which the caller says in its own words.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// descriptor gives a file's descriptor and leaves its blocking mode alone (File.Fd may not).
// The caller keeps the file open meanwhile.
func descriptor(file *os.File) (fd uintptr, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(own uintptr) { fd = own })
	return fd, err
}
