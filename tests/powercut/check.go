package powercut

import (
	"bytes"
	"fmt"
	"strings"

	"postroom/services/contract"
)

// Check compares what a store shows with what its callers were told by a position, and gives everything that is
// wrong: lost, changed, there twice, or come from nowhere.
func (h *History) Check(s *Survey, at int) (wrong []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	for _, p := range s.Problems {
		say("store check: %s", p)
	}
	for _, c := range s.Status.Conditions {
		if c.Name == contract.ConditionDamage {
			say("condition %s of %s: %s", c.Name, c.Subject, c.Text)
		}
	}
	h.checkAccounts(s, at, say)
	h.checkSettings(s, at, say)
	h.checkMails(s, at, say)
	checkTotals(s, say)
	return wrong
}

func (h *History) checkAccounts(s *Survey, at int, say func(string, ...any)) {
	have := make(map[string]bool)
	for _, a := range s.Status.Accounts {
		have[a.Account] = true
	}
	for _, a := range h.Accounts {
		if by(a.Acked, at) && !have[a.Name] {
			say("account %s is lost", a.Name)
		}
	}
}

func (h *History) checkSettings(s *Survey, at int, say func(string, ...any)) {
	least, found := never, never
	for i, applied := range h.Settings {
		if by(applied.Acked, at) {
			least = i
		}
		if by(applied.Begun, at) && containsLine(s.Settings, applied.Line) {
			found = i
		}
	}
	if found < least {
		say("settings in force are those of file %d, and file %d was applied: %q", found, least, s.Settings)
	}
}

// mailOf gives the mail that a message is, by its octets.
func (h *History) mailOf(octets []byte) *Mail {
	number := 0
	if _, err := fmt.Sscanf(string(octets[:min(len(octets), 40)]), "Subject: mail %d\r\n", &number); err != nil || number >= len(h.Mails) {
		return nil
	}
	if m := h.Mails[number]; bytes.Equal(m.Octets, octets) {
		return m
	}
	return nil
}

func (h *History) checkMails(s *Survey, at int, say func(string, ...any)) {
	shown := make(map[*Mail][]Shown)
	for _, message := range s.Messages {
		m := h.mailOf(message.Octets)
		switch {
		case message.Damaged != nil:
			say("message %d in %v of %s can't be read: %v", message.ID, message.Stage, message.Account, message.Damaged)
		case m == nil:
			say("message %d in %v of %s has octets that no mail has", message.ID, message.Stage, message.Account)
		case h.Accounts[m.Account].Name != message.Account:
			say("mail %d of %s is in %v of %s", m.Number, h.Accounts[m.Account].Name, message.Stage, message.Account)
		default:
			shown[m] = append(shown[m], message)
		}
	}
	rows := make(map[string][]*contract.LedgerRow)
	for _, list := range s.Rows {
		for _, row := range list {
			rows[string(row.Uidl)] = append(rows[string(row.Uidl)], row)
		}
	}
	for _, m := range h.Mails {
		m.check(shown[m], s, at, say)
		m.checkLedger(rows[string(m.uidl())], at, say)
	}
	h.checkQueue(s, shown, at, say)
}

func (m *Mail) check(shown []Shown, s *Survey, at int, say func(string, ...any)) {
	least, most := m.between(at)
	is := Absent
	switch len(shown) {
	case 0:
		if most == Gone {
			is = Gone
		}
	case 1:
		is = shown[0].Stage
		if id := shown[0].ID; m.ID != 0 && m.ID != id && by(m.Acked[In], at) {
			say("mail %d is message %d, and was message %d", m.Number, id, m.ID)
		}
		if uidl := s.UIDLs[shown[0].ID]; is == Out && by(m.UIDLSeen, at) && uidl != m.UIDL {
			say("mail %d has UIDL %q, and had %q", m.Number, uidl, m.UIDL)
		}
	default:
		say("mail %d is there %d times: %v", m.Number, len(shown), shown)
		return
	}
	switch {
	case is == Absent && least != Absent:
		say("mail %d is lost, and was %v", m.Number, least)
	case is < least || is > most:
		say("mail %d is %v, and must be %v to %v", m.Number, is, least, most)
	}
}

func (m *Mail) checkLedger(rows []*contract.LedgerRow, at int, say func(string, ...any)) {
	least, most := m.ledgerBetween(at)
	state := contract.LedgerState_LEDGER_UNSPECIFIED
	switch len(rows) {
	case 0:
	case 1:
		state = rows[0].State
	default:
		say("mail %d has %d rows in the ledger", m.Number, len(rows))
		return
	}
	if state < least || state > most {
		say("mail %d is %v in the ledger, and must be %v to %v", m.Number, state, least, most)
	}
}

// checkTotals compares the queues' totals with what is in them.
func checkTotals(s *Survey, say func(string, ...any)) {
	count := make(map[Stage]uint64)
	for _, m := range s.Messages {
		count[m.Stage]++
	}
	for _, q := range s.Status.Queues {
		if stage, ok := queueStages[q.Queue]; ok && q.Messages != count[stage] {
			say("queue %s counts %d messages, and has %d", q.Queue, q.Messages, count[stage])
		}
	}
}

// String gives a message without its octets.
func (s Shown) String() string {
	return strings.TrimSpace(fmt.Sprintf("message %d in %v", s.ID, s.Stage))
}
