package faults

import (
	"strings"
	"testing"

	"postroom/tests/hosted"
)

// Each thing that must not happen is found, and what may happen isn't taken for it.
func TestVerdict(t *testing.T) {
	t.Parallel()
	const verdict = "X-Postroom-Verdict: deliver\r\n"
	mail := func(uidl, text string) []hosted.Mail {
		return []hosted.Mail{{UIDL: uidl, Octets: []byte(verdict + text)}}
	}
	for _, c := range []struct {
		name  string
		polls func(*Tally)
		want  string // of the error; empty: none
	}{
		{"each came once", func(t *Tally) { t.Got("a", mail("1", "x"), over); t.Got("b", mail("2", "y"), over) }, ""},
		{"again behind a session without QUIT", func(t *Tally) {
			t.Got("a", mail("1", "x"), dropped)
			t.Got("a", mail("1", "x"), over)
			t.Got("b", mail("2", "y"), over)
		}, ""},
		{"again behind QUIT without +OK", func(t *Tally) {
			t.Got("a", mail("1", "x"), unsure)
			t.Got("a", mail("1", "x"), over)
			t.Got("b", mail("2", "y"), unsure)
		}, ""},
		{"unchecked", func(t *Tally) {
			t.Got("a", []hosted.Mail{{UIDL: "1", Octets: []byte("X-Postroom-Verdict: deliver; unchecked (handling failed)\r\nx")}}, over)
			t.Got("b", mail("2", "y"), over)
		}, ""},
		{"lost", func(t *Tally) { t.Got("a", mail("1", "x"), over) }, "1 mails are lost"},
		{"only without QUIT", func(t *Tally) { t.Got("a", mail("1", "x"), over); t.Got("b", mail("2", "y"), dropped) }, "never again"},
		{"under another UIDL too", func(t *Tally) {
			t.Got("a", mail("1", "x"), over)
			t.Got("a", mail("3", "x"), over)
			t.Got("b", mail("2", "y"), over)
		}, "1 came more often"},
		{"again behind +OK", func(t *Tally) {
			t.Got("a", mail("1", "x"), over)
			t.Got("a", mail("1", "x"), over)
			t.Got("b", mail("2", "y"), over)
		}, "came again behind +OK"},
		{"another account's", func(t *Tally) { t.Got("a", mail("1", "y"), over); t.Got("b", mail("2", "y"), over) }, "wasn't given"},
		{"changed", func(t *Tally) { t.Got("a", mail("1", "X"), over); t.Got("b", mail("2", "y"), over) }, "wasn't given"},
		{"other octets under its UIDL", func(t *Tally) {
			t.Got("b", mail("2", "y"), dropped)
			t.Got("b", mail("2", "z"), over)
			t.Got("a", mail("1", "x"), over)
		}, "other octets"},
		{"without its prefix", func(t *Tally) { t.Got("a", []hosted.Mail{{UIDL: "1", Octets: []byte("x")}}, over) }, "it begins with"},
	} {
		tally := NewTally()
		tally.Give("a", [][]byte{[]byte("x")})
		tally.Give("b", [][]byte{[]byte("y")})
		c.polls(tally)
		err := tally.Verdict()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
