package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
)

// fastProvider is a POP3 provider in memory, in the clear: as fast as one can be, for a load that no real one on the same
// machine leaves room for. Any login is good; a mailbox holds one mail or none.
type fastProvider struct {
	listener net.Listener
	mail     []byte // as RETR sends it, its end included
	octets   int
	serving  sync.WaitGroup

	sessions atomic.Int64 // that ended with QUIT
	open     atomic.Int64

	mu    sync.Mutex
	holds map[string]int // by login: the number of the mail that is there
	mails int            // put so far
}

func newFastProvider(mail []byte) (*fastProvider, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	stuffed := bytes.ReplaceAll(mail, []byte("\r\n."), []byte("\r\n.."))
	p := &fastProvider{listener: l, mail: append(stuffed, ".\r\n"...), octets: len(mail), holds: map[string]int{}}
	p.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.open.Add(1)
			p.serving.Go(func() {
				defer p.open.Add(-1)
				defer c.Close()
				p.session(c)
			})
		}
	})
	return p, nil
}

func (p *fastProvider) addr() netip.AddrPort {
	return netip.MustParseAddrPort(p.listener.Addr().String())
}

// close returns when the sessions under way have ended.
func (p *fastProvider) close() error {
	err := p.listener.Close()
	p.serving.Wait()
	return err
}

// put puts a new mail into a mailbox.
func (p *fastProvider) put(login string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails++
	p.holds[login] = p.mails
}

// left is how many mailboxes hold a mail.
func (p *fastProvider) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.holds)
}

func (p *fastProvider) session(c net.Conn) {
	in, out := bufio.NewReader(c), bufio.NewWriter(c)
	login, deleted := "", false
	held := 0
	out.WriteString("+OK\r\n")
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		word, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch strings.ToUpper(word) {
		case "CAPA":
			out.WriteString("+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n")
		case "USER":
			login = rest
			out.WriteString("+OK\r\n")
		case "PASS":
			p.mu.Lock()
			held = p.holds[login]
			p.mu.Unlock()
			out.WriteString("+OK\r\n")
		case "LIST":
			out.WriteString("+OK\r\n")
			if held > 0 {
				fmt.Fprintf(out, "1 %d\r\n", p.octets)
			}
			out.WriteString(".\r\n")
		case "UIDL":
			out.WriteString("+OK\r\n")
			if held > 0 {
				fmt.Fprintf(out, "1 uidl-%d\r\n", held)
			}
			out.WriteString(".\r\n")
		case "RETR":
			out.WriteString("+OK\r\n")
			out.Write(p.mail)
		case "DELE":
			deleted = true
			out.WriteString("+OK\r\n")
		case "QUIT":
			if deleted {
				p.mu.Lock()
				delete(p.holds, login)
				p.mu.Unlock()
			}
			p.sessions.Add(1)
			out.WriteString("+OK\r\n")
			out.Flush()
			return
		default:
			out.WriteString("-ERR\r\n")
		}
	}
}
