package powercut

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"

	"postroom/services/contract"
)

// Stage is how far a mail's way went. It never goes back.
type Stage int

// The stages.
const (
	Absent Stage = iota
	In
	Out
	Retrieved
	Gone
	stages
)

func (s Stage) String() string {
	return [...]string{"absent", contract.QueueIn, contract.QueueOut, contract.QueueRetrieved, "gone"}[s]
}

// never is the position of what did not happen.
const never = -1

// History is what callers asked of the store, and what it answered: when each call began, and when its answer was
// there, as positions in the events of all recordings, one behind the other. What was answered before a cut must be
// there after it; what had not begun, can't.
type History struct {
	mu       sync.Mutex
	Accounts []*Account
	Mails    []*Mail
	Settings []Applied
}

// Account is an account that a client brought.
type Account struct {
	Name  string
	ID    []byte
	Acked int
}

// Mail is a mail that was put, by one key.
type Mail struct {
	Number  int
	Account int
	Key     []byte
	Octets  []byte
	Sum     []byte // SHA-256 of them, once it was asked for
	Large   bool   // by upload

	Begun, Acked [stages]int
	ID           uint64 // once it is known
	UIDL         string // as a client saw it
	UIDLSeen     int

	LedgerBegun, LedgerAcked [contract.LedgerState_DELE_ACKED + 1]int

	Sending *Sending // a mail that the box sends: no provider's, so not in the ledger
}

// Applied is a settings file. They are applied one after the other.
type Applied struct {
	Line         string // of it, that no other has
	Begun, Acked int
}

// uidl is the provider's, by which the ledger's row is found.
func (m *Mail) uidl() []byte { return fmt.Appendf(nil, "u%d", m.Number) }

// sum is the SHA-256 of its octets.
func (m *Mail) sum() []byte {
	if m.Sum == nil {
		sum := sha256.Sum256(m.Octets)
		m.Sum = sum[:]
	}
	return m.Sum
}

// byID gives the mails whose ids are known.
func (h *History) byID() map[uint64]*Mail {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := make(map[uint64]*Mail)
	for _, m := range h.Mails {
		if m.ID != 0 {
			known[m.ID] = m
		}
	}
	return known
}

// add takes a new mail in.
func (h *History) add(account int, large bool) *Mail {
	m := &Mail{Account: account, Large: large, UIDLSeen: never}
	for s := range stages {
		m.Begun[s], m.Acked[s] = never, never
	}
	for s := range m.LedgerBegun {
		m.LedgerBegun[s], m.LedgerAcked[s] = never, never
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	m.Number = len(h.Mails)
	m.Key = keyOf(m.Number)
	h.Mails = append(h.Mails, m)
	return m
}

// begin and ack note that a call which brings the mail to a stage began, or was answered, at a position.
func (h *History) begin(m *Mail, s Stage, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first(&m.Begun[s], at)
	if s == In && m.Sending == nil {
		first(&m.LedgerBegun[contract.LedgerState_STORED], at)
	}
}

func (h *History) ack(m *Mail, s Stage, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first(&m.Acked[s], at)
	if s >= In && m.Sending == nil {
		first(&m.LedgerAcked[contract.LedgerState_STORED], at)
	}
}

func (h *History) beginLedger(m *Mail, s contract.LedgerState, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first(&m.LedgerBegun[s], at)
}

func (h *History) ackLedger(m *Mail, s contract.LedgerState, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first(&m.LedgerAcked[s], at)
}

func first(position *int, at int) {
	if *position == never {
		*position = at
	}
}

// by tells whether something was done by a position.
func by(done, at int) bool { return done != never && done <= at }

// highest gives the last index that was done by a position.
func highest(done []int, at int) int {
	for i, p := range slices.Backward(done) {
		if by(p, at) {
			return i
		}
	}
	return 0
}

// between gives the stages that a mail may be in at a position.
func (m *Mail) between(at int) (least, most Stage) {
	return Stage(highest(m.Acked[:], at)), Stage(highest(m.Begun[:], at))
}

func (m *Mail) ledgerBetween(at int) (least, most contract.LedgerState) {
	return contract.LedgerState(highest(m.LedgerAcked[:], at)), contract.LedgerState(highest(m.LedgerBegun[:], at))
}

// with gives the mails that are known by their ids to be in a stage, and to have been asked no further.
func (h *History) with(s Stage) (list []*Mail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.Mails {
		if m.ID != 0 && m.Acked[s] != never && (s+1 == stages || m.Begun[s+1] == never) {
			list = append(list, m)
		}
	}
	return list
}

// known notes a mail's id; a mail has one for ever.
func (h *History) known(m *Mail, id uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch m.ID {
	case 0: // nobody else reads it yet: no list has the mail
		m.ID = id
	case id:
	default:
		return fmt.Errorf("mail %d was put as message %d, and before as message %d", m.Number, id, m.ID)
	}
	return nil
}

// inLedger gives an account's mails that are known to be in a ledger's state, and were asked no further.
func (h *History) inLedger(account int, state contract.LedgerState) (list []*Mail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.Mails {
		if m.Account == account && m.LedgerAcked[state] != never && m.LedgerBegun[state+1] == never {
			list = append(list, m)
		}
	}
	return list
}

// saw notes that a client saw a message in its mailbox; nil: no mail is known by that id yet.
func (h *History) saw(id uint64, uidl string, at int) *Mail {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.Mails {
		if m.ID == id {
			if m.UIDLSeen == never {
				m.UIDL, m.UIDLSeen = uidl, at
			}
			first(&m.Acked[In], at)
			first(&m.Acked[Out], at)
			return m
		}
	}
	return nil
}

func (h *History) applying(line string, at int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Settings = append(h.Settings, Applied{line, at, never})
	return len(h.Settings) - 1
}

func (h *History) applied(i, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Settings[i].Acked = at
}

// observe takes what a store shows for told: what anyone saw must not go back.
func (h *History) observe(s *Survey, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, shown := range s.Messages {
		m := h.mailOf(shown.Octets)
		m.ID = shown.ID
		for stage := In; stage <= shown.Stage; stage++ {
			first(&m.Acked[stage], at)
		}
		if uidl, ok := s.UIDLs[shown.ID]; ok && m.UIDLSeen == never {
			m.UIDL, m.UIDLSeen = uidl, at
		}
	}
	for _, list := range s.Rows {
		for _, row := range list {
			for _, m := range h.Mails {
				if string(m.uidl()) == string(row.Uidl) {
					for state := contract.LedgerState_STORED; state <= row.State; state++ {
						first(&m.LedgerAcked[state], at)
					}
				}
			}
		}
	}
	h.observeQueue(s, at)
	for i := range h.Settings {
		if a := &h.Settings[i]; a.Begun <= at && containsLine(s.Settings, a.Line) && a.Acked == never {
			a.Acked = at
		}
	}
}

func containsLine(text, line string) bool { return strings.Contains(text, line) }

// sweeping notes that a sweep begins: what was retrieved may go. swept notes its end, for what left by a position
// that is longer ago, by the store's clock, than it is kept.
func (h *History) sweeping(at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.Mails {
		if m.Begun[Retrieved] != never {
			first(&m.Begun[Gone], at)
		}
	}
}

func (h *History) swept(left, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.Settings) == 0 || !by(h.Settings[0].Acked, left) {
		return // they are kept longer by default
	}
	for _, m := range h.Mails {
		if by(m.Acked[Retrieved], left) {
			first(&m.Acked[Gone], at)
		}
	}
}

// fork gives the history as it was at a position, to go on with another way.
func (h *History) fork(at int) *History {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &History{}
	cut := func(positions ...*int) {
		for _, p := range positions {
			if !by(*p, at) {
				*p = never
			}
		}
	}
	for _, a := range h.Accounts {
		if c := *a; by(c.Acked, at) {
			f.Accounts = append(f.Accounts, &c)
		}
	}
	for _, m := range h.Mails {
		c := *m
		for s := range stages {
			cut(&c.Begun[s], &c.Acked[s])
		}
		for s := range c.LedgerBegun {
			cut(&c.LedgerBegun[s], &c.LedgerAcked[s])
		}
		c.Sending = m.Sending.fork(cut)
		if cut(&c.UIDLSeen); c.UIDLSeen == never {
			c.UIDL = ""
		}
		if c.Acked[In] == never {
			c.ID = 0
		}
		f.Mails = append(f.Mails, &c)
	}
	for _, s := range h.Settings {
		if by(s.Begun, at) {
			cut(&s.Acked)
			f.Settings = append(f.Settings, s)
		}
	}
	return f
}
