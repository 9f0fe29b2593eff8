package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

func TestNothingIsStoredOfALoginThatIsNotAccepted(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	password := secret
	asked := b.provider(func() string { return password })
	for _, c := range []struct {
		name, typed, password, address string
		provider                       string
		want                           contract.LoginResponse_Outcome
		text                           string
		asked                          int
	}{
		{"no host", "me", secret, inside, secret, contract.LoginResponse_REFUSED, "login@provider-host", 0},
		{"outside", "me@pop3.gmx.de", secret, outside, secret, contract.LoginResponse_REFUSED, "enrol.networks", 0},
		{"wrong password", "me@pop3.gmx.de", "wrong", inside, secret, contract.LoginResponse_REFUSED, "says the provider", 1},
		{"the same again", "me@pop3.gmx.de", "wrong", inside, secret, contract.LoginResponse_REFUSED, "says the provider", 0},
		{"provider away", "me@pop3.gmx.de", secret, inside, "", contract.LoginResponse_TEMPORARY, "away", 1},
		{"empty password", "me@pop3.gmx.de", "", inside, secret, contract.LoginResponse_REFUSED, "empty", 0},
	} {
		password = c.provider
		before := asked()
		got := b.login(c.typed, c.password, c.address)
		if got.Outcome != c.want || !strings.Contains(got.Text, c.text) || asked()-before != c.asked {
			t.Errorf("%s: got %v, asked %d times; want %v, %q, %d", c.name, got, asked()-before, c.want, c.text, c.asked)
		}
		if got.Uniform != (c.address == outside) {
			t.Errorf("%s: uniform %t", c.name, got.Uniform)
		}
		if n := len(b.status().Accounts); n != 0 {
			t.Errorf("%s: %d accounts are stored", c.name, n)
		}
	}
}

func TestKnownLoginIsAnsweredFromWhatIsKept(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	password := secret
	asked := b.provider(func() string { return password })
	name := "Me@GMX.de@POP3.gmx.de."
	first := b.login(name, secret, inside)
	for _, again := range []string{name, "Me@gmx.de@pop3.gmx.de", "Me@gmx.de@pop3.gmx.de:995", "Me@gmx.de@pop3.gmx.de:110"} {
		if got := b.login(again, secret, outside); got.Outcome != contract.LoginResponse_ACCEPTED || !bytes.Equal(got.Account, first.Account) {
			t.Errorf("%s: got %v, want account %x", again, got, first.Account)
		}
	}
	if asked() != 1 {
		t.Errorf("the provider was asked %d times, want 1", asked())
	}
	b.reopen("two")
	if got := b.login(name, secret, inside); got.Outcome != contract.LoginResponse_ACCEPTED {
		t.Errorf("after a start: got %v", got)
	}
}

func TestChangedPasswordIsTriedAtTheProvider(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	password := secret
	b.provider(func() string { return password })
	name := "me@gmx.de@pop3.gmx.de"
	account := b.login(name, secret, inside).Account
	password = "new"
	if got := b.login(name, "other", inside); got.Outcome != contract.LoginResponse_REFUSED {
		t.Errorf("neither the old nor the new password: got %v", got)
	}
	if got := b.login(name, "new", outside); got.Outcome != contract.LoginResponse_ACCEPTED || !bytes.Equal(got.Account, account) {
		t.Errorf("the new password: got %v", got)
	}
	answer, err := fetcher{b.Store}.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account})
	if err != nil || answer.Password != "new" || answer.Login != "me@gmx.de" || answer.Host != "pop3.gmx.de" {
		t.Errorf("login data: got %v, %v", answer, err)
	}
}

func TestTriesAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var tr tries
	for i := range triesPerHour {
		if allowed, _, _ := tr.begin("a", fmt.Append(nil, i), now.Add(time.Duration(i)*time.Minute)); !allowed {
			t.Errorf("try %d is not allowed", i+1)
		}
	}
	for after, want := range map[time.Duration]bool{10 * time.Minute: false, 59 * time.Minute: false, 61 * time.Minute: true} {
		copied := tries{name: map[string]*tried{"a": {at: append([]time.Time(nil), tr.name["a"].at...)}}}
		if allowed, _, _ := copied.begin("a", []byte("more"), now.Add(after)); allowed != want {
			t.Errorf("after %v: allowed %t, want %t", after, allowed, want)
		}
	}
	if allowed, _, _ := tr.begin("b", nil, now); !allowed {
		t.Error("another account's tries count")
	}
}

func TestRefusedPasswordIsRememberedForAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var tr tries
	tr.begin("a", []byte("x"), now)
	tr.end("a", []byte("x"), false, true, "no", now)
	if allowed, refused, text := tr.begin("a", []byte("x"), now.Add(14*time.Minute)); allowed || !refused || text != "no" {
		t.Errorf("within: allowed %t, refused %t, %q", allowed, refused, text)
	}
	if allowed, _, _ := tr.begin("a", []byte("y"), now); !allowed {
		t.Error("another password is not tried")
	}
	if allowed, _, _ := tr.begin("a", []byte("x"), now.Add(16*time.Minute)); !allowed {
		t.Error("afterwards it is not tried again")
	}
}

func TestLoginInAnotherCaseIsRefusedWithTheKnownName(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.enrolled("me@gmx.de@pop3.gmx.de")
	got := b.login("ME@gmx.de@pop3.gmx.de", secret, inside)
	if got.Outcome != contract.LoginResponse_REFUSED || !strings.Contains(got.Text, "me@gmx.de@pop3.gmx.de") {
		t.Errorf("got %v", got)
	}
	if n := len(b.status().Accounts); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

func TestCollidingUserNamesGetTwoUsers(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.provider(accepts(secret))
	users := make(map[string]bool)
	for _, name := range []string{"info@pop.one.example", "info@pop.two.example", "info+pop.two.example@pop.three.example"} {
		if got := b.login(name, secret, inside); got.Outcome != contract.LoginResponse_ACCEPTED {
			t.Fatal(got)
		}
	}
	for _, a := range b.status().Accounts {
		if users[a.User] {
			t.Errorf("user %s has two accounts that never met", a.User)
		}
		users[a.User] = true
	}
	for _, want := range []string{"info", "info+pop.two.example"} {
		if !users[want] {
			t.Errorf("no user %s: %v", want, users)
		}
	}
}

func TestLoginDataIsSealedForItsAccount(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1))
	b.reopen("two")
	err := filepath.WalkDir(b.cfg.Dir, func(name string, _ os.DirEntry, err error) error {
		octets, readErr := os.ReadFile(name)
		if readErr == nil && bytes.Contains(octets, []byte(secret)) {
			t.Errorf("%s holds the password", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var kept rows.Account
	if err := b.db.View(func(r *engine.Reader) error {
		_, err := r.Load(engine.Accounts, account, &kept)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.secrets.open(kept.SealedPassword, []byte("another account!")); err == nil {
		t.Error("login data opens for another account")
	}
}

func TestLoginDataOfAnotherMachineKeyIsReplacedAtTheNextAcceptedLogin(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	if err := os.WriteFile(b.cfg.KeyFile, bytes.Repeat([]byte{9}, machineKeySize), 0o600); err != nil {
		t.Fatal(err)
	}
	b.reopen("two")
	b.provider(accepts(secret))
	if _, err := (fetcher{b.Store}).BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); err == nil {
		t.Error("login data opened with another machine key")
	}
	if c := b.condition(contract.ConditionLoginData); c == nil || c.Subject != "me@gmx.de@pop3.gmx.de" {
		t.Errorf("condition %v", c)
	}
	if got := b.login("me@gmx.de@pop3.gmx.de", secret, inside); got.Outcome != contract.LoginResponse_ACCEPTED {
		t.Fatalf("got %v", got)
	}
	answer, err := fetcher{b.Store}.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account})
	if err != nil || answer.Password != secret {
		t.Errorf("got %v, %v", answer, err)
	}
	if c := b.condition(contract.ConditionLoginData); c != nil {
		t.Errorf("condition stays: %v", c)
	}
}

func TestRefusedAccountIsNotFetchedUntilAClientLogsIn(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	name := "me@gmx.de@pop3.gmx.de"
	account := b.enrolled(name)
	f := fetcher{b.Store}
	if _, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); err != nil {
		t.Fatal(err)
	}
	_, err := f.EndFetch(t.Context(), &contract.EndFetchRequest{Account: account, Refused: true, ProviderText: "[AUTH] no"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); err == nil {
		t.Error("a refused login is tried again by itself")
	}
	if c := b.condition(contract.ConditionLoginRefused); c == nil || c.Subject != name || !strings.Contains(c.Text, "[AUTH] no") {
		t.Errorf("condition %v", c)
	}
	if got := b.login(name, secret, inside); got.Outcome != contract.LoginResponse_ACCEPTED {
		t.Fatalf("got %v", got)
	}
	if _, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); err != nil {
		t.Errorf("after a login that the provider accepted: %v", err)
	}
	if c := b.condition(contract.ConditionLoginRefused); c != nil {
		t.Errorf("condition stays: %v", c)
	}
}

func TestVerificationWithoutAnAnswerIsTemporary(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	got, err := pop3{b.Store}.Login(ctx, &contract.LoginRequest{Name: "me@pop3.gmx.de", Password: secret, Address: inside})
	if err != nil || got.Outcome != contract.LoginResponse_TEMPORARY {
		t.Errorf("got %v, %v", got, err)
	}
}

// The fetcher is told whose login it tries: the list of providers holds for new accounts alone.
func TestAVerificationSaysWhetherItsAccountIsKnown(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	taken := func(name, password string) (known bool) {
		t.Helper()
		f := fetcher{b.Store}
		look, stop := b.look.watch(contract.Topic_TOPIC_VERIFICATIONS)
		defer stop()
		answered := make(chan *contract.LoginResponse, 1)
		go func() { answered <- b.login(name, password, inside) }()
		for {
			<-look
			v, err := f.TakeVerification(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if v.None {
				continue
			}
			answer := &contract.AnswerVerificationRequest{Id: v.Id, Verified: contract.Verified_VERIFIED_ACCEPTED}
			if _, err := f.AnswerVerification(t.Context(), answer); err != nil {
				t.Fatal(err)
			}
			if got := <-answered; got.Outcome != contract.LoginResponse_ACCEPTED {
				t.Fatalf("got %v", got)
			}
			return v.Known
		}
	}
	if taken(heldName, "first") {
		t.Error("a new account counts as known")
	}
	if !taken(heldName, "second") {
		t.Error("a known account's new password counts as a new account")
	}
}
