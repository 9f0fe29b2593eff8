package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/wire"
)

var short = wire.Timeouts{Command: time.Minute, Transfer: 5 * time.Minute}

// timed runs f on a Conn over a pipe to peer, in a bubble where time passes by itself, and
// holds how long f took and how it ended to what is wanted.
func timed(t *testing.T, peer func(net.Conn), f func(*wire.Conn) error, took time.Duration, want error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var peers sync.WaitGroup
		defer peers.Wait()
		peers.Go(func() { peer(b) })
		defer b.Close()
		c := wire.NewConn(a, short)
		defer c.Close()
		start := time.Now()
		err := f(c)
		if !errors.Is(err, want) || time.Since(start) != took {
			t.Errorf("got %v after %v; want %v after %v", err, time.Since(start), want, took)
		}
	})
}

// trickle sends what it can, one octet each 50 seconds.
func trickle(s string) func(net.Conn) {
	return func(peer net.Conn) {
		for {
			for i := range s {
				time.Sleep(50 * time.Second)
				if _, err := peer.Write([]byte{s[i]}); err != nil {
					return
				}
			}
		}
	}
}

func silent(net.Conn) {}

func readLine(c *wire.Conn) error {
	_, err := c.ReadLine(255)
	return err
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	readBody := func(c *wire.Conn) error {
		_, err := c.DotReader(0).WriteTo(io.Discard)
		return err
	}
	tests := []struct {
		name string
		peer func(net.Conn)
		do   func(*wire.Conn) error
		took time.Duration
		err  error
	}{
		{"no line", silent, readLine, time.Minute, os.ErrDeadlineExceeded},
		{"a line that trickles", trickle("NOOP NOOP "), readLine, time.Minute, os.ErrDeadlineExceeded},
		{"each line has its own", trickle("\n"), func(c *wire.Conn) error {
			for range 10 {
				if err := readLine(c); err != nil {
					return err
				}
			}
			return nil
		}, 500 * time.Second, nil},
		{"a reply that isn't taken", silent, func(c *wire.Conn) error {
			c.WriteLine("+OK")
			return c.Flush()
		}, time.Minute, os.ErrDeadlineExceeded},
		{"a reply that isn't taken, before a read", silent, func(c *wire.Conn) error {
			c.WriteLine("+OK")
			return readLine(c)
		}, time.Minute, os.ErrDeadlineExceeded},
		{"a body that stalls", silent, readBody, time.Minute, os.ErrDeadlineExceeded},
		{"a body that trickles", trickle("x"), readBody, 5 * time.Minute, os.ErrDeadlineExceeded},
		{"a body in time, then a line", trickle("\r\n.\r\n\n"), func(c *wire.Conn) error {
			if err := readBody(c); err != nil {
				return err
			}
			return readLine(c)
		}, 300 * time.Second, nil},
		{"a body that isn't taken", silent, func(c *wire.Conn) error {
			_, err := io.WriteString(struct{ io.Writer }{c.DotWriter()}, strings.Repeat("x", 1<<20))
			return err
		}, time.Minute, os.ErrDeadlineExceeded},
		{"a body that is taken too slowly", func(peer net.Conn) {
			p := make([]byte, 100)
			for {
				time.Sleep(50 * time.Second)
				if _, err := peer.Read(p); err != nil {
					return
				}
			}
		}, func(c *wire.Conn) error {
			d := c.DotWriter()
			for {
				// Each is smaller than what the network is given at once, and takes 50 s.
				if _, err := d.Write(make([]byte, 100)); err != nil {
					return err
				}
				if err := c.Flush(); err != nil {
					return err
				}
			}
		}, 5 * time.Minute, os.ErrDeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			timed(t, test.peer, test.do, test.took, test.err)
		})
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(*wire.Conn) error
	}{
		{"in a read", readLine},
		{"in a write", func(c *wire.Conn) error {
			c.WriteLine("+OK")
			return c.Flush()
		}},
		{"in a body", func(c *wire.Conn) error {
			_, err := c.DotReader(0).WriteTo(io.Discard)
			return err
		}},
		{"before a read", func(c *wire.Conn) error {
			time.Sleep(40 * time.Second)
			return readLine(c)
		}},
		{"before a write", func(c *wire.Conn) error {
			time.Sleep(40 * time.Second)
			c.WriteLine("+OK")
			return c.Flush()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				c := wire.NewConn(a, short)
				defer c.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				defer context.AfterFunc(ctx, c.Interrupt)()
				start := time.Now()
				err := test.do(c)
				if err != wire.ErrInterrupted || time.Since(start) > 40*time.Second {
					t.Errorf("got %v after %v; want ErrInterrupted after 30 s", err, time.Since(start))
				}
				if err := readLine(c); err != wire.ErrInterrupted {
					t.Errorf("a later read: got %v; want ErrInterrupted", err)
				}
			})
		})
	}
}
