package store

import (
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

func (b *box) lookUpSender(address, client string, account []byte) *contract.LookUpSenderResponse {
	b.t.Helper()
	answer, err := smtp{b.Store}.LookUpSender(b.t.Context(), &contract.LookUpSenderRequest{Address: address, Client: client, Account: account})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// Who may send by whose login: a table of clients and senders.
func TestOwner(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const (
		mine, hers, away = "192.168.1.10", "192.168.1.11", "192.168.1.99"
		six              = "2001:db8::7"
	)
	b.provider(accepts(secret))
	login := func(name, client string) []byte { return b.login(name, secret, client).Account }
	me := login("Me@gmx.de@pop3.gmx.de", mine)
	her := login("her@gmx.de@pop3.gmx.de", hers)
	twin := login("me@gmx.de@mail.example.org", hers) // one login at two hosts
	second := login("second@web.de@pop3.web.de", mine)
	sixes := login("six@gmx.de@pop3.gmx.de", "192.168.1.12")
	b.must(b.move("second@web.de@pop3.web.de", "Me+gmx.de", false))
	b.must(b.assign("sales@example.org", "Me+gmx.de", false))
	for _, c := range []struct {
		name, sender, client string
		as                   []byte
		account              []byte
		owner, own           bool
	}{
		{"its address polled", "me@gmx.de", mine, nil, me, true, true},
		{"letter case", "ME@GMX.DE", mine, nil, me, true, true},
		{"mapped IPv6", "me@gmx.de", "::ffff:" + mine, nil, me, true, true},
		{"another's address polled the twin", "me@gmx.de", hers, nil, twin, true, true},
		{"nobody known: the older one", "me@gmx.de", away, nil, me, false, false},
		{"logged in as the twin", "me@gmx.de", mine, twin, twin, true, true},
		{"logged in", "me@gmx.de", away, me, me, true, true},
		{"logged in as another of its user", "me@gmx.de", away, second, me, true, true},
		{"logged in as somebody else", "me@gmx.de", away, her, me, false, false},
		{"somebody else's address polled", "her@gmx.de", mine, nil, her, false, false},
		{"somebody else, logged in", "her@gmx.de", mine, me, her, false, false},
		{"an address of the user, who logged in", "sales@example.org", away, second, second, true, true},
		{"an address of the user, polled", "sales@example.org", mine, nil, me, true, true},
		{"an address of the user, unknown client", "sales@example.org", away, nil, me, false, false},
		{"the pseudo address", "me+gmx.de@pop3proxy.reddoxx", mine, nil, me, true, true},
		{"nobody's", "you@example.net", mine, me, nil, false, false},
		{"the null sender", "", mine, me, nil, false, false},
		{"no address", "Me", mine, nil, nil, false, false},
		{"a longer login", "me@gmx.de@pop3.gmx.de", mine, nil, nil, false, false},
		{"polled from IPv4, sends from IPv6", "six@gmx.de", six, nil, sixes, false, false},
		{"an account that is gone", "me@gmx.de", away, make([]byte, 16), me, false, false},
	} {
		got := b.lookUpSender(c.sender, c.client, c.as)
		if string(got.Account) != string(c.account) || got.Owner != c.owner || got.Own != c.own {
			t.Errorf("%s: account %x, owner %v, own %v; want %x, %v, %v", c.name, got.Account, got.Owner, got.Own, c.account, c.owner, c.own)
		}
		m := sendMail(c.sender, "you@example.net")
		m.Client, m.Account = c.client, c.as
		want := ""
		if c.owner {
			want = string(c.account)
		}
		if got := b.queuedMail(b.submitted(m)); string(got.Owner) != want {
			t.Errorf("%s: in the queue %x is the owner, want %x", c.name, got.Owner, want)
		}
	}
	own := sendMail("", "you@example.net")
	own.Client, own.Account = "", me
	if got := b.queuedMail(b.submitted(own)); string(got.Owner) != string(me) {
		t.Errorf("the box's own mail for an account: owner %x", got.Owner)
	}
	if answer := b.lookUpSender("her@gmx.de", mine, nil); answer.Host != "pop3.gmx.de" || answer.User != "her+gmx.de" {
		t.Errorf("got %v", answer)
	}
}

// A poll proves an address for 12 hours, and costs a commit an hour at most.
func TestProofByPollEnds(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b.cfg.Now = func() time.Time { return now }
	b.Store.cfg.Now = b.cfg.Now
	const name = "me@gmx.de@pop3.gmx.de"
	b.enrolled(name)
	owner := func(want bool) {
		t.Helper()
		if got := b.lookUpSender("me@gmx.de", inside, nil).Owner; got != want {
			t.Errorf("at %v: owner %v", now, got)
		}
	}
	owner(true)
	before := string(b.sequence())
	now = now.Add(59 * time.Minute)
	b.login(name, secret, inside)
	if string(b.sequence()) != before {
		t.Error("a login within the hour wrote something")
	}
	now = now.Add(2 * time.Minute)
	b.login(name, secret, inside)
	if string(b.sequence()) == before {
		t.Error("a login behind an hour wrote nothing")
	}
	now = now.Add(12 * time.Hour)
	owner(true)
	now = now.Add(time.Second)
	owner(false)
	now = now.Add(-24 * time.Hour) // the clock was wrong
	owner(false)
	b.login(name, secret, inside)
	owner(true)
	// A login over SMTP proves itself alone.
	if _, err := (smtp{b.Store}).Login(t.Context(), &contract.LoginRequest{Name: name, Password: secret, Address: "192.168.1.99"}); err != nil {
		t.Fatal(err)
	}
	if b.lookUpSender("me@gmx.de", "192.168.1.99", nil).Owner {
		t.Error("a login over SMTP proves the address")
	}
	now = now.Add(13 * time.Hour)
	b.clock.report(true)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Clients, nil, nil) {
			t.Errorf("row %x is swept late", key)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestSMTPLogin(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	asked := b.provider(accepts(secret))
	login := func(name, password string) *contract.LoginResponse {
		t.Helper()
		answer, err := smtp{b.Store}.Login(t.Context(), &contract.LoginRequest{Name: name, Password: password, Address: inside})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	const name = "me@gmx.de@pop3.gmx.de"
	if got := login(name, secret); got.Outcome != contract.LoginResponse_REFUSED || asked() != 0 {
		t.Errorf("an account that isn't known: %v, asked %d times", got, asked())
	}
	id := b.login(name, secret, inside).Account
	n := asked()
	if got := login(name, secret); got.Outcome != contract.LoginResponse_ACCEPTED || string(got.Account) != string(id) || asked() != n {
		t.Errorf("a known one: %v", got)
	}
	if got := login(name, "wrong"); got.Outcome != contract.LoginResponse_REFUSED {
		t.Errorf("wrong password: %v", got)
	}
}
