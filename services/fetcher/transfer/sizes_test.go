package transfer

import (
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
)

func TestHalved(t *testing.T) {
	t.Parallel()
	l := Limits{}.orDefault()
	if got := l.halved(0); got != l {
		t.Errorf("no session broke: got %+v, want %+v", got, l)
	}
	if got, want := l.halved(2), (Limits{Mails: 250, Octets: 64 << 20, Time: 75 * time.Second, Mail: 100 << 20}); got != want {
		t.Errorf("two broke: got %+v, want %+v", got, want)
	}
	if got := l.halved(1000); got.Mails != fewMails || got.Octets == 0 || got.Time < time.Second || got.Mail != l.Mail {
		t.Errorf("a thousand broke: got %+v", got)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		listed, octets uint64
		sized          bool
		misfits        int
		fits, whole    bool
	}{
		{"the same", 100, 100, true, 0, true, true},
		{"two more", 100, 102, true, 0, true, true},
		{"two less", 100, 98, true, 0, true, true},
		{"three less", 100, 97, true, 0, false, false},
		{"three more", 100, 103, true, 19, false, false},
		{"no size", 0, 100, false, 0, false, true},
		{"empty", 100, 0, true, 0, false, false},
		{"empty, as LIST says", 0, 0, true, 0, false, false},
		{"empty, no size", 0, 0, false, 0, false, false},
		{"inexact", 100, 50, true, 20, false, true},
		{"inexact, empty", 100, 0, true, 20, false, false},
	} {
		z := sizes{misfits: test.misfits}
		e, c := provider.Entry{Size: test.listed, Sized: test.sized}, &content{octets: test.octets}
		fits := z.fit(e, c)
		if whole := z.whole(e, c, fits); fits != test.fits || whole != test.whole {
			t.Errorf("%s: got %t, %t; want %t, %t", test.name, fits, whole, test.fits, test.whole)
		}
	}
}

// TestRests has a fetch every 5 minutes of a mail that never comes the same: each for an hour, then ever less often, and
// one when the day is over.
func TestRests(t *testing.T) {
	t.Parallel()
	first := time.Now()
	r := &row{state: contract.LedgerState_HELD, reason: contract.LedgerReason_SIZE, first: first, changed: first, versions: []digest{{}}}
	var tries []time.Duration
	for at := 5 * time.Minute; ; at += 5 * time.Minute {
		s := &session{Config: Config{ClockGood: true}, began: first.Add(at)}
		if s.rests(r) {
			continue
		}
		tries = append(tries, at)
		if s.hopeless(r) {
			break
		}
		r.changed, r.versions = s.began, append(r.versions, digest{})
	}
	if n, last := len(tries), tries[len(tries)-1]; n > 20 || last != doubtTime || tries[2] != 15*time.Minute {
		t.Errorf("tried at %v", tries)
	}
	s := &session{Config: Config{ClockGood: false}, began: first.Add(13 * time.Hour)}
	if r.changed = first.Add(12 * time.Hour); s.rests(r) {
		t.Errorf("it rests by a clock that isn't good")
	}
}
