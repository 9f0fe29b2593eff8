package faults

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Line is a way for connections to somewhere, which can be bad: then many of them end after a random number of octets,
// by a close, by a reset, or by nothing more coming for a while first.
type Line struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	to     netip.AddrPort
	bad    bool
	open   map[*call]bool
	cuts   int
}

// NewLine opens a line to an address, on a free loopback port. Close ends it.
func NewLine(to netip.AddrPort, seed uint64) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a line: %w", err)
	}
	line := &Line{listener: l, random: rand.New(rand.NewPCG(seed, 3)), to: to, open: make(map[*call]bool)}
	line.running.Go(line.accept)
	return line, nil
}

// Addr is where it begins.
func (l *Line) Addr() netip.AddrPort { return l.listener.Addr().(*net.TCPAddr).AddrPort() }

// To says where it leads from now on.
func (l *Line) To(to netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

// Bad says whether connections from now on are cut.
func (l *Line) Bad(bad bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bad = bad
}

// Cut resets every connection.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.reset()
		l.cuts++
	}
}

// Cuts is how many connections were cut so far.
func (l *Line) Cuts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts
}

// Close ends the line and its connections.
func (l *Line) Close() error {
	err := l.listener.Close()
	l.Cut()
	l.running.Wait()
	return err
}

// end is how a connection ends that is cut: behind so many octets from one side, after a pause.
type end struct {
	fromClient bool
	octets     int64 // 0: it isn't cut
	pause      time.Duration
	close      bool // in order; else by a reset
}

// Half of a bad line's connections are cut, behind 1 octet to 256 KiB, all magnitudes alike.
func (l *Line) fate() (e end, to netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bad && l.random.IntN(2) == 0 {
		e.fromClient = l.random.IntN(4) == 0 // clients say less
		e.octets = 1 + l.random.Int64N(1<<(1+l.random.IntN(18)))
		e.close = l.random.IntN(2) == 0
		if l.random.IntN(4) == 0 {
			e.pause = time.Duration(l.random.Int64N(int64(2 * time.Second)))
		}
	}
	return e, l.to
}

func (l *Line) accept() {
	for {
		from, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		l.running.Go(func() { l.carry(from.(*net.TCPConn)) })
	}
}

// call is a connection: both its ends.
type call struct{ from, to *net.TCPConn }

func (c *call) reset() {
	c.from.SetLinger(0)
	c.to.SetLinger(0)
	c.close()
}

func (c *call) close() {
	c.from.Close()
	c.to.Close()
}

func (l *Line) carry(from *net.TCPConn) {
	defer from.Close()
	e, address := l.fate()
	nc, err := net.DialTimeout("tcp", address.String(), 10*time.Second)
	if err != nil {
		return // nobody is there: the client's connection closes
	}
	c := &call{from, nc.(*net.TCPConn)}
	defer c.to.Close()
	l.keep(c, true)
	defer l.keep(c, false)
	var ways sync.WaitGroup
	ways.Go(func() { l.copy(c, c.to, c.from, e, e.fromClient) })
	ways.Go(func() { l.copy(c, c.from, c.to, e, !e.fromClient) })
	ways.Wait()
}

func (l *Line) keep(c *call, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open {
		l.open[c] = true
	} else {
		delete(l.open, c)
	}
}

// copy carries one way until it ends, or is cut.
func (l *Line) copy(c *call, to, from *net.TCPConn, e end, cut bool) {
	if !cut || e.octets == 0 {
		io.Copy(to, from) // whatever ends it ends this way alone
		to.CloseWrite()
		return
	}
	if _, err := io.CopyN(to, from, e.octets); err != nil {
		to.CloseWrite()
		return // it ended before
	}
	time.Sleep(e.pause) // nothing comes any more
	l.mu.Lock()
	l.cuts++
	l.mu.Unlock()
	if e.close {
		c.close()
	} else {
		c.reset()
	}
}
