package supervisor

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// A notifySocket receives one instance's messages (NOTIFY_SOCKET). It lives in the abstract namespace:
// it needs no folder that every user id can reach, and leaves no file behind. Any process could
// send to it, so the kernel says with each message who did.
type notifySocket struct {
	conn *net.UnixConn
	name string // for NOTIFY_SOCKET, with a leading @
}

func listenNotify() (*notifySocket, error) {
	name := "@postroom-notify-" + rand.Text()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen for notifications: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		var set error
		err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
		err = errors.Join(err, set)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask who sends notifications: %w", err)
	}
	return &notifySocket{conn: conn, name: name}, nil
}

// receive calls tell with each message of the process pid, until close.
func (n *notifySocket) receive(pid int, tell func(message)) {
	datagram := make([]byte, 4096)
	// Room for the sender's ids and no more: descriptors that come along don't get in.
	control := make([]byte, syscall.CmsgSpace(syscall.SizeofUcred))
	for {
		size, controlSize, flags, _, err := n.conn.ReadMsgUnix(datagram, control)
		if err != nil { // closed; after anything else the watchdog, or the start's timeout, gives a new one
			return
		}
		if flags&syscall.MSG_TRUNC != 0 || sender(control[:controlSize]) != pid {
			continue
		}
		tell(parseMessage(datagram[:size]))
	}
}

func (n *notifySocket) close() { n.conn.Close() }

// sender gives the process that the kernel says a message is from; 0 if it doesn't say.
func sender(control []byte) int {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for i := range messages {
		if ids, err := syscall.ParseUnixCredentials(&messages[i]); err == nil {
			return int(ids.Pid)
		}
	}
	return 0
}
