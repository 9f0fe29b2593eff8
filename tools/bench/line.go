package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// line is a way to a provider in the clear: a TCP proxy that holds up what passes by half a round trip each way, and a
// new connection by the round trips that its beginning takes. It limits no bandwidth, and has no slow start.
type line struct {
	listener  net.Listener
	provider  string
	roundTrip time.Duration
	strip     bool // takes PIPELINING out of what the provider offers
	passing   sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newLine(provider netip.AddrPort, roundTrip time.Duration, strip bool) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &line{listener: l, provider: provider.String(), roundTrip: roundTrip, strip: strip, open: map[net.Conn]struct{}{}}
	w.passing.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed
			}
			w.passing.Go(func() { w.pass(client) })
		}
	})
	return w, nil
}

func (w *line) addr() netip.AddrPort { return netip.MustParseAddrPort(w.listener.Addr().String()) }

// close cuts what is under way.
func (w *line) close() error {
	err := w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for c := range w.open {
		c.Close() // both its ends are told
	}
	w.mu.Unlock()
	w.passing.Wait()
	return err
}

// keep says whether a connection may be used; it is closed with the line.
func (w *line) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		c.Close()
		return false
	}
	w.open[c] = struct{}{}
	return true
}

func (w *line) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	c.Close()
}

func (w *line) pass(client net.Conn) {
	if !w.keep(client) {
		return
	}
	defer w.drop(client)
	// SYN, its answer, and the client's own: then the server knows of it. Half a round trip more and its greeting is there.
	time.Sleep(w.roundTrip * 3 / 2)
	server, err := net.Dial("tcp", w.provider)
	if err != nil || !w.keep(server) {
		return
	}
	defer w.drop(server)
	var both sync.WaitGroup
	both.Go(func() { w.carry(server, client, false) })
	both.Go(func() { w.carry(client, server, w.strip) })
	both.Wait()
}

// piece is what came at once, and when it arrives; the last one has an error.
type piece struct {
	octets  []byte
	arrives time.Time
	err     error
}

// carry brings from one end to the other what comes, in its order, each piece half a round trip late.
func (w *line) carry(to, from net.Conn, strip bool) {
	way := newQueue()
	go func() {
		for passed := 0; ; {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			b = b[:n]
			if strip && passed < capaWithin {
				b = bytes.Replace(b, []byte("PIPELINING\r\n"), nil, 1)
			}
			passed += n
			way.add(piece{b, time.Now().Add(w.roundTrip / 2), err})
			if err != nil {
				return
			}
		}
	}()
	for {
		p := way.next()
		time.Sleep(time.Until(p.arrives))
		_, err := to.Write(p.octets)
		if err = errors.Join(err, p.err); err == nil {
			continue
		}
		if t, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
			t.CloseWrite()
		} else {
			to.Close()
		}
		from.(*net.TCPConn).CloseRead()
		return
	}
}

// capaWithin is how far into a session CAPA's answer may begin, octets.
const capaWithin = 4 << 10

// queue has no bound: bandwidth is no part of a line.
type queue struct {
	mu     sync.Mutex
	came   *sync.Cond
	pieces []piece
}

func newQueue() *queue {
	q := &queue{}
	q.came = sync.NewCond(&q.mu)
	return q
}

func (q *queue) add(p piece) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pieces = append(q.pieces, p)
	q.came.Signal()
}

func (q *queue) next() piece {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pieces) == 0 {
		q.came.Wait()
	}
	p := q.pieces[0]
	q.pieces = q.pieces[1:]
	return p
}
