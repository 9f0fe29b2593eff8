package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/bodies"
	"postroom/services/settings"
	"postroom/services/smtp/internal/host"
	"postroom/services/smtp/relay"
	"postroom/services/wire"

	"github.com/emersion/go-smtp"
)

// target is how a host on loopback is reached.
func target(addr net.Addr) relay.Target {
	return relay.Target{Host: "host.example", Addresses: []netip.AddrPort{netip.MustParseAddrPort(addr.String())}, TLS: settings.RelayPlain, Name: "box.example"}
}

func mail(text string, to ...string) relay.Mail {
	m := relay.Mail{Sender: "a@box.example", Size: int64(len(text)), WriteTo: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}
	for _, address := range to {
		m.Recipients = append(m.Recipients, relay.Recipient{Address: address})
	}
	return m
}

// send opens a conversation and sends one mail.
func send(t *testing.T, to relay.Target, m relay.Mail) []*relay.Failure {
	t.Helper()
	c, err := relay.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	return c.Send(t.Context(), m)
}

// What arrives is what was stored, for whatever has no bare CR or LF, however it is written. A missing CRLF at the very end
// is put there: SMTP can't do without.
func TestBytes(t *testing.T) {
	t.Parallel()
	h := &host.Host{}
	c, err := relay.Open(t.Context(), target(h.Listen(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	texts := []string{".\r\n", "..\r\n", "\r\n", "\r\n.\r\n", "\r\n\r\n.\r\n..\r\nx", ".", "x\r\n.", "\x00\x80\xff\r\n", strings.Repeat(".\r\n", 20_000),
		strings.Repeat("x", 100_000), strings.Repeat("x", 32<<10-2) + "\r\n.y", strings.Repeat("x", 4<<10-1) + "\r\n.y"}
	random := rand.New(rand.NewPCG(7, 7))
	for range 400 {
		var b strings.Builder
		for range random.IntN(300) {
			b.WriteString([]string{".", ".", "\r\n", "\r\n", "x", "\x00", "\xff", ".\r\n", "QUIT\r\n", "\t"}[random.IntN(10)])
		}
		texts = append(texts, "S"+b.String())
	}
	for i, text := range texts {
		m := mail(text, "b@c.example")
		m.WriteTo = func(w io.Writer) error {
			for rest := text; rest != ""; {
				n := min(len(rest), 1+random.IntN(5000))
				if i%2 == 0 {
					n = len(rest)
				}
				if _, err := io.WriteString(w, rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		}
		if f := c.Send(t.Context(), m)[0]; f != nil {
			t.Fatalf("%.60q: %v", text, f)
		}
		want := text
		if !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		mails := h.Mails()
		if got := mails[len(mails)-1].Text; len(mails) != i+1 || got != want {
			t.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
	if all, _ := h.Sessions(); all != 1 {
		t.Errorf("%d mails took %d conversations", len(texts), all)
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	full := []string{"SIZE 100000", "8BITMIME", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES"}
	rich := mail("Subject: x\r\n\r\nx\r\n")
	rich.EnvelopeID, rich.HeadersOnly = "Q+2B1", true
	rich.Recipients = []relay.Recipient{
		{Address: "b@c.example", Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyDelayed}, Original: "rfc822;B+2Bx@c.example"},
		{Address: "d@c.example", Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}},
	}
	intl := func(sender, header, to string) relay.Mail {
		m := mail(header+"\r\n\r\nx\r\n", to)
		m.Sender, m.UTF8 = sender, true
		m.Header = func() ([]byte, error) { return []byte(header), nil }
		return m
	}
	null := mail("x\r\n", "b@c.example")
	null.Sender = ""
	for _, test := range []struct {
		name       string
		extensions []string
		mail       relay.Mail
		want       string // MAIL's and RCPT's arguments, or statuses
	}{
		{"all offered", full, rich, "FROM:<a@box.example> BODY=8BITMIME SIZE=17 RET=HDRS ENVID=Q+2B1|TO:<b@c.example> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;B+2Bx@c.example|TO:<d@c.example> NOTIFY=NEVER"},
		{"nothing offered", nil, rich, "FROM:<a@box.example>|TO:<b@c.example>|TO:<d@c.example>"},
		{"the null sender", nil, null, "FROM:<>|TO:<b@c.example>"},
		{"too large", []string{"SIZE 10"}, rich, "5.3.4|5.3.4"},
		{"SIZE without a limit", []string{"SIZE 0"}, null, "FROM:<> SIZE=3|TO:<b@c.example>"},
		{"UTF-8", full, intl("ä@b.example", "Subject: ä", "ü@c.example"), "FROM:<ä@b.example> BODY=8BITMIME SIZE=18 SMTPUTF8|TO:<ü@c.example>"},
		{"UTF-8 sender, not offered", nil, intl("ä@b.example", "Subject: a", "u@c.example"), "5.6.7"},
		{"UTF-8 recipient, not offered", nil, intl("a@b.example", "Subject: a", "ü@c.example"), "5.6.7"},
		{"UTF-8 header, not offered", nil, intl("a@b.example", "Subject: ä", "u@c.example"), "5.6.7"},
		{"UTF-8 not needed", nil, intl("a@b.example", "Subject: a", "u@c.example"), "FROM:<a@b.example>|TO:<u@c.example>"},
		{"UTF-8 domains alone", nil, intl("a@bücher.example", "Subject: a", "u@bücher.example"), "FROM:<a@xn--bcher-kva.example>|TO:<u@xn--bcher-kva.example>"},
		{"one of two needs it", nil, mail("x\r\n", "ü@c.example", "u@c.example"), "FROM:<a@box.example>|5.6.7|TO:<u@c.example>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := &host.Host{Extensions: test.extensions}
			results := send(t, target(h.Listen(t)), test.mail)
			var got []string
			var taken host.Mail
			if mails := h.Mails(); len(mails) > 0 {
				taken = mails[0]
				got = append(got, taken.From)
			}
			for _, f := range results {
				if f != nil {
					got = append(got, f.Status())
					if !f.Permanent {
						t.Errorf("not permanent: %v", f)
					}
				} else if len(taken.To) > 0 {
					got, taken.To = append(got, taken.To[0]), taken.To[1:]
				}
			}
			if got := strings.Join(got, "|"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Results are each recipient's own, and the conversation goes on behind a refusal.
func TestResults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		reply  map[string]string // to what a line begins with
		want   string            // of the first mail, for each of three recipients
		second string
		all    int // conversations, where the second mail needs a new one
	}{
		{"all taken", nil, "ok ok ok", "ok", 1},
		{"one refused", map[string]string{"RCPT TO:<two@": "550 5.1.1 no"}, "ok 5.1.1 ok", "ok", 1},
		{"one put off", map[string]string{"RCPT TO:<one@": "450 4.2.0 later"}, "4.2.0 ok ok", "ok", 1},
		{"all refused", map[string]string{"RCPT TO:<": "550 5.1.1 no"}, "5.1.1 5.1.1 5.1.1", "5.1.1", 1},
		{"too many", map[string]string{"RCPT TO:<three@": "552 too many recipients"}, "ok ok 4.0.0", "ok", 1},
		{"MAIL refused", map[string]string{"MAIL": "550 5.7.1 no"}, "5.7.1 5.7.1 5.7.1", "5.7.1", 1},
		{"DATA refused", map[string]string{"DATA": "451 4.3.0 no"}, "4.3.0 4.3.0 4.3.0", "4.3.0", 1},
		{"refused, then at the end", map[string]string{"RCPT TO:<one@": "550 5.1.1 no", "END": "554 5.7.1 spam"}, "5.1.1 5.7.1 5.7.1", "5.7.1", 1},
		{"busy at RCPT", map[string]string{"RCPT TO:<two@": "421 4.3.2 closing"}, "4.3.2 4.3.2 4.3.2", "ok", 2},
		{"cut at RCPT", map[string]string{"RCPT TO:<two@": host.Cut}, "4.4.2 4.4.2 4.4.2", "ok", 2},
		{"cut at MAIL", map[string]string{"MAIL": host.Cut}, "4.4.2 4.4.2 4.4.2", "4.4.2", 2},
		{"no answer to the end", map[string]string{"END": host.Cut}, "4.4.2? 4.4.2? 4.4.2?", "4.4.2?", 2},
		{"taken in other words", map[string]string{"MAIL": "252 well", "RCPT": "200 well", "END": "251 forwarded"}, "ok ok ok", "ok", 1},
		{"no answer to DATA", map[string]string{"DATA": "250 well"}, "4.0.0 4.0.0 4.0.0", "4.0.0", 2},
		{"refused, and no answer to the end", map[string]string{"RCPT TO:<one@": "550 5.1.1 no", "END": host.Cut}, "5.1.1 4.4.2? 4.4.2?", "4.4.2?", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := &host.Host{Reply: func(line string) string {
				for begin, reply := range test.reply {
					if strings.HasPrefix(line, begin) {
						return reply
					}
				}
				return ""
			}}
			to := target(h.Listen(t))
			c, err := relay.Open(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { c.Quit() }()
			show := func(results []*relay.Failure) string {
				var got []string
				for _, f := range results {
					switch {
					case f == nil:
						got = append(got, "ok")
					case f.Doubt:
						got = append(got, f.Status()+"?")
					default:
						got = append(got, f.Status())
					}
				}
				return strings.Join(got, " ")
			}
			if got := show(c.Send(t.Context(), mail("x\r\n", "one@c.example", "two@c.example", "three@c.example"))); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if c.Reusable() != (test.all == 1) {
				t.Errorf("reusable: %v", c.Reusable())
			}
			if !c.Reusable() {
				if c, err = relay.Open(t.Context(), to); err != nil {
					t.Fatal(err)
				}
			}
			if got := show(c.Send(t.Context(), mail("x\r\n", "four@c.example"))); got != test.second {
				t.Errorf("the second mail: got %q, want %q", got, test.second)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour)
	good, roots := host.Certificate(t, soon, "host.example", "127.0.0.1")
	expired, expiredRoots := host.Certificate(t, time.Now().Add(-time.Hour), "host.example")
	wrong, wrongRoots := host.Certificate(t, soon, "other.example")
	login := []string{"AUTH PLAIN LOGIN"}
	for _, test := range []struct {
		name string
		host *host.Host
		mode settings.RelayTLS
		with func(*relay.Target)
		want string // secure, plain, or the failure's stage
	}{
		{"implicit", &host.Host{TLS: good, Implicit: true}, settings.RelayImplicit, func(t *relay.Target) { t.Roots = roots }, "secure"},
		{"implicit, expired", &host.Host{TLS: expired, Implicit: true}, settings.RelayImplicit, func(t *relay.Target) { t.Roots = expiredRoots }, "STARTTLS"},
		{"implicit, another's name", &host.Host{TLS: wrong, Implicit: true}, settings.RelayImplicit, func(t *relay.Target) { t.Roots = wrongRoots }, "STARTTLS"},
		{"implicit, not trusted", &host.Host{TLS: good, Implicit: true}, settings.RelayImplicit, nil, "STARTTLS"},
		{"implicit, plain there", &host.Host{}, settings.RelayImplicit, nil, "STARTTLS"},
		{"starttls", &host.Host{TLS: good}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots = roots }, "secure"},
		{"starttls, by address", &host.Host{TLS: good}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots, t.Host = roots, "127.0.0.1" }, "secure"},
		{"starttls, expired", &host.Host{TLS: expired}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots = expiredRoots }, "STARTTLS"},
		{"starttls, another's name", &host.Host{TLS: wrong}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots = wrongRoots }, "STARTTLS"},
		{"starttls, not offered", &host.Host{}, settings.RelayStartTLS, nil, "STARTTLS"},
		{"starttls, refused", &host.Host{TLS: good, Reply: only("STARTTLS", "454 4.7.0 not now")}, settings.RelayStartTLS, nil, "STARTTLS"},
		{"starttls, plain text behind", &host.Host{TLS: good, Reply: only("STARTTLS", "220 go\n250 forged")}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots = roots }, "STARTTLS"},
		{"opportunistic", &host.Host{TLS: good}, settings.RelayOpportunistic, nil, "secure"},
		{"opportunistic, expired", &host.Host{TLS: expired}, settings.RelayOpportunistic, nil, "secure"},
		{"opportunistic, another's name", &host.Host{TLS: wrong}, settings.RelayOpportunistic, nil, "secure"},
		{"opportunistic, not offered", &host.Host{}, settings.RelayOpportunistic, nil, "plain"},
		{"opportunistic, offered and broken", &host.Host{TLS: good, Reply: only("STARTTLS", "454 4.7.0 not now")}, settings.RelayOpportunistic, nil, "plain"},
		{"none, offered", &host.Host{TLS: good}, settings.RelayPlain, nil, "plain"},
		{"login", &host.Host{TLS: good, Extensions: login}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots, t.User, t.Password = roots, "u", secret }, "secure"},
		{"login, LOGIN alone", &host.Host{TLS: good, Extensions: []string{"AUTH LOGIN"}}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots, t.User, t.Password = roots, "u", secret }, "secure"},
		{"login, no way", &host.Host{TLS: good, Extensions: []string{"AUTH XOAUTH2"}}, settings.RelayStartTLS, func(t *relay.Target) { t.Roots, t.User, t.Password = roots, "u", secret }, "the login"},
		{"login in the clear", &host.Host{Extensions: login}, settings.RelayPlain, func(t *relay.Target) { t.User, t.Password = "u", secret }, "the login"},
		{"login, opportunistic without TLS", &host.Host{Extensions: login}, settings.RelayOpportunistic, func(t *relay.Target) { t.User, t.Password = "u", secret }, "the login"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			to := target(test.host.Listen(t))
			if to.TLS = test.mode; test.with != nil {
				test.with(&to)
			}
			c, err := relay.Open(t.Context(), to)
			got := ""
			var f *relay.Failure
			if errors.As(err, &f) {
				got = string(f.Stage)
				if !f.Down || f.Permanent {
					t.Errorf("%+v", f)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				if f := c.Send(t.Context(), mail("x\r\n", "b@c.example"))[0]; f != nil {
					t.Fatal(f)
				}
				c.Quit()
				if got = "plain"; test.host.Mails()[0].Secure {
					got = "secure"
				}
			}
			if got != test.want {
				t.Errorf("got %s, want %s: %v", got, test.want, err)
			}
			for _, line := range test.host.Lines() {
				if verb, name, _ := strings.Cut(line, " "); verb == "EHLO" && name != "box.example" {
					t.Errorf("it calls itself %q", name)
				}
				if _, ok := strings.CutPrefix(test.want, "the login"); ok && strings.HasPrefix(line, "AUTH") {
					t.Errorf("it said %q", line)
				}
			}
		})
	}
}

var secret = wire.NewSecret("hunter2 is secret")

func only(begin, reply string) func(string) string {
	return func(line string) string {
		if strings.HasPrefix(line, begin) {
			return reply
		}
		return ""
	}
}

// A refused login is told from one that is put off, and no word of it has the password.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	config, roots := host.Certificate(t, time.Now().Add(time.Hour), "host.example")
	for reply, refused := range map[string]bool{
		"535 5.7.8 wrong: hunter2 is secret": true, "535 no": true, "454 4.7.0 later": false, "421 4.7.0 too many": false, host.Cut: false,
	} {
		h := &host.Host{TLS: config, Implicit: true, Extensions: []string{"AUTH PLAIN"}, Reply: only("AUTH", reply)}
		to := target(h.Listen(t))
		to.TLS, to.Roots, to.User, to.Password = settings.RelayImplicit, roots, "me", secret
		_, err := relay.Open(t.Context(), to)
		var f *relay.Failure
		if !errors.As(err, &f) || f.Refused != refused || f.Stage != relay.Auth {
			t.Errorf("%s: %+v, %v", reply, f, err)
		}
		if all := fmt.Sprintf("%v %+v %v %+v", err, f, f.Cause, to); strings.Contains(all, "hunter2") {
			t.Errorf("%s: %s", reply, all)
		}
	}
}

// What is damaged is never sent to its end.
func TestDamage(t *testing.T) {
	t.Parallel()
	h := &host.Host{}
	text := strings.Repeat("0123456789\r\n", 20_000)
	m := mail(text, "b@c.example")
	m.WriteTo = func(w io.Writer) error {
		return bodies.Body{Length: m.Size, CRC32C: 1}.CopyTo(w, strings.NewReader(text))
	}
	c, err := relay.Open(t.Context(), target(h.Listen(t)))
	if err != nil {
		t.Fatal(err)
	}
	f := c.Send(t.Context(), m)[0]
	if f == nil || !f.Damaged || f.Doubt || f.Permanent || c.Reusable() || len(h.Mails()) != 0 {
		t.Errorf("got %+v, reusable %v, %d mails", f, c.Reusable(), len(h.Mails()))
	}
}

// What a server might read as two mails isn't sent to its end, however it is written.
func TestNoSmuggling(t *testing.T) {
	t.Parallel()
	h := &host.Host{}
	to := target(h.Listen(t))
	for _, text := range []string{"x\r.\r\n", "x\n.\n", "x\n.\r\n", "x\r\n.\n", "x\r\r\n", "\r", "\n", "x\r", "x\r\n.\rMAIL", "x\r\n\n"} {
		for cut := range len(text) + 1 {
			m := mail(text, "b@c.example")
			m.WriteTo = func(w io.Writer) error {
				for _, part := range []string{text[:cut], text[cut:]} {
					if _, err := io.WriteString(w, part); err != nil {
						return err
					}
				}
				return nil
			}
			if f := send(t, to, m)[0]; f == nil || !f.Permanent || f.Status() != "5.6.0" || f.Doubt {
				t.Errorf("%q, cut at %d: %v", text, cut, f)
			}
		}
	}
	if n := len(h.Mails()); n != 0 {
		t.Errorf("%d mails came", n)
	}
}

// over is a target in a bubble, where time passes by itself.
func over(peer func(net.Conn)) (relay.Target, *sync.WaitGroup) {
	var peers sync.WaitGroup
	to := relay.Target{Host: "host.example", Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:25")}, TLS: settings.RelayPlain, Name: "box.example"}
	to.Dial = func(context.Context, string, string) (net.Conn, error) {
		a, b := net.Pipe()
		peers.Go(func() {
			defer b.Close()
			peer(b)
		})
		return a, nil
	}
	return to, &peers
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		reply func(string) string
		peer  func(net.Conn)
		text  string
		took  time.Duration
		doubt bool
	}{
		{name: "no greeting", reply: only("GREETING", host.Silent), took: 5 * time.Minute},
		{name: "no answer to EHLO", reply: only("EHLO", host.Silent), took: 5 * time.Minute},
		{name: "no answer to RCPT", reply: only("RCPT", host.Silent), took: 5 * time.Minute},
		{name: "no answer to the end", reply: only("END", host.Silent), took: 10 * time.Minute, doubt: true},
		{name: "a mail that isn't read", text: strings.Repeat("x", 1<<20), took: 3 * time.Minute, peer: func(nc net.Conn) {
			readTo(nc, "DATA", "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 ok\r\n")
			time.Sleep(time.Hour)
		}},
		{name: "a mail that is read too slowly", text: strings.Repeat("x", 4<<20), took: time.Hour, peer: func(nc net.Conn) {
			readTo(nc, "DATA", "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 ok\r\n")
			for part := make([]byte, 32<<10); ; {
				time.Sleep(2 * time.Minute)
				if _, err := nc.Read(part); err != nil {
					return
				}
			}
		}},
		{name: "a reply without end", took: 0, peer: func(nc net.Conn) {
			for {
				if _, err := nc.Write([]byte("220-and more, and more, and more\r\n")); err != nil {
					return
				}
			}
		}},
		{name: "a reply that trickles", took: 5 * time.Minute, peer: func(nc net.Conn) {
			for {
				if _, err := nc.Write([]byte("2")); err != nil {
					return
				}
				time.Sleep(50 * time.Second)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := test.peer
				if peer == nil {
					h := &host.Host{Reply: test.reply}
					peer = h.Serve
				}
				to, peers := over(peer)
				start := time.Now()
				var f *relay.Failure
				c, err := relay.Open(t.Context(), to)
				if err == nil {
					f = c.Send(t.Context(), mail(test.text+"x\r\n", "b@c.example"))[0]
					c.Close()
				} else if !errors.As(err, &f) {
					t.Fatal(err)
				}
				took := time.Since(start)
				if f == nil || !f.Down || f.Doubt != test.doubt || took != test.took {
					t.Errorf("got %+v after %v, want %v", f, took, test.took)
				}
				peers.Wait()
			})
		})
	}
}

// readTo answers so many lines of a client.
func readTo(nc net.Conn, _ string, replies ...string) {
	part := make([]byte, 4096)
	for i, reply := range replies {
		if i > 0 {
			if _, err := nc.Read(part); err != nil {
				return
			}
		}
		if _, err := io.WriteString(nc, reply); err != nil {
			return
		}
	}
}

// The context ends what is under way.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host.Host{Reply: only("RCPT", host.Silent)}
		to, peers := over(h.Serve)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, err := relay.Open(ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		f := c.Send(ctx, mail("x\r\n", "b@c.example"))[0]
		if f == nil || time.Since(start) != time.Minute || c.Reusable() {
			t.Errorf("%v after %v", f, time.Since(start))
		}
		peers.Wait()
	})
}

// The next address is tried where one can't be reached.
func TestAddresses(t *testing.T) {
	t.Parallel()
	h := &host.Host{}
	to := target(h.Listen(t))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	dead := netip.MustParseAddrPort(closed.Addr().String())
	to.Addresses = append([]netip.AddrPort{dead}, to.Addresses...)
	if f := send(t, to, mail("x\r\n", "b@c.example"))[0]; f != nil {
		t.Error(f)
	}
	to.Addresses = []netip.AddrPort{dead}
	if _, err := relay.Open(t.Context(), to); err == nil || !strings.Contains(err.Error(), dead.String()) {
		t.Errorf("got %v", err)
	}
}

// A box without a name in the DNS calls itself by its address.
func TestNameless(t *testing.T) {
	t.Parallel()
	h := &host.Host{}
	to := target(h.Listen(t))
	to.Name = "postroom"
	if f := send(t, to, mail("x\r\n", "b@c.example"))[0]; f != nil {
		t.Error(f)
	}
	if lines := h.Lines(); lines[0] != "EHLO [127.0.0.1]" {
		t.Errorf("it said %q", lines[0])
	}
}
