package misbehave

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Password is that of every mailbox.
const Password = "correct horse battery"

// Provider plays a case. It has one mailbox, which every login name opens.
type Provider struct {
	// Set once.
	c        *Case
	offers   []string
	tls      *tls.Config
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex
	box     []*held // in the order of its numbers
	held    []*held // all that ever was in it
	conns   map[net.Conn]bool
	begun   int // sessions, that of enrolment too
	ended   int
	orderly int               // that ended with +OK to QUIT, and with nothing out of script behind it
	came    map[*exchange]int // how often a client sent such a line
	wrong   []string          // what a script couldn't do
	changed chan struct{}     // closed at the next change
}

// held is a mail in the mailbox.
type held struct {
	*mail            // as it is now
	versions []*mail // as it was before
	hidden   bool
}

// Start plays a case on loopback, with such words in the answer to CAPA.
func Start(c *Case, offers []string, certificate *tls.Config) (*Provider, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Provider{
		c: c, offers: offers, tls: certificate, listener: listener,
		conns: map[net.Conn]bool{}, came: map[*exchange]int{}, changed: make(chan struct{}),
	}
	later := map[string]bool{}
	for _, s := range c.scripts {
		for _, e := range s.events {
			switch e.what {
			case "arrives":
				later[e.mail] = true
			case "becomes":
				later[e.other] = true
			}
		}
	}
	for _, m := range c.mails {
		if !later[m.name] {
			p.add(m)
		}
	}
	p.serving.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Provider) Addr() netip.AddrPort {
	return netip.MustParseAddrPort(p.listener.Addr().String())
}

// TLS is how it is talked to, in the words of the settings.
func (p *Provider) TLS() string {
	if p.c.nature.tls == "" {
		return "none"
	}
	return strings.ToLower(p.c.nature.tls)
}

// Close ends it, with all its sessions.
func (p *Provider) Close() {
	p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
}

func (p *Provider) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() {
			s := p.begin(conn)
			orderly := s.serve()
			conn.Close()
			p.end(conn, orderly)
		})
	}
}

// begin counts a session, and lets happen what its scripts say of the mailbox.
func (p *Provider) begin(conn net.Conn) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &session{p: p, number: p.begun, raw: conn}
	p.begun++
	p.conns[conn] = true
	for _, script := range p.c.scripts {
		if s.number < script.first || s.number > script.last {
			continue
		}
		s.exchanges = append(s.exchanges, script.exchanges...)
		if s.number == script.first {
			for _, e := range script.events {
				p.happens(e)
			}
		}
	}
	p.tell()
	return s
}

func (p *Provider) end(conn net.Conn, orderly bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	p.ended++
	if orderly {
		p.orderly++
	}
	p.tell()
}

// tell says that something changed. Called with mu held, as the next ones are.
func (p *Provider) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Provider) add(m *mail) {
	h := &held{mail: m}
	p.held = append(p.held, h)
	p.box = append(p.box, h)
}

func (p *Provider) happens(e event) {
	at := slices.IndexFunc(p.box, func(h *held) bool { return h.name == e.mail })
	ever := slices.IndexFunc(p.held, func(h *held) bool { return h.name == e.mail })
	switch {
	case e.what == "arrives":
		p.add(p.c.mail(e.mail))
	case e.what == "is back" && ever >= 0 && at < 0:
		p.box = append(p.box, p.held[ever])
	case e.what == "is gone" && at >= 0:
		p.box = slices.Delete(p.box, at, at+1)
	case e.what == "becomes" && at >= 0:
		h, next := p.box[at], *p.c.mail(e.other)
		h.versions = append(h.versions, h.mail)
		next.name, next.uidl = h.name, h.uidl
		h.mail = &next
	default:
		p.fault("the mailbox has it otherwise than: %s %s %s", e.mail, e.what, e.other)
	}
}

// fault notes that a script couldn't be played.
func (p *Provider) fault(format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// Arrives puts one more mail into the mailbox.
func (p *Provider) Arrives(name string, octets []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&mail{name: name, uidl: name, octets: octets})
}

// State is how far a case has come.
type State struct {
	Begun, Ended int      // sessions, that of enrolment too
	Orderly      int      // of those, the ones that ended with QUIT
	Holds        []string // names of the mails in the mailbox
	Changed      <-chan struct{}
}

// State gives it as it is now; Changed is closed when it's no longer so.
func (p *Provider) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{Begun: p.begun, Ended: p.ended, Orderly: p.orderly, Changed: p.changed}
	for _, h := range p.box {
		s.Holds = append(s.Holds, h.name)
	}
	return s
}

// Complaints tells what of the case never came to pass: a case whose fault doesn't happen shows nothing.
func (p *Provider) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(p.wrong)
	for _, s := range p.c.scripts {
		for _, x := range s.exchanges {
			if p.came[x] == 0 {
				list = append(list, fmt.Sprintf("the client never sent %q", x.pattern))
			}
		}
	}
	return list
}

// Digest stands for a mail's octets.
type Digest = [sha256.Size]byte

// Tally is what became of the mails of a case.
type Tally struct{ Lost, Wrong, Doubled int }

// Compare holds what the client got against what the provider ever held. A mail that changed at the provider may
// have come in any of its versions.
func (p *Provider) Compare(got []Digest) (t Tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	same := map[Digest]Digest{} // of each version: what stands for the mail
	owed := map[Digest]int{}
	for _, h := range p.held {
		versions := append(slices.Clone(h.versions), h.mail)
		first := sha256.Sum256(versions[0].octets)
		owed[first]++
		for _, v := range versions {
			same[sha256.Sum256(v.octets)] = first
		}
	}
	for _, d := range got {
		first, known := same[d]
		if !known {
			t.Wrong++
			continue
		}
		owed[first]--
	}
	there := map[Digest]int{}
	for _, h := range p.box {
		there[same[sha256.Sum256(h.octets)]]++
	}
	for first, n := range owed {
		t.Lost += max(n-there[first], 0)
		t.Doubled += max(-n, 0)
	}
	return t
}
