package smtp

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"postroom/services/settings"
)

// A mail of any length is one, in memory or uploaded, and ends up octet for octet.
func TestLengths(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	b := start(t, f)
	c := greeted(t, b.plain)
	for n, size := range []int{0, 1000, smallPart - 500, smallPart, smallPart + 1, largePart - 500, largePart, largePart + 1, 5 << 20} {
		line := strings.Repeat("x", 998) + "\r\n"
		text := "Date: x\r\nMessage-ID: y\r\n\r\n" + strings.Repeat(line, size/len(line)+1)[:size] + "\r\n"
		if got := c.mail(text); !strings.HasPrefix(got, "250 ") {
			t.Fatalf("%d octets: %s", size, got)
		}
		c.envelope()
		c.send(fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%s", size/3, text[:size/3], len(text)-size/3, text[size/3:]))
		c.want("250 ")
		c.want("250 ")
		for _, m := range f.mails()[2*n:] {
			if !bytes.HasSuffix(m.Body, []byte(text)) || len(m.Body) > len(text)+400 {
				t.Errorf("%d octets: got %d", size, len(m.Body))
			}
		}
	}
	if len(f.uploads) > 0 {
		t.Errorf("%d uploads are left", len(f.uploads))
	}
}

// Without a place in memory a long mail goes to the store in small parts: none waits for another's client.
func TestManyLongMails(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	b := start(t, f)
	text := "Date: x\r\nMessage-ID: y\r\n\r\n" + strings.Repeat(strings.Repeat("x", 998)+"\r\n", 500)
	var slow []*client
	for range places + 2 {
		c := greeted(t, b.plain)
		c.envelope()
		c.ask("DATA", "354 ")
		c.send(text)
		slow = append(slow, c)
	}
	c := greeted(t, b.plain)
	if got := c.mail(text); !strings.HasPrefix(got, "250 ") {
		t.Errorf("beside %d slow ones: %s", len(slow), got)
	}
	for _, c := range slow {
		c.send(".\r\n")
		c.want("250 ")
	}
	for _, m := range f.mails() {
		if !bytes.HasSuffix(m.Body, []byte(text)) {
			t.Errorf("a mail of %d octets", len(m.Body))
		}
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.SMTP.MaxSize = 64 << 10
	b := start(t, f)
	c := greeted(t, b.plain)
	text := "Date: x\r\nMessage-ID: y\r\n\r\n" + strings.Repeat("x\r\n", 30_000)
	if got := c.mail(text); !strings.HasPrefix(got, "552 5.3.4 ") {
		t.Errorf("DATA: %s", got)
	}
	c.envelope()
	c.send(fmt.Sprintf("BDAT %d\r\n%sBDAT 3 LAST\r\nx\r\n", len(text), text))
	c.want("552 5.3.4 ")
	c.want("503 ")
	c.envelope()
	c.send(fmt.Sprintf("BDAT %d\r\n", maxWaste*2))
	c.want("552 5.3.4 ")
	c.wantClosed()
	c = greeted(t, b.plain)
	c.ask("EHLO pc", "250 ")
	if got := c.mail(text[:64<<10-2] + "\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Errorf("the largest: %s", got)
	}
	c = greeted(t, b.plain)
	c.send(fmt.Sprintf("BDAT %d LAST\r\n", int64(1)<<61))
	c.want("552 5.3.4 ")
	c.wantClosed()
}

func TestTooManyRecipients(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.SMTP.MaxRecipients = 100
	c := greeted(t, start(t, f).plain)
	c.ask("MAIL FROM:<a@example.org>", "250 ")
	for n := range 100 {
		c.ask(fmt.Sprintf("RCPT TO:<b%d@example.com>", n), "250 ")
	}
	c.ask("RCPT TO:<b100@example.com>", "452 4.5.3 ")
	c.ask("RCPT TO:<b0@example.com>", "250 2.1.5 ")
	c.ask("DATA", "354 ")
	c.ask(".", "250 ")
	if got := len(f.mails()[0].Recipients); got != 100 {
		t.Errorf("%d recipients, want 100", got)
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.SMTP.MaxConnectionsPerAddress = 2
	b := start(t, f)
	first := greeted(t, b.plain)
	greeted(t, b.plain)
	c := dial(t, b.plain)
	c.want("421 4.3.2 too many connections from your address")
	c.wantClosed()
	b.change(func(in *settings.Settings) { in.SMTP.MaxConnectionsPerAddress, in.SMTP.MaxConnections = 0, 2 })
	c = dial(t, b.plain)
	c.want("421 4.3.2 too many connections, try again later")
	first.ask("QUIT", "221 ")
	first.wantClosed()
}

// A mail that goes in circles is stopped, and one that a person sent on isn't.
func TestLoops(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	b := start(t, f)
	c := greeted(t, b.plain)
	if got := c.mail("Date: x\r\nMessage-ID: y\r\n\r\nbody\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	been := string(f.mails()[0].Body)
	for _, tt := range []struct{ name, text, want string }{
		{"was here", been, "554 5.4.6 "},
		{"was here, and elsewhere since", "Received: by x; y\r\n" + been, "554 5.4.6 "},
		{"was here, and sent on", "Resent-From: <x@example.org>\r\n" + been, "250 "},
		{"was at fifty hosts", strings.Repeat("Received: by x; y\r\n", 50) + "\r\n", "250 "},
		{"was at fifty-one", strings.Repeat("Received: by x; y\r\n", 51) + "\r\n", "554 5.4.6 "},
	} {
		if got := c.mail(tt.text); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Pipelined commands are answered in their order, and a mail is taken once (RFC 2920).
func TestPipelining(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	c := dial(t, start(t, f).plain)
	one := "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<nobody@pop3proxy.reddoxx>\r\nDATA\r\n\r\n.\r\n"
	c.send("HELO pc\r\n" + one + one + "QUIT\r\n")
	for _, want := range []string{"220 ", "250 ", "250 2.1.0", "250 2.1.5", "550 5.1.1", "354 ", "250 2.0.0", "250 2.1.0", "250 2.1.5", "550 5.1.1", "354 ", "250 2.0.0", "221 "} {
		c.want(want)
	}
	if len(f.mails()) != 2 {
		t.Errorf("%d mails", len(f.mails()))
	}
}

// Whatever one connection does, it gets a clear reply or its end, and everyone else is served meanwhile.
func TestFloods(t *testing.T) {
	t.Parallel()
	garbage := strings.Repeat("\x00\xff{}<>\r\n", 100_000)
	endless := strings.Repeat("x", 1<<20)
	flood := func(c *client, octets string) string {
		go io.WriteString(c.nc, octets) // fails once the server has enough
		return c.wantClosed()
	}
	for name, run := range map[string]func(*testing.T, *box) string{
		"garbage":            func(t *testing.T, b *box) string { return flood(dial(t, b.plain), garbage) },
		"garbage behind":     func(t *testing.T, b *box) string { return flood(greeted(t, b.plain), garbage) },
		"a line without end": func(t *testing.T, b *box) string { return flood(dial(t, b.plain), endless) },
		"garbage under TLS":  func(t *testing.T, b *box) string { return flood(dialTLS(t, b.tls), garbage) },
		"an endless response": func(t *testing.T, b *box) string {
			c := dialTLS(t, b.tls)
			c.want("220 ")
			c.ask("EHLO pc", "250 ")
			c.ask("AUTH PLAIN", "334 ")
			return flood(c, endless)
		},
		"garbage in place of TLS": func(t *testing.T, b *box) string { return flood(dial(t, b.tls), garbage) },
		"garbage within TLS": func(t *testing.T, b *box) string {
			nc, err := net.Dial("tcp", b.tls)
			if err != nil {
				t.Fatal(err)
			}
			if err := tls.Client(nc, clientTLS).Handshake(); err != nil {
				t.Fatal(err)
			}
			return flood(newClient(t, nc), garbage)
		},
		"recipients": func(t *testing.T, b *box) string {
			c := greeted(t, b.plain)
			c.ask("MAIL FROM:<a@example.org>", "250 ")
			return flood(c, strings.Repeat("RCPT TO:<>\r\n", 100_000))
		},
		"a mail that is cut off": func(t *testing.T, b *box) string {
			c := greeted(t, b.plain)
			c.envelope()
			c.ask("DATA", "354 ")
			c.send(strings.Repeat("x\r\n", 1<<20))
			c.nc.(*net.TCPConn).CloseWrite()
			return c.wantClosed()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, newFakeStore(t))
			witness := greeted(t, b.plain)
			if n := strings.Count(run(t, b), "\n5"); n > maxBad+1 {
				t.Errorf("%d refusals before the end", n)
			}
			if len(b.mails()) > 0 {
				t.Errorf("%d mails were taken", len(b.mails()))
			}
			if got := witness.mail("\r\n"); !strings.HasPrefix(got, "250 ") {
				t.Errorf("beside it: %s", got)
			}
		})
	}
}

// Many clients at once, each mail taken once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	b := start(t, f)
	var all sync.WaitGroup
	for range 20 {
		c := greeted(t, b.plain)
		all.Go(func() {
			for range 10 {
				c.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nBDAT 2 LAST\r\n\r\n")
				for range 3 {
					if line, err := c.in.ReadString('\n'); err != nil || line[0] != '2' {
						t.Errorf("got %q, %v", line, err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	if n := len(f.mails()); n != 200 {
		t.Errorf("%d mails, want 200", n)
	}
}
