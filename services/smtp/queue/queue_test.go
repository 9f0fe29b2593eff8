package queue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/smtp/internal/fakestore"
	"postroom/services/smtp/internal/host"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// box is a runner with its store.
type box struct {
	*fakestore.Store
	Config
	t        *testing.T
	settings atomic.Pointer[settings.Settings]
	dials    atomic.Int64
}

const rule = `
[appliance]
name = "box.example"
[[transport_rule]]
name = "relay"
relay = "192.0.2.1:25"
tls = "none"
`

func parse(t testing.TB, text string) *settings.Settings {
	t.Helper()
	s, err := settings.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newBox makes a box whose servers are hosts, by their addresses.
func newBox(t *testing.T, text string, hosts map[string]*host.Host) *box {
	b := &box{Store: fakestore.New(t), t: t}
	b.settings.Store(parse(t, text))
	b.Config = Config{Store: b.Store, Bodies: b.Folder, Settings: b.settings.Load, Log: slog.New(slog.DiscardHandler), PortMX: 25}
	b.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
		b.dials.Add(1)
		h := hosts[address]
		if h == nil {
			return nil, fmt.Errorf("dial %s: connection refused", address)
		}
		a, c := net.Pipe()
		go h.Serve(c)
		return addressed{a}, nil
	}
	return b
}

// addressed is a pipe with addresses.
type addressed struct{ net.Conn }

func (addressed) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 9999} }
func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }

// bubble runs a test in a bubble, where time passes by itself, with a runner that ends with it.
func bubble(t *testing.T, f func(t *testing.T, start func(*box) (stop func()))) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer runs.Wait()
		defer cancel()
		f(t, func(b *box) func() {
			one, stop := context.WithCancel(ctx)
			done := make(chan struct{})
			runs.Go(func() {
				defer close(done)
				if err := Run(one, b.Config); err != nil {
					t.Error(err)
				}
			})
			return func() { stop(); <-done }
		})
	})
}

func only(begin, reply string) func(string) string {
	return func(line string) string {
		if strings.HasPrefix(line, begin) {
			return reply
		}
		return ""
	}
}

const text = "Subject: Hello\r\n\r\nText.\r\n"

// at waits until so long has passed, and everything has come to rest.
func at(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *box) states(id uint64) string {
	var list []string
	for _, r := range b.Mail(id).Recipients {
		s := r.State.String()
		if r.Doubt {
			s += "?"
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

func TestOutcomes(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		h := &host.Host{Reply: func(line string) string {
			switch {
			case strings.HasPrefix(line, "RCPT TO:<no@"):
				return "550 5.1.1 no such user"
			case strings.HasPrefix(line, "RCPT TO:<later@"):
				return "450 4.2.1 busy"
			}
			return ""
		}}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		b.Users["me@gmx.net"] = "me!pop3.gmx.net"
		b.Users["new@pop3proxy.reddoxx"] = ""
		b.Users["it@pop3proxy.reddoxx"] = "it!pop3.gmx.net"
		id := b.Add("", "192.0.2.77", "me@gmx.net", text, "yes@c.example", "no@c.example", "later@c.example", "it@pop3proxy.reddoxx",
			"new@pop3proxy.reddoxx", "nobody@pop3proxy.reddoxx")
		start(b)
		at(5 * time.Second)
		if got := b.states(id); got != "DELIVERED FAILED WAITING DELIVERED ON_HOLD FAILED" {
			t.Errorf("got %s", got)
		}
		if mails := h.Mails(); len(mails) != 1 || mails[0].Text != text || fmt.Sprint(mails[0].To) != "[TO:<yes@c.example>]" {
			t.Errorf("sent: %+v", mails)
		}
		if got := b.Local("it!pop3.gmx.net"); len(got) != 1 || got[0] != id {
			t.Errorf("local: %v", got)
		}
		// Two failures at two times, each told once, through the sender's own Out Queue.
		notices := b.Notices()
		if len(notices) != 2 || len(b.Local("me!pop3.gmx.net")) != 2 {
			t.Fatalf("%d notices, local %v", len(notices), b.Local("me!pop3.gmx.net"))
		}
		both := notices[0] + notices[1]
		for _, want := range []string{"me@gmx.net\n", "Final-Recipient: rfc822; no@c.example", "Diagnostic-Code: smtp; 550 5.1.1 no such user",
			"Final-Recipient: rfc822; nobody@pop3proxy.reddoxx", "Status: 5.1.1", "Text.", "Action: failed"} {
			if !strings.Contains(both, want) {
				t.Errorf("no %q in\n%s", want, both)
			}
		}
		r := b.Mail(id).Recipients[2]
		if r.Tries != 1 || r.Rule != "relay" || r.Destination != "192.0.2.1" || !strings.Contains(r.Text, "450 4.2.1 busy") {
			t.Errorf("the one that waits: %v", r)
		}
	})
}

// Tries come in their times; the delay is told once, after notify_delay; after give_up the sender is told, and the mail gone.
func TestRetries(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		var times []time.Duration
		began := time.Now()
		h := &host.Host{Reply: func(line string) string {
			if strings.HasPrefix(line, "RCPT") {
				if now := time.Since(began); len(times) == 0 || times[len(times)-1] != now {
					times = append(times, now)
				}
				return "451 4.7.1 greylisted"
			}
			return ""
		}}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		b.Users["me@gmx.net"] = "me!pop3.gmx.net"
		id := b.Add("", "192.0.2.77", "me@gmx.net", text, "you@c.example")
		start(b)
		at(89 * time.Minute)
		if n := len(b.Notices()); n != 0 {
			t.Errorf("%d notices before the delay's", n)
		}
		at(2 * time.Minute)
		notices := b.Notices()
		if len(notices) != 1 || !strings.Contains(notices[0], "Action: delayed") || !strings.Contains(notices[0], "Will-Retry-Until") {
			t.Fatalf("notices: %q", notices)
		}
		at(120*time.Hour - 92*time.Minute)
		if n := len(b.Notices()); n != 1 || b.states(id) != "WAITING" {
			t.Errorf("%d notices, %s", n, b.states(id))
		}
		at(2 * time.Minute)
		notices = b.Notices()
		if b.states(id) != "FAILED" || len(notices) != 2 || !strings.Contains(notices[1], "Action: failed") || !strings.Contains(notices[1], "Status: 5.4.7") {
			t.Errorf("%s, %q", b.states(id), notices)
		}
		want := []time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}
		for i, d := range want {
			if got := times[i]; i > 0 {
				if got -= times[i-1]; got < d*9/10-time.Second || got > d*11/10+time.Second {
					t.Errorf("before try %d: %v, want %v", i+1, got, d)
				}
			}
		}
		for i := 6; i < len(times)-1; i++ {
			if d := times[i] - times[i-1]; d > 133*time.Minute || i > 7 && d < 107*time.Minute {
				t.Errorf("before try %d: %v", i+1, d)
			}
		}
		if n := int(b.Mail(id).Recipients[0].Tries); n != len(times) || n < 60 || n > 75 {
			t.Errorf("%d tries, %d counted", len(times), n)
		}
		if times[len(times)-1] < 120*time.Hour-time.Second {
			t.Errorf("the last try came at %v", times[len(times)-1])
		}
	})
}

// A relay that is dead for hours is asked now and then, not for each mail; once it's back, all that waited for it goes out.
func TestDeadRelay(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		hosts := map[string]*host.Host{}
		var mu sync.Mutex
		b := newBox(t, rule, nil)
		h := &host.Host{}
		b.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			b.dials.Add(1)
			mu.Lock()
			defer mu.Unlock()
			if hosts[address] == nil {
				return nil, errors.New("no route to host")
			}
			a, c := net.Pipe()
			go h.Serve(c)
			return addressed{a}, nil
		}
		for i := range 200 {
			b.Add("", "192.0.2.77", fmt.Sprintf("me%d@gmx.net", i%7), text, "you@c.example")
		}
		start(b)
		at(80 * time.Minute)
		if n := b.dials.Load(); n > 30 {
			t.Errorf("%d dials in 80 minutes", n)
		}
		if b.Left() != 200 {
			t.Errorf("%d mails left", b.Left())
		}
		mu.Lock()
		hosts["192.0.2.1:25"] = h
		mu.Unlock()
		at(70 * time.Minute)
		if got := len(h.Mails()); got != 200 {
			t.Errorf("%d mails arrived of 200", got)
		}
		if all, most := h.Sessions(); most > perRelay || all > 20 {
			t.Errorf("%d sessions, %d at one time", all, most)
		}
	})
}

// Destinations that hang hold up no other, however many there are.
func TestDeadHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		var text strings.Builder
		for i := range 300 {
			fmt.Fprintf(&text, "[[transport_rule]]\nname = \"r%d\"\nrecipient = \"*@d%d.example\"\nrelay = \"198.51.100.%d:%d\"\ntls = \"none\"\n", i, i, i%250+1, 25+i/250)
		}
		h := &host.Host{}
		b := newBox(t, text.String()+strings.Replace(rule, "[appliance]\nname = \"box.example\"\n", "", 1), map[string]*host.Host{"192.0.2.1:25": h})
		dial := b.Dial
		var hanging, most atomic.Int64
		b.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !strings.HasPrefix(address, "198.") {
				return dial(ctx, network, address)
			}
			most.Store(max(most.Load(), hanging.Add(1)))
			defer hanging.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for i := range 900 {
			b.Add("", "192.0.2.77", "x@gmx.net", "x\r\n", fmt.Sprintf("you@d%d.example", i%300))
		}
		b.Add("", "192.0.2.77", "me@gmx.net", "x\r\n", "first@c.example") // makes the relay known
		start(b)
		at(10 * time.Minute)
		b.Add("", "192.0.2.77", "me@gmx.net", "x\r\n", "second@c.example")
		at(time.Second)
		if got := len(h.Mails()); got != 2 {
			t.Errorf("%d mails arrived of 2", got)
		}
		if n := most.Load(); n > suspectsOver || n < suspectsOver/2 {
			t.Errorf("%d hung at one time", n)
		}
	})
}

// Servers that answered and now hang behind their greeting don't keep the places of those that answer.
func TestHangingHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		good := &host.Host{}
		hosts := map[string]*host.Host{"192.0.2.1:25": good}
		var text strings.Builder
		for i := range 60 {
			fmt.Fprintf(&text, "[[transport_rule]]\nname = \"r%d\"\nrecipient = \"*@d%d.example\"\nrelay = \"198.51.100.%d:25\"\ntls = \"none\"\n", i, i, i+1)
			var mails atomic.Int64
			hosts[fmt.Sprintf("198.51.100.%d:25", i+1)] = &host.Host{Reply: func(line string) string {
				if strings.HasPrefix(line, "MAIL") && mails.Add(1) > 1 {
					return host.Silent
				}
				return ""
			}}
		}
		b := newBox(t, text.String()+strings.Replace(rule, "[appliance]\nname = \"box.example\"\n", "", 1), hosts)
		b.Add("", "192.0.2.77", "me@gmx.net", "x\r\n", "first@c.example")
		start(b)
		at(time.Second)
		for i := range 60 * 20 {
			b.Add("", "192.0.2.77", fmt.Sprintf("x%d@gmx.net", i/60%4), "x\r\n", fmt.Sprintf("you@d%d.example", i%60))
		}
		at(16 * time.Minute) // each has hung once by then
		b.Add("", "192.0.2.77", "me@gmx.net", "x\r\n", "second@c.example")
		at(time.Second)
		if got := len(good.Mails()); got != 2 {
			t.Errorf("%d mails arrived of 2", got)
		}
	})
}

// One sender's many mails don't put another's one behind them; connections are used again.
func TestFairness(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		h := &host.Host{}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		for range 1000 {
			b.Add("", "192.0.2.77", "news@gmx.net", "x\r\n", "you@c.example")
		}
		b.Add("", "192.0.2.77", "boss@gmx.net", "x\r\n", "you@c.example")
		start(b)
		at(time.Minute)
		mails := h.Mails()
		place := -1
		for i, m := range mails {
			if strings.Contains(m.From, "boss@") {
				place = i
			}
		}
		if len(mails) != 1001 || place < 0 || place > 20 {
			t.Errorf("%d mails, the other sender's at place %d", len(mails), place)
		}
		if all, most := h.Sessions(); all > 20 || most > perRelay {
			t.Errorf("%d sessions, %d at one time", all, most)
		}
	})
}

func TestNullSender(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		h := &host.Host{Reply: only("RCPT TO:<no@", "550 5.1.1 no")}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		b.Users["me@gmx.net"] = "me!pop3.gmx.net"
		b.Add("", "192.0.2.77", "", text, "no@c.example")
		b.Add("", "192.0.2.77", "", text, "me@gmx.net") // somebody's, not the box's own
		b.Add("", "", "", text, "me@gmx.net")
		b.Add("", "", "", text, "no@c.example")
		b.Add("", "", "", text, "stranger@c.example")
		start(b)
		at(5 * time.Second)
		if b.Left() != 0 || len(b.Notices()) != 3 {
			t.Errorf("%d left, %d of the box's own", b.Left(), len(b.Notices()))
		}
		if n := len(b.Local("me!pop3.gmx.net")); n != 1 {
			t.Errorf("%d delivered here", n)
		}
		var to []string
		for _, m := range h.Mails() {
			if m.From != "FROM:<>" {
				t.Errorf("from %s", m.From)
			}
			to = append(to, m.To...)
		}
		if len(to) != 2 || !strings.Contains(fmt.Sprint(to), "me@gmx.net") || !strings.Contains(fmt.Sprint(to), "stranger@") {
			t.Errorf("sent to %v", to)
		}
	})
}

const loginRule = `
[appliance]
name = "box.example"
[[transport_rule]]
name = "GMX"
sender = "*@gmx.net"
relay = "192.0.2.1:465"
tls = "implicit"
login = "account"
[[transport_rule]]
name = "kept"
relay = "192.0.2.1:465"
tls = "implicit"
login = "smart"
`

// A refused login is told to its user once and tried no more; its mail waits, and goes out when it changes. Others' mail goes on.
func TestLogins(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		config, roots := certificate(t)
		var auths atomic.Int64
		bad := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me@gmx.net\x00old"))
		h := &host.Host{TLS: config, Implicit: true, Extensions: []string{"AUTH PLAIN"}}
		h.Reply = func(line string) string {
			if strings.HasPrefix(line, "AUTH") {
				auths.Add(1)
				if line == bad {
					return "535 5.7.8 Authentication credentials invalid"
				}
			}
			return ""
		}
		b := newBox(t, loginRule, map[string]*host.Host{"192.0.2.1:465": h})
		b.Roots = roots
		b.Users["me@gmx.net"] = "me!pop3.gmx.net"
		b.SetLogin("account me!pop3.gmx.net", "me@gmx.net", "old")
		b.SetLogin("smart", "s", "good")
		var mine []uint64
		for range 20 {
			mine = append(mine, b.Add("me!pop3.gmx.net", "192.0.2.77", "me@gmx.net", text, "you@c.example"))
		}
		other := b.Add("", "192.0.2.77", "x@example.org", text, "you@c.example")
		start(b)
		at(30 * time.Minute)
		if b.states(other) != "DELIVERED" {
			t.Errorf("another's mail: %v", b.Mail(other))
		}
		if n := auths.Load(); n > 6 {
			t.Errorf("%d logins", n)
		}
		if got := b.Refusals(); len(got) != 1 || string(got[0].Account) != "me!pop3.gmx.net" || got[0].Password != "old" {
			t.Errorf("refusals: %v", got)
		}
		if got := b.Notices(); len(got) != 1 || !strings.Contains(got[0], "refuses the login") || strings.Contains(got[0], "old\r\n") {
			t.Errorf("notices: %q", got)
		}
		if r := b.Mail(mine[0]).Recipients[0]; r.State != contract.RecipientState_WAITING || !strings.Contains(r.Text, "535") {
			t.Errorf("mine: %v", r)
		}
		b.SetLogin("account me!pop3.gmx.net", "me@gmx.net", "new")
		at(5 * time.Second)
		if n := b.Left(); n != 0 {
			t.Errorf("%d left after the login changed: %v", n, b.Mail(mine[0]))
		}
	})
}

// What waits for a login is tried at once when it changes, whatever else happens at that moment.
func TestLoginChangesMeanwhile(t *testing.T) {
	const mine = "account me!pop3.gmx.net"
	fix := func(b *box) { b.SetLogin(mine, "me@gmx.net", "new") }
	for _, test := range []struct {
		name    string
		auth    func(b *box)                 // as the server is about to refuse the old one
		changed func(b *box, mails []uint64) // behind the refusal, instead of a mere fix
		restart bool
	}{
		{name: "while the old one is being refused", auth: fix},
		{name: "and the store says the mails' times again", changed: func(b *box, mails []uint64) {
			fix(b)
			for range 3 {
				for _, id := range mails {
					b.Change(id, func(*contract.Transport) {})
				}
				at(300 * time.Millisecond) // the server takes a second for a mail
			}
		}},
		{name: "when the mails' times had just changed", changed: func(b *box, mails []uint64) {
			for _, id := range mails {
				b.Change(id, func(m *contract.Transport) { m.Recipients[0].NextTry = timestamppb.New(time.Now().Add(time.Hour)) })
			}
			at(10 * time.Millisecond)
			fix(b)
		}},
		{name: "while the store is away", changed: func(b *box, mails []uint64) {
			b.Fail(func(string) error { return contract.ErrUnavailable })
			fix(b)
			at(2 * time.Second)
			b.Fail(nil)
		}},
		{name: "when the service has been restarted", changed: func(b *box, mails []uint64) { fix(b) }, restart: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, start func(*box) func()) {
				config, roots := certificate(t)
				bad := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me@gmx.net\x00old"))
				var b *box
				h := &host.Host{TLS: config, Implicit: true, Extensions: []string{"AUTH PLAIN"}}
				h.Reply = func(line string) string {
					switch {
					case line == bad:
						if test.auth != nil {
							test.auth(b)
							time.Sleep(time.Millisecond) // the runner has heard of it
						}
						return "535 5.7.8 Authentication credentials invalid"
					case line == "END":
						time.Sleep(time.Second)
					}
					return ""
				}
				b = newBox(t, loginRule, map[string]*host.Host{"192.0.2.1:465": h})
				b.Roots = roots
				b.SetLogin("smart", "s", "good")
				b.SetLogin(mine, "me@gmx.net", "old")
				var mails []uint64
				for range 20 {
					mails = append(mails, b.Add("me!pop3.gmx.net", "192.0.2.77", "me@gmx.net", text, "you@c.example"))
				}
				stop := start(b)
				if test.changed != nil {
					at(30 * time.Minute)
					if test.restart {
						stop()
						start(b)
						at(time.Second)
					}
					test.changed(b, mails)
				}
				at(10 * time.Second)
				if n := b.Left(); n != 0 {
					t.Errorf("%d left: %v", n, b.Mail(mails[19]))
				}
			})
		})
	}
}

// A connection under a login that was changed or removed isn't used again.
func TestLoginOfOpenConnection(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		config, roots := certificate(t)
		h := &host.Host{TLS: config, Implicit: true, Extensions: []string{"AUTH PLAIN"}}
		b := newBox(t, loginRule, map[string]*host.Host{"192.0.2.1:465": h})
		b.Roots = roots
		const mine = "account me!pop3.gmx.net"
		send := func() uint64 {
			id := b.Add("me!pop3.gmx.net", "192.0.2.77", "me@gmx.net", text, "you@c.example")
			at(time.Second)
			return id
		}
		b.SetLogin(mine, "me@gmx.net", "old")
		start(b)
		send()
		send()
		if all, _ := h.Sessions(); all != 1 || len(h.Mails()) != 2 {
			t.Errorf("under one login: %d mails over %d connections", len(h.Mails()), all)
		}
		b.SetLogin(mine, "me@gmx.net", "new")
		send()
		if all, _ := h.Sessions(); all != 2 || len(h.Mails()) != 3 {
			t.Errorf("after it changed: %d mails over %d connections", len(h.Mails()), all)
		}
		b.RemoveLogin(mine)
		id := send()
		if b.states(id) != "WAITING" || len(h.Mails()) != 3 {
			t.Errorf("after it was removed: %s, %d mails", b.states(id), len(h.Mails()))
		}
	})
}

// Without an owner an account's login isn't used, and the mail doesn't slip out by the MX.
func TestNotTheOwner(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		config, roots := certificate(t)
		h := &host.Host{TLS: config, Implicit: true, Extensions: []string{"AUTH PLAIN"}}
		b := newBox(t, loginRule, map[string]*host.Host{"192.0.2.1:465": h})
		b.Roots = roots
		b.SetLogin("smart", "s", "good")
		b.SetLogin("account me!pop3.gmx.net", "me@gmx.net", "mine")
		id := b.Add("", "192.0.2.77", "me@gmx.net", text, "you@c.example")
		start(b)
		at(5 * time.Second)
		if b.Mail(id).Recipients[0].Rule != "kept" {
			t.Errorf("got %v", b.Mail(id))
		}
		for _, line := range h.Lines() {
			if strings.HasPrefix(line, "AUTH") && line != "AUTH PLAIN AHMAZ29vZA==" {
				t.Errorf("it said %q", line)
			}
		}
	})
}

func TestDoubtAndDamage(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		var ends atomic.Int64
		h := &host.Host{Reply: func(line string) string {
			if line == "END" && ends.Add(1) == 1 {
				return host.Cut
			}
			return ""
		}}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		id := b.Add("", "192.0.2.77", "me@gmx.net", text, "you@c.example")
		stop := start(b)
		at(5 * time.Second)
		if got := b.states(id); got != "WAITING?" || !strings.Contains(b.Mail(id).Recipients[0].Text, "may come twice") {
			t.Errorf("got %s: %v", got, b.Mail(id))
		}
		at(2 * time.Minute)
		if got := b.states(id); got != "DELIVERED?" || len(h.Mails()) != 2 {
			t.Errorf("got %s, %d mails", got, len(h.Mails()))
		}
		harmed := b.Add("", "192.0.2.77", "me@gmx.net", text, "harmed@c.example", "harmed2@c.example")
		b.Damage(harmed)
		at(5 * time.Second)
		if got := b.states(harmed); got != "WAITING WAITING" || len(h.Mails()) != 2 || fmt.Sprint(b.Damages()) != fmt.Sprint([]uint64{harmed}) {
			t.Errorf("harmed: %s, %d mails, reported %v", got, len(h.Mails()), b.Damages())
		}
		at(24 * time.Hour)
		if n := len(b.Damages()); n < 10 || n > 20 { // by its times, and not all the time
			t.Errorf("reported %d times in a day", n)
		}
		b.Damage(harmed)
		at(3 * time.Hour)
		if got := b.states(harmed); got != "DELIVERED DELIVERED" || len(h.Mails()) != 4 { // one is the word of the delay
			t.Errorf("healed: %s, %d mails", got, len(h.Mails()))
		}
		stop()
	})
}

func TestOwnersChanges(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		h := &host.Host{Reply: only("RCPT", "450 4.2.0 later")}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		dropped := b.Add("", "192.0.2.77", "me@gmx.net", text, "you@c.example")
		held := b.Add("", "192.0.2.77", "me@gmx.net", text, "you@c.example")
		start(b)
		at(5 * time.Second)
		b.Change(dropped, func(m *contract.Transport) { m.Recipients[0].State = contract.RecipientState_DROPPED })
		b.Change(held, func(m *contract.Transport) { m.Recipients[0].State = contract.RecipientState_ON_HOLD })
		at(30 * time.Minute)
		if b.states(dropped) != "FAILED" || b.states(held) != "ON_HOLD" || b.Mail(held).Recipients[0].Tries != 1 {
			t.Errorf("dropped: %s; held: %v", b.states(dropped), b.Mail(held))
		}
		if n := b.Notices(); len(n) != 1 || !strings.Contains(n[0], "took the mail out of its queue") {
			t.Errorf("notices: %q", n)
		}
		// Settings hold at once: the rule goes somewhere else.
		b.Change(held, func(m *contract.Transport) {
			m.Recipients[0].State, m.Recipients[0].NextTry = contract.RecipientState_WAITING, nil
		})
		b.settings.Store(parse(t, strings.Replace(rule, "192.0.2.1:25", "192.0.2.2:25", 1)))
		at(5 * time.Second)
		if r := b.Mail(held).Recipients[0]; r.Destination != "192.0.2.2" {
			t.Errorf("after a change of the settings: %v", r)
		}
	})
}

// What was wanted is told, and nothing else (RFC 3461).
func TestNotify(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		h := &host.Host{Reply: only("RCPT TO:<no", "550 5.1.1 no")}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		m := &contract.Transport{Sender: "me@gmx.net", Client: "192.0.2.77", HeadersOnly: true}
		for address, n := range map[string]*contract.Notify{
			"no-never@c.example": {Never: true}, "no-success@c.example": {Success: true}, "no-failure@c.example": {Failure: true}, "no-usual@c.example": nil,
			"yes-never@c.example": {Never: true}, "yes-success@c.example": {Success: true}, "yes-failure@c.example": {Failure: true}, "yes-usual@c.example": nil,
		} {
			m.Recipients = append(m.Recipients, &contract.TransportRecipient{Address: address, Notify: n})
		}
		b.AddMail(m, text)
		start(b)
		at(5 * time.Second)
		notices := b.Notices()
		if len(notices) != 2 {
			t.Fatalf("%d notices", len(notices))
		}
		all := notices[0] + notices[1]
		for address, want := range map[string]bool{"no-never": false, "no-success": false, "no-failure": true, "no-usual": true,
			"yes-never": false, "yes-success": true, "yes-failure": false, "yes-usual": false} {
			if got := strings.Contains(all, "rfc822; "+address+"@"); got != want {
				t.Errorf("%s: told %v", address, got)
			}
		}
		if strings.Contains(all, "Text.") || !strings.Contains(all, "Action: relayed") {
			t.Errorf("got %s", all)
		}
	})
}

// A store that doesn't answer for a while costs nothing, and no try is forgotten or made twice.
func TestStoreAway(t *testing.T) {
	bubble(t, func(t *testing.T, start func(*box) func()) {
		h := &host.Host{}
		b := newBox(t, rule, map[string]*host.Host{"192.0.2.1:25": h})
		var calls atomic.Int64
		b.Fail(func(string) error {
			// A third of the calls, and not each third one: that could always be the same call of a mail's last try.
			if rand.New(rand.NewPCG(uint64(calls.Add(1)), 1)).IntN(3) == 0 {
				return contract.ErrUnavailable
			}
			return nil
		})
		for range 50 {
			b.Add("", "192.0.2.77", "me@gmx.net", "x\r\n", "you@c.example")
		}
		start(b)
		at(10 * time.Minute)
		if b.Left() != 0 || len(h.Mails()) != 50 {
			t.Errorf("%d left, %d arrived", b.Left(), len(h.Mails()))
		}
	})
}

func TestGivesUp(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		age   time.Duration
		tries int
		after time.Duration
		want  bool
	}{
		{119 * time.Hour, 60, 120 * time.Hour, false},
		{120 * time.Hour, 63, 120 * time.Hour, true},
		{900 * time.Hour, 3, 120 * time.Hour, false}, // a clock that jumped, or a box that was off
		{900 * time.Hour, 40, 120 * time.Hour, true},
		{time.Hour, 5, time.Hour, true},
		{time.Hour, 1, time.Hour, false},
	} {
		if got := givesUp(now, now.Add(-test.age), test.tries, test.after); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	return host.Certificate(t, time.Now().Add(900*time.Hour), "192.0.2.1")
}
