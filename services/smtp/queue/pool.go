package queue

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/smtp/relay"
)

const (
	idleFor  = 5 * time.Second // a connection waits so long for another mail
	mostIdle = 32
	perConn  = 100 // mails: some servers want no more
)

// pool keeps connections for the next mail that goes the same way by the same login.
type pool struct {
	seed     maphash.Seed
	quitting sync.WaitGroup

	mu   sync.Mutex
	idle []*pooled // the one that came last is last
}

type pooled struct {
	*relay.Conn
	key   string
	dest  *dest
	mails int
	since time.Time
}

func newPool() *pool { return &pool{seed: maphash.MakeSeed()} }

// fingerprint tells login data from other, so that a connection under what was changed or taken back is for no further mail. It tells
// nobody a password.
func (p *pool) fingerprint(login *contract.GetLoginResponse) string {
	if login == nil {
		return ""
	}
	return fmt.Sprintf("%x", maphash.Comparable(p.seed, [2]string{login.User, login.Password}))
}

// take gives a connection, or nil.
func (p *pool) take(key string) *pooled {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.key == key {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return c
		}
	}
	return nil
}

// put takes a connection back.
func (p *pool) put(c *pooled) {
	c.since = time.Now()
	if !c.Reusable() {
		c.Close()
		return
	}
	if c.mails >= perConn {
		c.Quit() // before another one takes the place
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, c)
	var over *pooled
	if len(p.idle) > mostIdle {
		over, p.idle = p.idle[0], p.idle[1:]
	}
	p.mu.Unlock()
	if over != nil {
		p.quit(over)
	}
}

// room ends connections to a destination that would be too many with those in use; most may stay.
func (p *pool) room(d *dest, most int) {
	p.mu.Lock()
	var over []*pooled
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.dest.key != d.key {
		} else if most > 0 {
			most--
		} else {
			over = append(over, c)
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
		}
	}
	p.mu.Unlock()
	for _, c := range over {
		c.Quit()
	}
}

// sweep ends connections that nobody took.
func (p *pool) sweep() { p.end(time.Now().Add(-idleFor)) }

// close ends all.
func (p *pool) close() {
	p.end(time.Now().Add(time.Hour))
	p.quitting.Wait()
}

func (p *pool) end(before time.Time) {
	p.mu.Lock()
	var keep, ended []*pooled
	for _, c := range p.idle {
		if c.since.Before(before) {
			ended = append(ended, c)
		} else {
			keep = append(keep, c)
		}
	}
	p.idle = keep
	p.mu.Unlock()
	for _, c := range ended {
		p.quit(c)
	}
}

func (p *pool) quit(c *pooled) { p.quitting.Go(c.Quit) }
