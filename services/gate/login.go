package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/wire"
)

const (
	// LoginWait bounds the store's answer to a login: it may have to be tried at the provider.
	LoginWait = 60 * time.Second
	// UniformWait is when a client outside the enrolment networks is refused, counted from its password. By
	// neither words nor time can it tell a name that is known from another.
	UniformWait = 5 * time.Second
)

// notUTF8 is what a client is told whose login is no text. Most such are passwords typed under an old character set.
const notUTF8 = "a name and a password are UTF-8: write a password with other letters than a to z anew in the client"

var errTooOften = &Refused{Temporary: true, Text: "too many logins failed: wait a minute, then try again"}

// Login is one attempt.
type Login struct {
	Name     string // compound, as typed
	Password wire.Secret
	Came     time.Time  // its password
	Client   netip.Addr // that it came from
}

// Refused is a login that came to nothing.
type Refused struct {
	Temporary bool   // the same may be accepted later; all that the store didn't refuse is
	NoAnswer  bool   // the store couldn't be asked, and Text is empty
	Text      string // for the client
	Cause     error  // for the log alone; may be nil
}

func (r *Refused) Error() string { return r.Text }
func (r *Refused) Unwrap() error { return r.Cause }

// Logins asks the store whether logins are good, as long as not too many fail.
type Logins struct {
	ask        func(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error)
	background func(ctx context.Context, most time.Duration, work func(context.Context))
	failures   failures
}

// NewLogins gives one that asks by ask, and leaves to background what outlasts its answer.
func NewLogins(
	ask func(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error),
	background func(ctx context.Context, most time.Duration, work func(context.Context)),
) *Logins {
	return &Logins{ask: ask, background: background}
}

// Try asks the store whether the login is good, and gives the account's id; or a *Refused, told later for each
// login before that failed.
//
// A client that is to learn nothing is refused at UniformWait even while the store still tries the login at
// the provider. That goes on: what comes of it counts for the next login.
func (g *Logins) Try(ctx context.Context, l Login, in *settings.Settings) ([]byte, error) {
	limit, uniform := in.POP3.FailedLoginsPerMinute, !in.MayEnrol(l.Client)
	wait, late := LoginWait, context.DeadlineExceeded
	if uniform {
		wait, late = UniformWait, errLate
	}
	waiting, cancel := context.WithDeadlineCause(ctx, l.Came.Add(wait), late)
	defer cancel()
	a, allowed := g.failures.begin(waiting, Origin(l.Client), l.Name, limit)
	if !allowed {
		if uniform {
			return nil, uniformRefusal(ctx, l, errTooOften)
		}
		waitUntil(ctx, l.Came.Add(a.delay(limit)))
		return nil, errTooOften
	}
	v := g.try(ctx, waiting, l, a, limit)
	switch {
	case v.accepted():
		return v.answer.Account, nil
	case uniform || v.answer.GetUniform():
		return nil, uniformRefusal(ctx, l, v.refusal().Cause)
	case v.err == nil:
		waitUntil(ctx, l.Came.Add(a.delay(limit)))
	}
	return nil, v.refusal()
}

// errLate is that no answer came before a client that is to learn nothing has to be refused. It counts as a failure.
var errLate = errors.New("no answer in time")

// verdict is what came of asking the store.
type verdict struct {
	answer *contract.LoginResponse // nil with err
	err    error
}

// try asks the store whether a login is good, and counts what comes of it.
func (g *Logins) try(ctx, waiting context.Context, l Login, a attempt, limit int) verdict {
	defer g.failures.end(a)
	v := g.askStore(ctx, waiting, l)
	switch {
	case v.accepted():
		g.failures.accepted(a, time.Now())
	case v.err == nil, errors.Is(v.err, errLate):
		g.failures.failed(a, limit, time.Now())
	}
	return v
}

// askStore asks whether a login is good, and waits for the answer until the end of waiting; the question goes on.
func (g *Logins) askStore(ctx, waiting context.Context, l Login) verdict {
	if !utf8.ValidString(l.Name) || !utf8.ValidString(l.Password.Reveal()) {
		return verdict{answer: &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: notUTF8}} // it can't be asked
	}
	answered := make(chan verdict, 1) // nobody may be waiting any more
	g.background(ctx, LoginWait, func(ctx context.Context) {
		answer, err := g.ask(ctx, &contract.LoginRequest{
			Name:     l.Name,
			Password: l.Password.Reveal(),
			Address:  l.Client.String(),
		})
		answered <- verdict{answer, err}
	})
	select {
	case v := <-answered:
		return v
	case <-waiting.Done():
		return verdict{err: context.Cause(waiting)}
	}
}

func (v verdict) accepted() bool {
	return v.err == nil && v.answer.Outcome == contract.LoginResponse_ACCEPTED && len(v.answer.Account) > 0
}

// refusal is what a client is told that may know why. All that isn't a refusal by the store is temporary.
func (v verdict) refusal() *Refused {
	if v.err != nil {
		return noAnswer(fmt.Errorf("ask the store: %w", v.err))
	}
	r := &Refused{Text: v.answer.Text, Cause: errors.New(v.answer.Text)}
	switch v.answer.Outcome {
	case contract.LoginResponse_REFUSED:
		return r
	case contract.LoginResponse_TEMPORARY:
		r.Temporary = true
		return r
	}
	return noAnswer(fmt.Errorf("the store answered a login with outcome %v", v.answer.Outcome))
}

func noAnswer(cause error) *Refused { return &Refused{Temporary: true, NoAnswer: true, Cause: cause} }

// uniformRefusal gives the one refusal for clients outside the enrolment networks, when its time has come.
func uniformRefusal(ctx context.Context, l Login, cause error) error {
	waitUntil(ctx, l.Came.Add(UniformWait))
	return &Refused{Text: "login refused", Cause: cause}
}

func waitUntil(ctx context.Context, at time.Time) {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}
