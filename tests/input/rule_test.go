package input

import (
	"sync"
	"testing"
	"time"

	"postroom/tests/hosted"
)

// With enrol.providers = "listed" new accounts may live only at providers that have a profile.
func TestProviderThatIsNotListed(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p)+"\n[enrol]\nproviders = \"listed\"\n")
	const want = `-ERR [AUTH] "pop3.example.org" is not among the providers that are allowed here`
	if got := curl(t, box, "myaccount@pop3.example.org", hosted.Password); got != want {
		t.Errorf("not listed: got %s, want %s", got, want)
	}
	if got := curl(t, box, hosted.WebName, hosted.Password); got != "+OK logged in" {
		t.Errorf("listed: got %s", got)
	}
}

// Outside the enrolment networks nobody learns from a refusal which accounts are known: the words are the same,
// and so is the time that it takes.
func TestOutsideTheEnrolmentNetworks(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	if got := curl(t, box, hosted.WebName, hosted.Password); got != "+OK logged in" {
		t.Fatalf("a first login from inside: %s", got)
	}
	apply(t, box, hosted.Settings(p)+"\n[enrol]\nnetworks = [\"10.0.0.0/8\"]\nproviders = \"listed\"\n")
	const (
		want = "-ERR [AUTH] login refused"
		took = 5 * time.Second
		late = 4 * time.Second // a busy machine's
	)
	until(t, "the enrolment networks are others", func() bool { return curl(t, box, "myaccount", "x") == want })

	var logins sync.WaitGroup
	for _, tt := range []struct{ what, name, password string }{
		{"a known account, wrong password", hosted.WebName, "wrong"},
		{"an unknown account, right password", hosted.GMXName, hosted.Password},
		{"an unknown account, wrong password", hosted.GMXName, "wrong"},
		{"an unknown account of no provider", "nobody@pop3.closed.example", "wrong"},
		{"a provider that is not listed", "nobody@pop3.example.org", "wrong"},
		{"a provider with a private address", "nobody@10.0.0.1", "wrong"},
		{"no compound name", "myaccount", "wrong"},
		{"a bad port", hosted.WebName + ":0", "wrong"},
	} {
		logins.Go(func() {
			began := time.Now()
			if got := curl(t, box, tt.name, tt.password); got != want {
				t.Errorf("%s: got %s, want %s", tt.what, got, want)
			}
			if d := time.Since(began); d < took || d > took+late {
				t.Errorf("%s: took %v, want %v", tt.what, d, took)
			}
		})
	}
	logins.Wait()
	began := time.Now()
	if got := curl(t, box, hosted.WebName, hosted.Password); got != "+OK logged in" {
		t.Errorf("a known account from outside: %s", got)
	}
	if d := time.Since(began); d >= took {
		t.Errorf("a known account from outside was let in after %v", d)
	}
	if s := box.Status(); len(s.Accounts) != 1 {
		t.Errorf("there are %d accounts, want 1", len(s.Accounts))
	}
}

// apply puts settings in force.
func apply(t *testing.T, box *hosted.Box, text string) {
	t.Helper()
	box.Settings(text)
	if _, errs, status := box.Command("settings", "apply", box.File()); status != 0 {
		t.Fatalf("settings apply: %s", errs)
	}
}

// until repeats what a client does until it is as wanted: settings reach the services a moment behind apply.
func until(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	for began := time.Now(); !wanted(); {
		if time.Since(began) > time.Minute {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
