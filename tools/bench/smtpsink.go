package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
)

// smtpSink is a server that takes every mail and forgets it; it counts them.
type smtpSink struct {
	net.Listener
	taken atomic.Int64
	news  chan struct{} // has one when a mail came
}

func startSink() (*smtpSink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &smtpSink{Listener: l, news: make(chan struct{}, 1)}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			go s.serve(nc)
		}
	}()
	return s, nil
}

func (s *smtpSink) addr() netip.AddrPort { return netip.MustParseAddrPort(s.Addr().String()) }

// wait returns when it has taken so many mails.
func (s *smtpSink) wait(count int64) {
	for s.taken.Load() < count {
		<-s.news
	}
}

var errQuit = errors.New("QUIT")

// serve holds a dialogue until it ends, whichever way.
func (s *smtpSink) serve(nc net.Conn) error {
	defer nc.Close()
	in, out := bufio.NewReaderSize(nc, 64<<10), bufio.NewWriter(nc)
	fmt.Fprint(out, "220 sink.example\r\n")
	for {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch verb {
		case "EHLO":
			fmt.Fprint(out, "250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
		case "DATA":
			fmt.Fprint(out, "354 go on\r\n")
			if err := out.Flush(); err != nil {
				return err
			}
			for line := []byte(nil); string(line) != ".\r\n"; {
				if line, err = in.ReadSlice('\n'); err != nil {
					return err
				}
			}
			s.taken.Add(1)
			select {
			case s.news <- struct{}{}:
			default:
			}
			fmt.Fprint(out, "250 taken\r\n")
		case "QUIT":
			fmt.Fprint(out, "221 bye\r\n")
			return errors.Join(errQuit, out.Flush())
		default:
			fmt.Fprint(out, "250 yes\r\n")
		}
	}
}
