package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// However a reply is cut on its way, it ends at its own end, and the octets are those that came.
func TestRetrieveAnySplit(t *testing.T) {
	t.Parallel()
	const reply = "+OK 16 octets\r\nA: b\r\n\r\n..\r\nx.\r\n.\r\n"
	const want = "A: b\r\n\r\n.\r\nx.\r\n"
	for cut := 1; cut < len(reply); cut++ {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			t.Parallel()
			c, server := pipe(t)
			go func() {
				server.Read(make([]byte, 64)) // the command
				server.Write([]byte(reply[:cut]))
				server.Write([]byte(reply[cut:]))
			}()
			var b strings.Builder
			octets, err := c.retrieve(1, &b)
			if err != nil || octets != len(reply) || b.String() != reply {
				t.Errorf("cut at %d: %d octets %q, error %v", cut, octets, b.String(), err)
			}
		})
	}
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		c, server := pipe(t)
		go func() {
			server.Read(make([]byte, 64)) // the command
			server.Write([]byte(reply))
		}()
		if got, err := c.body(1); err != nil || got != want {
			t.Errorf("body: %q, error %v", got, err)
		}
	})
}

func TestRetrieveRefused(t *testing.T) {
	t.Parallel()
	c, server := pipe(t)
	go func() {
		server.Read(make([]byte, 64)) // the command
		server.Write([]byte("-ERR no such message\r\n"))
	}()
	if octets, err := c.retrieve(9, nil); err == nil {
		t.Errorf("a refused RETR gave %d octets and no error", octets)
	}
}

func pipe(t *testing.T) (*pop3Client, net.Conn) {
	own, server := net.Pipe()
	t.Cleanup(func() {
		own.Close()
		server.Close()
	})
	return &pop3Client{Conn: own, buffer: make([]byte, 4096)}, server
}

// However replies to pipelined commands are cut on their way, all are seen.
func TestPipelineAnySplit(t *testing.T) {
	t.Parallel()
	const replies = "+OK\r\nA: b\r\n\r\n..\r\n.\r\n+OK\r\n\r\n.\r\n+OK\r\nC: d\r\n\r\n...\r\n.\r\n"
	for cut := 1; cut < len(replies); cut++ {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			t.Parallel()
			c, server := pipe(t)
			go func() {
				server.Read(make([]byte, 64)) // the commands
				go io.Copy(io.Discard, server)
				server.Write([]byte(replies[:cut]))
				server.Write([]byte(replies[cut:]))
			}()
			left := 3
			octets, messages, err := c.pipeline(2, func() (int, bool) { left--; return 3 - left, left >= 0 })
			if err != nil || octets != len(replies) || messages != 3 {
				t.Errorf("cut at %d: %d octets, %d messages, error %v", cut, octets, messages, err)
			}
		})
	}
}
