package hosted

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"regexp"
	"sync"
)

// news tells any number of waiters that something changed.
type news struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait gives a channel that is closed at the next change.
func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	changed news

	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	defer s.changed.tell()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// sockets are where a box says on its standard output that it listens.
type sockets struct {
	ready   chan struct{} // closed when it says so
	changed news

	mu    sync.Mutex
	addrs map[string]netip.AddrPort // by setting
}

func newSockets() *sockets {
	return &sockets{ready: make(chan struct{}), addrs: make(map[string]netip.AddrPort)}
}

var listening = regexp.MustCompile(`^listening service=\S+ setting=(\S+) tls=\S+ addr=(\S+)$`)

// read reads until the box has ended.
func (s *sockets) read(out io.Reader) {
	said := sync.OnceFunc(func() { close(s.ready) })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			s.mu.Lock()
			s.addrs[m[1]] = netip.MustParseAddrPort(m[2])
			s.mu.Unlock()
			s.changed.tell()
		}
		if lines.Text() == "ready" {
			said()
		}
	}
}

func (s *sockets) addr(setting string) (addr netip.AddrPort, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr, ok = s.addrs[setting]
	return addr, ok
}
