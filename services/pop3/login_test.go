package pop3

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
)

// Each refusal comes later than the one before; then the store isn't asked any more. Outside the enrolment networks the
// words and the time stay the same.
func TestFailedLoginsAreSlowedDown(t *testing.T) {
	t.Parallel()
	const wrong, often, refused = "-ERR [AUTH] wrong name or password (conn ", "-ERR [SYS/TEMP] too many logins failed", "-ERR [AUTH] login refused (conn "
	type answer struct {
		words string
		after time.Duration // in whole seconds
	}
	for address, want := range map[string][]answer{
		inside:  {{wrong, 0}, {wrong, 1}, {wrong, 2}, {often, 3}, {often, 3}},
		outside: {{refused, 5}, {refused, 5}, {refused, 5}, {refused, 5}, {refused, 5}},
	} {
		f := newFakeStore(t)
		f.settings.POP3.FailedLoginsPerMinute = 3
		asked := 0
		f.login = func(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error) {
			asked++
			return &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: "wrong name or password"}, nil
		}
		synctest.Test(t, func(t *testing.T) {
			server := newTestServer(t, f, f.dir, new(logBuffer))
			server.settings.Store(f.settings)
			for n, want := range want {
				p := pipeTo(t, f, server, address)
				p.ask("USER "+testName, "+OK")
				began := time.Now()
				got := p.ask("PASS wrong", "-ERR")
				if took := time.Since(began).Round(time.Second); !strings.HasPrefix(got, want.words) || took != want.after*time.Second {
					t.Errorf("%s, login %d: got %q after %v; want %q after %d s", address, n, got, took, want.words, want.after)
				}
				p.end()
			}
		})
		if asked > 4 {
			t.Errorf("%s: the store was asked about %d logins", address, asked)
		}
	}
}

// A login that nobody could answer is nobody's failure: clients of the enrolment networks aren't slowed down because the store was
// away.
func TestNoAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.POP3.FailedLoginsPerMinute = 1
	away := true
	f.login = func(ctx context.Context, _ *contract.LoginRequest) (*contract.LoginResponse, error) {
		if away {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &contract.LoginResponse{Outcome: contract.LoginResponse_ACCEPTED, Account: []byte("account")}, nil
	}
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		p.ask("USER "+testName, "+OK")
		p.ask("PASS "+testPassword, "-ERR [SYS/TEMP] the mailbox can't be reached")
		synctest.Wait()
		away = false
		p.logIn()
	})
}
