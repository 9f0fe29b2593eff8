package pop3

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
)

// The limit holds for logins that come at the same moment, too: whoever opens many connections gets no more guesses. And
// many who log in at once with good passwords, from one address, are all let in, however slow their provider is.
func TestManyLoginsAtOnce(t *testing.T) {
	t.Parallel()
	const limit, clients = 3, 20
	const slow = 500 * time.Millisecond
	for _, tt := range []struct {
		name    string
		from    string
		outcome contract.LoginResponse_Outcome
		want    string
		asked   int
	}{
		{"guesses", inside, contract.LoginResponse_REFUSED, "-ERR", limit},
		{"guesses from outside", outside, contract.LoginResponse_REFUSED, "-ERR [AUTH] login refused", limit},
		{"good passwords", inside, contract.LoginResponse_ACCEPTED, "+OK", clients},
		{"good passwords from outside", outside, contract.LoginResponse_ACCEPTED, "+OK", clients},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeStore(t)
			f.settings.POP3.FailedLoginsPerMinute = limit
			asked := make(chan struct{}, clients)
			f.login = func(_ context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
				asked <- struct{}{}
				time.Sleep(slow)
				return &contract.LoginResponse{Outcome: tt.outcome, Account: []byte("account " + q.Name), Text: "wrong"}, nil
			}
			synctest.Test(t, func(t *testing.T) {
				server := newTestServer(t, f, f.dir, new(logBuffer))
				server.settings.Store(f.settings)
				var all []*piped
				for n := range clients {
					p := pipeTo(t, f, server, tt.from)
					all = append(all, p)
					p.ask(fmt.Sprintf("USER user%d@pop3.example.org", n), "+OK")
					p.send("PASS x\r\n")
				}
				for _, p := range all {
					p.want(tt.want)
				}
				for _, p := range all {
					p.end()
				}
			})
			if len(asked) != tt.asked {
				t.Errorf("the store was asked about %d logins, want %d", len(asked), tt.asked)
			}
		})
	}
}
