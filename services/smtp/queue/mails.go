package queue

import (
	"time"

	"postroom/services/contract"
	"postroom/services/smtp/route"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// mail is a mail of the queue, as much of it as is kept in memory.
type mail struct {
	id         uint64
	sender     string
	owner      string // account; empty: none
	host       string // of the owner
	recipients []recipient
	items      []*item // of the recipients that aren't being tried

	unknown bool   // the store has to be asked for it: whether it's the box's own, or what became of it
	own     bool   // the box itself wrote it
	ended   uint64 // runner.ended when the store was last told of a try
}

type recipient struct {
	address string
	due     int64 // unix, nanoseconds
	index   uint32
	state   uint8 // contract.RecipientState
	trying  bool
	here    bool // of the box's own mail: it's an account's
	waits   bool // for login data to change
	down    bool // for a destination that didn't answer
	soon    bool // it was hastened: the store's time for it doesn't count until it has been tried
}

// waiting says that there is something to do for a recipient, now or when its try has ended.
func (r *recipient) waiting() bool {
	state := contract.RecipientState(r.state)
	return state == contract.RecipientState_WAITING || state == contract.RecipientState_DROPPED
}

// open says that there is something to do for a recipient now.
func (r *recipient) open() bool { return r.waiting() && !r.trying }

func (r *recipient) hasten(now int64) {
	r.due, r.soon, r.waits, r.down = now, true, false, false
}

// ofBox is the way of what the store alone is asked about: what mail is the box's own, and what the owner dropped.
var ofBox = route.Way{Rule: "box"}

// update takes what the store says of mails; began is what runner.ended was when it was asked.
func (r *runner) update(entries []*contract.TransportEntry, began uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.look()
	for _, e := range entries {
		m := r.mails[e.Id]
		if e.Gone {
			if m != nil {
				r.forget(m)
			}
			continue
		}
		if m == nil {
			m = &mail{id: e.Id, unknown: e.Sender == ""}
			r.mails[e.Id] = m
		} else if m.ended > began {
			m.unknown = true // the store may have been asked before that try ended
			r.arrange(m)
			continue
		}
		m.sender, m.owner, m.host = e.Sender, string(e.Owner), e.OwnerHost
		list := make([]recipient, 0, len(e.Recipients))
		for _, one := range e.Recipients {
			list = append(list, recipient{
				address: one.Address, due: nanoseconds(one.NextTry), index: one.Index, state: uint8(one.State),
				waits: true, // for all that is known: another runner may have tried it
			})
		}
		r.replace(m, list)
	}
}

// replace puts what the store says in the place of what was known. Called with mu held.
func (r *runner) replace(m *mail, list []recipient) {
	known := make(map[uint32]*recipient, len(m.recipients))
	for i := range m.recipients {
		known[m.recipients[i].index] = &m.recipients[i]
	}
	for i := range list {
		if before := known[list[i].index]; before != nil {
			list[i].trying, list[i].here = before.trying, before.here
			list[i].waits, list[i].down = before.waits, before.down
			if before.soon {
				list[i].due, list[i].soon = min(list[i].due, before.due), true
			}
		}
	}
	m.recipients = list
	r.arrange(m)
}

// forget drops a mail. Called with mu held.
func (r *runner) forget(m *mail) {
	for _, it := range m.items {
		r.lines.remove(it)
	}
	m.items, m.recipients = nil, nil
	delete(r.mails, m.id)
}

// arrange puts a mail's recipients into the lines anew, an item for each way. Called with mu held.
func (r *runner) arrange(m *mail) {
	for _, it := range m.items {
		r.lines.remove(it)
	}
	m.items = m.items[:0]
	for i := range m.recipients {
		one := &m.recipients[i]
		if !one.open() {
			continue
		}
		r.schedule(m, r.way(m, one), one.due)
	}
	for _, it := range m.items {
		d := r.destination(*it.way)
		r.lines.add(it, d, m.sender)
	}
}

func (r *runner) schedule(m *mail, way route.Way, due int64) {
	for _, it := range m.items {
		if *it.way == way {
			it.due = min(it.due, due)
			return
		}
	}
	m.items = append(m.items, &item{mail: m, way: r.shared(way), due: due, index: -1})
}

// shared gives the one copy of a way: there are many items, and few ways. Called with mu held.
func (r *runner) shared(way route.Way) *route.Way {
	one := r.ways[way]
	if one == nil {
		if len(r.ways) > 2*len(r.lines.dests)+1000 {
			clear(r.ways) // of destinations that are gone, most of them
		}
		one = &way
		r.ways[way] = one
	}
	return one
}

// way gives a recipient's, by the settings in force; one that has none is the box's to tell its sender. Called with mu held.
func (r *runner) way(m *mail, one *recipient) route.Way {
	if m.unknown || contract.RecipientState(one.state) == contract.RecipientState_DROPPED {
		return ofBox
	}
	way, err := route.Find(r.settings, m.route(one))
	if err != nil {
		return ofBox
	}
	return way
}

// route is what the way of a recipient depends on. A mail whose owner isn't known isn't known to be anybody's.
func (m *mail) route(one *recipient) route.Mail {
	return route.Mail{
		Sender: m.sender, Recipient: one.address, Account: m.owner != "", Host: m.host, Owner: m.owner != "", Own: m.own, Here: one.here,
	}
}

// destination gives what a way leads to. Called with mu held.
func (r *runner) destination(w route.Way) *dest {
	switch w.Kind {
	case route.Local:
		return r.lines.dest("local", perBox, false)
	case route.Relay:
		return r.lines.dest("relay "+w.Server.String(), perRelay, true)
	case route.MX:
		return r.lines.dest("mx "+w.Domain, perMX, true)
	}
	return r.lines.dest("box", perBox, false)
}

// loginsChanged has what waits for a login tried at once.
func (r *runner) loginsChanged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logins++
	r.hasten(func(m *mail, one *recipient) bool {
		return one.waits && (m.unknown || r.way(m, one).Login != route.Nobody)
	})
}

// hasten makes recipients due now. Called with mu held.
func (r *runner) hasten(which func(*mail, *recipient) bool) {
	now := time.Now().UnixNano()
	for _, m := range r.mails {
		changed := false
		for i := range m.recipients {
			if one := &m.recipients[i]; one.waiting() && one.due > now && which(m, one) {
				one.hasten(now)
				changed = true
			}
		}
		if changed {
			r.arrange(m)
		}
	}
	r.look()
}

func nanoseconds(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.AsTime().UnixNano()
}

// login tells whose login a way wants, as far as two have the same.
func (m *mail) login(w route.Way) string {
	switch w.Login {
	case route.Account:
		return "account " + m.owner
	case route.Kept:
		return "kept " + w.Name
	}
	return ""
}
