package store

import (
	"errors"
	"strings"
	"testing"

	"postroom/services/contract"
)

func TestAccountLoginForARelay(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "me@gmx.de@pop3.gmx.de"
	password := secret
	b.provider(func() string { return password })
	account := b.login(name, secret, inside).Account
	p := smtp{b.Store}
	get := func(id uint64) (*contract.GetLoginResponse, error) {
		return p.GetLogin(t.Context(), &contract.GetLoginRequest{Mail: id})
	}
	stranger := sendMail("me@gmx.de", "you@example.net")
	stranger.Client = "192.168.1.99"
	if got, err := get(b.submitted(stranger)); !errors.Is(err, contract.ErrForbidden) || got != nil {
		t.Errorf("for a stranger's mail: %v, %v", got, err)
	}
	id := b.submitted(sendMail("me@gmx.de", "you@example.net"))
	if got, err := get(id); err != nil || got.User != "me@gmx.de" || got.Password != secret {
		t.Errorf("for the owner's mail: %v, %v", got, err)
	}
	notice := sendMail("", "me@gmx.de")
	notice.Client = ""
	refuse := &contract.RefuseLoginRequest{Account: account, Relay: "mail.gmx.net:465", Text: "535 wrong", User: "me@gmx.de", Password: "old", Notice: notice}
	queued := b.queued()
	refuseTwice := func() {
		t.Helper()
		for range 2 {
			if _, err := p.RefuseLogin(t.Context(), refuse); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refuseTwice(); b.queued() != queued || b.condition(contract.ConditionRelayLogin) != nil {
		t.Error("a password that isn't kept any more is refused")
	}
	refuse.Password = secret
	if refuseTwice(); b.queued() != queued+1 {
		t.Errorf("%d notices, want one", b.queued()-queued)
	}
	other := sendMail("", "me@gmx.de")
	other.Client = ""
	refuse.Notice = other
	if refuseTwice(); b.queued() != queued+1 {
		t.Error("the same refusal is told twice")
	}
	if got, err := get(id); err != nil || !got.Refused || got.Password != "" || got.Text != "535 wrong" {
		t.Errorf("after the refusal: %v, %v", got, err)
	}
	c := b.condition(contract.ConditionRelayLogin)
	if c == nil || c.Subject != name || !strings.Contains(c.Text, "mail.gmx.net:465 refuses") || !strings.Contains(c.Text, "535 wrong") {
		t.Errorf("condition %v", c)
	}
	if got := b.login(name, secret, inside); got.Outcome != contract.LoginResponse_ACCEPTED {
		t.Errorf("over POP3 the login is as before, and %v", got)
	}
	if got, _ := get(id); !got.Refused {
		t.Error("a login with the same password takes the refusal back")
	}
	look, stop := b.look.watch(contract.Topic_TOPIC_LOGINS)
	defer stop()
	<-look
	password = "another"
	b.login(name, password, inside)
	<-look
	if got, err := get(id); err != nil || got.Refused || got.Password != password {
		t.Errorf("after a new password: %v, %v", got, err)
	}
	if b.condition(contract.ConditionRelayLogin) != nil {
		t.Error("the condition stays")
	}
	refuse.Password, refuse.Notice = password, nil
	refuseTwice()
	if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Id: id, Change: contract.ChangeQueuedRequest_RETRY}); err != nil {
		t.Fatal(err)
	}
	if got, _ := get(id); got.Refused || b.condition(contract.ConditionRelayLogin) != nil {
		t.Error("the owner wants another try, and the refusal stays")
	}
	refuseTwice()
	if _, err := (admin{b.Store}).RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if b.condition(contract.ConditionRelayLogin) != nil {
		t.Error("the account is gone, and its condition stays")
	}
	if _, err := get(id); !errors.Is(err, contract.ErrForbidden) {
		t.Errorf("the account is gone: %v", err)
	}
}

func TestKeptLogin(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	p, a := smtp{b.Store}, admin{b.Store}
	set := func(password string) {
		t.Helper()
		if _, err := a.SetLogin(t.Context(), &contract.SetLoginRequest{Name: "relay", User: "u", Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	get := func() *contract.GetLoginResponse {
		t.Helper()
		got, err := p.GetLogin(t.Context(), &contract.GetLoginRequest{Name: "relay"})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if _, err := p.GetLogin(t.Context(), &contract.GetLoginRequest{Name: "relay"}); !errors.Is(err, contract.ErrNotFound) {
		t.Errorf("no such login: %v", err)
	}
	set("one")
	b.reopen("two")
	p, a = smtp{b.Store}, admin{b.Store}
	if got := get(); got.User != "u" || got.Password != "one" {
		t.Errorf("got %v", got)
	}
	refuse := &contract.RefuseLoginRequest{Name: "relay", Relay: "relay.example.org:587", Text: "535 no", User: "u", Password: "one"}
	if _, err := p.RefuseLogin(t.Context(), refuse); err != nil {
		t.Fatal(err)
	}
	if got := get(); !got.Refused || got.Password != "" {
		t.Errorf("refused: %v", got)
	}
	if c := b.condition(contract.ConditionRelayLogin); c == nil || c.Subject != "relay" {
		t.Errorf("condition %v", c)
	}
	set("two")
	if got := get(); got.Refused || got.Password != "two" || b.condition(contract.ConditionRelayLogin) != nil {
		t.Errorf("set anew: %v", got)
	}
	if _, err := p.RefuseLogin(t.Context(), refuse); err != nil || get().Refused {
		t.Errorf("a refusal of the password before: %v", err)
	}
	for _, q := range []*contract.RefuseLoginRequest{{}, {Name: "relay", Account: make([]byte, 16)}, {Account: []byte("x")}} {
		if _, err := p.RefuseLogin(t.Context(), q); !errors.Is(err, contract.ErrInvalid) {
			t.Errorf("%v: %v", q, err)
		}
	}
}
