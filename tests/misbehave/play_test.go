package misbehave

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

// role is a case as it is played once, with a mailbox of its own.
type role struct {
	*Case
	title    string // its name, and the way that it's played
	host     string
	provider *Provider
	box      *hosted.Box

	got    map[string]Digest // what the client retrieved, by Postroom's UIDL
	own    map[string]bool   // of those, the ones that are Postroom's notices
	marked int               // of those, how many have a remark in their verdict
	whole  map[string]bool   // UIDLs of what a session retrieved that ended with +OK to QUIT
	result Tally
	stage  string // what it waits for
	lately error  // of the client's last session
	err    error
	took   time.Duration
}

func (r *role) account() string { return "u@" + r.host }

// play has a client poll until all is over that the case speaks of, the provider holds what it is to keep, and one more
// mail came through: so nothing is stuck. Sessions with the provider come of the polls; each is awaited.
func (r *role) play(ctx context.Context) {
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	r.got, r.own, r.whole = map[string]Digest{}, map[string]bool{}, map[string]bool{}
	last := []byte("Subject: last\r\n\r\nIs there a way through still?\r\n")
	keeps := slices.Clone(r.Expect.Keeps)
	var once sync.Once
	for _, stage := range []struct {
		name string
		over func(begin, now State) bool
	}{
		{"the sessions of the case", func(_, now State) bool { return now.Ended > r.Sessions() }},
		{"the provider to hold " + strings.Join(keeps, ", "), func(_, now State) bool {
			return r.Expect.KeepsAll || same(now.Holds, keeps)
		}},
		{"one more session", func(begin, now State) bool { return now.Orderly > begin.Orderly && now.Ended == now.Begun }},
		{"one more mail", func(_, _ State) bool {
			once.Do(func() { r.provider.Arrives("last", last) })
			return r.has(last)
		}},
		{"an empty In Queue, and the provider as before", func(begin, now State) bool {
			return r.nothingUnderWay(ctx) && (r.Expect.KeepsAll || same(now.Holds, keeps)) && now.Orderly > begin.Orderly
		}},
	} {
		r.stage = stage.name
		for begin := r.provider.State(); !stage.over(begin, r.provider.State()); {
			if r.cycle(ctx); ctx.Err() != nil {
				r.err = fmt.Errorf("waited in vain for %s: provider %+v, the client's last session: %v", r.stage, r.provider.State(), r.lately)
				return
			}
		}
	}
	r.stage = ""
	r.poll()
	digests := make([]Digest, 0, len(r.got))
	for uidl, d := range r.got {
		if !r.own[uidl] {
			digests = append(digests, d)
		}
	}
	r.result = r.provider.Compare(digests)
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// pause is how long a session with the provider is awaited before the client polls again.
const pause = 2 * time.Second

// cycle is a poll, and the session with the provider that comes of it.
func (r *role) cycle(ctx context.Context) {
	before := r.provider.State()
	r.poll()
	late := time.NewTimer(pause)
	defer late.Stop()
	for now := r.provider.State(); now.Ended == before.Ended || now.Ended < now.Begun; now = r.provider.State() {
		select {
		case <-now.Changed:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// notice is how Postroom's own mails begin.
var notice = []byte("From: Postroom")

// poll is one session of the client's. One that broke may bring the same mails again, as POP3 has it.
func (r *role) poll() {
	s, err := r.box.Dial("pop3.listen")
	if err != nil {
		r.lately = err
		return
	}
	defer s.Close()
	s.LogIn(r.account(), Password)
	mails := s.Retrieve()
	s.Command("QUIT")
	r.lately = s.Err()
	for _, m := range mails {
		if m.Octets == nil {
			continue
		}
		if r.whole[m.UIDL] {
			r.err = errors.Join(r.err, fmt.Errorf("the client got UIDL %s again", m.UIDL))
		}
		if r.lately == nil {
			r.whole[m.UIDL] = true
		}
		verdict, body, _ := bytes.Cut(m.Octets, []byte("\r\n"))
		if _, again := r.got[m.UIDL]; again {
			continue
		}
		r.got[m.UIDL] = sha256.Sum256(body)
		switch {
		case bytes.HasPrefix(body, notice):
			r.own[m.UIDL] = true
		case !bytes.Equal(append(verdict, "\r\n"...), hosted.Verdict):
			r.marked++
		}
	}
}

func (r *role) has(octets []byte) bool {
	for _, d := range r.got {
		if d == sha256.Sum256(octets) {
			return true
		}
	}
	return false
}

// nothingUnderWay tells whether no mail of the account waits to be validated.
func (r *role) nothingUnderWay(ctx context.Context) bool {
	answer, err := contract.Call(ctx, r.box.Admin, contract.AdminService.ShowAccount, &contract.ShowAccountRequest{Name: r.account()})
	if err != nil {
		return false
	}
	for _, q := range answer.Queues {
		if q.Queue == contract.QueueIn && q.Messages > 0 {
			return false
		}
	}
	return true
}
