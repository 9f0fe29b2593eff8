package gate

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/wire"
)

// What isn't UTF-8 can be no login (RFC 4616 §2), and the store can't even be asked: it's refused as any other, by neither words
// nor time to be told from one, and counts as a failure.
func TestLoginOfOtherOctets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewLogins(func(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error) {
			t.Error("the store was asked")
			return nil, errors.New("it can't be")
		}, func(ctx context.Context, _ time.Duration, work func(context.Context)) { go work(ctx) })
		in := settings.Default()
		in.POP3.FailedLoginsPerMinute = 3
		inside, outside := netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("203.0.113.7")
		try := func(name, password string, from netip.Addr) (*Refused, time.Duration) {
			came := time.Now()
			_, err := g.Try(t.Context(), Login{Name: name, Password: wire.NewSecret(password), Came: came, Client: from}, in)
			var r *Refused
			if !errors.As(err, &r) {
				t.Fatalf("%q: got %v, want a refusal", name, err)
			}
			return r, time.Since(came)
		}
		for n, l := range [][2]string{{"a\xff@pop3.example.org", "x"}, {"b@pop3.example.org", "\xfcber"}, {"\xff", "\xff"}} {
			r, took := try(l[0], l[1], inside)
			if r.Temporary || r.NoAnswer || r.Text != notUTF8 || took.Round(time.Second) != time.Duration(n)*time.Second {
				t.Errorf("%q: got %+v after %v", l, r, took)
			}
		}
		if r, _ := try("c@pop3.example.org", "\xff", inside); !r.Temporary || r.Text != errTooOften.Text {
			t.Errorf("behind the limit: got %+v", r)
		}
		if r, took := try("\xff", "x", outside); r.Text != "login refused" || took != UniformWait {
			t.Errorf("outside: got %+v after %v", r, took)
		}
	})
}
