// Package faults runs the whole path of mail, from provider to client, under random faults of processes, connections, disk
// and settings, and counts what comes.
package faults

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"postroom/tests/hosted"
)

// Tally compares what providers were given for each account with what clients got of it.
type Tally struct {
	mu     sync.Mutex
	given  map[sum]map[string]int      // by account
	got    map[string]map[string]*mail // by account and UIDL
	errs   []error
	marked int
}

type sum = [sha256.Size]byte

// mail is a mail as a client got it.
type mail struct {
	octets sum
	how    how
}

// how a mail's last session ended.
type how int

const (
	dropped how = iota // without QUIT: nothing may have changed, and the mail must come again
	unsure             // with QUIT, unanswered: it may come again
	over               // with +OK to QUIT: it may not
)

// NewTally gives one without a mail.
func NewTally() *Tally {
	return &Tally{given: make(map[sum]map[string]int), got: make(map[string]map[string]*mail)}
}

// Give notes mails that the account's provider was given.
func (t *Tally) Give(account string, mails [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range mails {
		s := sha256.Sum256(m)
		if t.given[s] == nil {
			t.given[s] = make(map[string]int)
		}
		t.given[s][account]++
	}
}

// Count is how many mails were given, and how many came whole in a session.
func (t *Tally) Count() (given, got int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, accounts := range t.given {
		for _, n := range accounts {
			given += n
		}
	}
	for _, mails := range t.got {
		got += len(mails)
	}
	return given, got
}

// Marked is how many mails came unchecked.
func (t *Tally) Marked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.marked
}

// Got notes what a session retrieved whole, and how it ended.
func (t *Tally) Got(account string, mails []hosted.Mail, ended how) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.got[account] == nil {
		t.got[account] = make(map[string]*mail)
	}
	for _, m := range mails {
		octets, err := t.behindPrefix(m.Octets)
		if err != nil {
			t.wrong("%s, UIDL %s: %w", account, m.UIDL, err)
			continue
		}
		s := sha256.Sum256(octets)
		if t.given[s][account] == 0 {
			t.wrong("%s, UIDL %s: a mail of %d octets that its provider wasn't given; accounts whose it is: %v", account, m.UIDL, len(octets), t.given[s])
		}
		before := t.got[account][m.UIDL]
		switch {
		case before == nil:
			t.got[account][m.UIDL] = &mail{s, ended}
			continue
		case before.octets != s:
			t.wrong("%s, UIDL %s: other octets than before", account, m.UIDL)
		case before.how == over:
			t.wrong("%s, UIDL %s: it came again behind +OK to QUIT", account, m.UIDL)
		}
		// A session that changed nothing leaves in doubt what was in doubt.
		before.how = max(before.how, ended)
	}
}

// behindPrefix gives a mail without the line in front of it; t.mu is held.
func (t *Tally) behindPrefix(octets []byte) ([]byte, error) {
	line, rest, _ := bytes.Cut(octets, []byte("\r\n"))
	switch {
	case string(line)+"\r\n" == string(hosted.Verdict):
	case string(line) == "X-Postroom-Verdict: deliver; unchecked (handling failed)", // validators died over it
		string(line) == "X-Postroom-Verdict: deliver; unchecked (unreadable)": // while the disk gave nothing
		t.marked++
	default:
		return nil, fmt.Errorf("it begins with %q", line)
	}
	return rest, nil
}

func (t *Tally) wrong(format string, a ...any) { t.errs = append(t.errs, fmt.Errorf(format, a...)) }

// Wrong notes something else that is not as it must be.
func (t *Tally) Wrong(format string, a ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong(format, a...)
}

// Verdict says what is wrong once everything has come, nil for nothing: mail that is lost, doubled, or not what and whose
// it was. What only sessions got that ended without QUIT counts for nothing.
func (t *Tally) Verdict() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	errs := t.errs
	have := make(map[sum]map[string]int)
	for account, mails := range t.got {
		for uidl, m := range mails {
			if m.how == dropped {
				errs = append(errs, fmt.Errorf("%s, UIDL %s: it came in a session without QUIT, and never again", account, uidl))
				continue
			}
			if have[m.octets] == nil {
				have[m.octets] = make(map[string]int)
			}
			have[m.octets][account]++
		}
	}
	lost, doubled := 0, 0
	for s, accounts := range t.given {
		for account, n := range accounts {
			lost += max(0, n-have[s][account])
			doubled += max(0, have[s][account]-n)
		}
	}
	if lost+doubled > 0 {
		errs = append(errs, fmt.Errorf("%d mails are lost, %d came more often than they were given", lost, doubled))
	}
	if len(errs) > 20 {
		errs = append(errs[:20:20], fmt.Errorf("and %d more", len(errs)-20))
	}
	return errors.Join(errs...)
}
