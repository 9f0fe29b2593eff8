package powercut

import (
	"context"
	"fmt"
	"math/rand/v2"

	"postroom/services/contract"
)

// QueueStage is how far a mail that is sent came in the Transport Queue. It never goes back.
type QueueStage int

// The stages.
const (
	NotQueued QueueStage = iota
	Queued
	Left
	queueStagesN
)

func (s QueueStage) String() string {
	return [...]string{"not in the Transport Queue", "in the Transport Queue", "out of the Transport Queue"}[s]
}

// Sending is a mail's way through the Transport Queue. It has two recipients: its account, which has it in the In Queue by a first
// try, on the body that the queue has, and one elsewhere, whose try is the last.
type Sending struct {
	Begun, Acked [queueStagesN]int
	ID           uint64 // in the queue, once it was seen there
	Report       int    // number of the mail that tells that it failed elsewhere, and is queued in that commit; or never
}

// The places of the recipients.
const (
	here      = 0
	elsewhere = 1
)

// elsewhereOf is the address by which a mail is known in the queue: as long as it's there, that one isn't done.
func elsewhereOf(number int) string { return fmt.Sprintf("mail-%d@elsewhere.example", number) }

// runner is the same after each start, as that of an smtp which outlives the store: it need not wait for what it had begun itself.
const runner = 1

const sendsEach = 5 // mails that are submitted, one of them by upload

// sends is the part of smtp and its clients.
func (d *Driver) sends(ctx context.Context, random *rand.Rand) error {
	for i := range sendsEach {
		m := d.newSending(random.IntN(accountsN), 60+random.IntN(largest), i == sendsEach/2, random)
		if err := d.submit(ctx, m); err != nil {
			return err
		}
		if err := d.deliver(ctx, random, 2); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) newSending(account, size int, large bool, random *rand.Rand) *Mail {
	m := d.newMail(account, size, large, random)
	d.h.sending(m)
	return m
}

func (d *Driver) submit(ctx context.Context, m *Mail) error {
	d.h.beginQueue(m, Queued, d.position())
	q, err := d.submission(ctx, m)
	if err != nil {
		return err
	}
	answer, err := contract.Call(ctx, d.smtp, contract.SmtpClient.SubmitAll, &contract.SubmitAllRequest{Mails: []*contract.SubmitMail{q}})
	if err == nil {
		_, err = answer.Answers[0].Take()
	}
	if err != nil {
		return fmt.Errorf("submit mail %d: %w", m.Number, err)
	}
	d.h.ackQueue(m, Queued, d.position())
	return nil
}

// submission is a mail as it goes into the queue.
func (d *Driver) submission(ctx context.Context, m *Mail) (q *contract.SubmitMail, err error) {
	q = &contract.SubmitMail{Key: m.Key, Body: m.Octets, Recipients: []*contract.SubmitRecipient{
		here: {Address: "user@here.example"}, elsewhere: {Address: elsewhereOf(m.Number)},
	}}
	if m.Large {
		q.Body = nil
		q.Upload, err = uploadTo(ctx, d.smtp, contract.SmtpClient.BeginUpload, contract.SmtpClient.AppendUpload, nil, m.Octets)
	}
	return q, err
}

// deliver makes the next try of each mail in the queue, or of one in so many.
func (d *Driver) deliver(ctx context.Context, random *rand.Rand, one int) error {
	queue, err := d.queue(ctx)
	if err != nil {
		return err
	}
	at := d.position()
	for _, entry := range queue {
		m := d.h.queued(entry, at)
		if m == nil || random.IntN(one) > 0 {
			continue
		}
		tried := []uint32{elsewhere}
		if isWaiting(entry, here) {
			tried = append(tried, here)
		}
		_, err := contract.Call(ctx, d.smtp, contract.SmtpClient.BeginDelivery, &contract.BeginDeliveryRequest{Runner: runner, Id: entry.Id, Recipients: tried})
		if err != nil {
			return fmt.Errorf("begin delivery of mail %d: %w", m.Number, err)
		}
		end := d.endElsewhere
		if isWaiting(entry, here) {
			end = d.endHere
		} else if m.Sending.Report == never && random.IntN(3) == 0 {
			report := d.newSending(m.Account, 300, false, random)
			d.h.reports(m, report)
		}
		for again := true; again; again = random.IntN(4) == 0 { // the answer was lost on its way
			if err := end(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// endHere records that a mail was delivered to its account, and not elsewhere.
func (d *Driver) endHere(ctx context.Context, m *Mail) error {
	d.h.begin(m, In, d.position())
	err := d.endDelivery(ctx, m, nil,
		&contract.RecipientResult{Index: here, State: contract.RecipientState_DELIVERED, Local: d.h.Accounts[m.Account].ID},
		&contract.RecipientResult{Index: elsewhere, State: contract.RecipientState_WAITING})
	if err == nil {
		d.h.ack(m, In, d.position())
	}
	return err
}

// endElsewhere records what became of the last recipient: delivered, or failed, with a report.
func (d *Driver) endElsewhere(ctx context.Context, m *Mail) error {
	result := &contract.RecipientResult{Index: elsewhere, State: contract.RecipientState_DELIVERED}
	var report *Mail
	var notices []*contract.SubmitMail
	if m.Sending.Report != never {
		report = d.h.mail(m.Sending.Report)
		notice, err := d.submission(ctx, report)
		if err != nil {
			return err
		}
		result.State, notices = contract.RecipientState_FAILED, append(notices, notice)
		d.h.beginQueue(report, Queued, d.position())
	}
	d.h.beginQueue(m, Left, d.position())
	err := d.endDelivery(ctx, m, notices, result)
	if err == nil {
		d.h.ackQueue(m, Left, d.position())
		if report != nil {
			d.h.ackQueue(report, Queued, d.position())
		}
	}
	return err
}

func (d *Driver) endDelivery(ctx context.Context, m *Mail, notices []*contract.SubmitMail, results ...*contract.RecipientResult) error {
	_, err := contract.Call(ctx, d.smtp, contract.SmtpClient.EndDelivery, &contract.EndDeliveryRequest{
		Runner: runner, Id: m.Sending.ID, Results: results, Notices: notices,
	})
	if err != nil {
		return fmt.Errorf("end delivery of mail %d: %w", m.Number, err)
	}
	return nil
}

// queue gives the Transport Queue.
func (b *Box) queue(ctx context.Context) (list []*contract.TransportEntry, err error) {
	for q := (&contract.ListTransportRequest{}); ; {
		answer, err := contract.Call(ctx, b.smtp, contract.SmtpClient.ListTransport, q)
		if err != nil {
			return nil, fmt.Errorf("list the Transport Queue: %w", err)
		}
		for _, entry := range answer.Entries {
			if !entry.Gone {
				list = append(list, entry)
			}
		}
		if q.Cursor = answer.Cursor; !answer.More {
			return list, nil
		}
	}
}

// isWaiting tells whether there is something to do for a recipient.
func isWaiting(entry *contract.TransportEntry, index uint32) bool {
	for _, r := range entry.Recipients {
		if r.Index == index {
			return true
		}
	}
	return false
}

// between gives the stages that it may be in at a position.
func (s *Sending) between(at int) (least, most QueueStage) {
	return QueueStage(highest(s.Acked[:], at)), QueueStage(highest(s.Begun[:], at))
}

// fork gives it as it was at a position.
func (s *Sending) fork(cut func(...*int)) *Sending {
	if s == nil {
		return nil
	}
	c := *s
	for stage := range queueStagesN {
		cut(&c.Begun[stage], &c.Acked[stage])
	}
	if c.Begun[Left] == never {
		c.Report = never
	}
	return &c
}

// sending takes a new mail for one that is sent.
func (h *History) sending(m *Mail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.Sending = &Sending{Report: never}
	for stage := range queueStagesN {
		m.Sending.Begun[stage], m.Sending.Acked[stage] = never, never
	}
}

func (h *History) beginQueue(m *Mail, stage QueueStage, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first(&m.Sending.Begun[stage], at)
}

func (h *History) ackQueue(m *Mail, stage QueueStage, at int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first(&m.Sending.Acked[stage], at)
}

// reports has a mail's failure told by another.
func (h *History) reports(m, report *Mail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.Sending.Report = report.Number
}

func (h *History) isReport(report *Mail) bool {
	for _, m := range h.Mails {
		if m.Sending != nil && m.Sending.Report == report.Number {
			return true
		}
	}
	return false
}

func (h *History) mail(number int) *Mail {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Mails[number]
}

// queued notes that a mail was seen in the queue; nil: none that is known.
func (h *History) queued(entry *contract.TransportEntry, at int) *Mail {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.queuedMail(entry)
	if m == nil {
		return nil
	}
	m.Sending.ID = entry.Id
	first(&m.Sending.Acked[Queued], at)
	if !isWaiting(entry, here) {
		first(&m.Acked[In], at)
	}
	return m
}

// queuedMail gives the mail that stands in the queue; nil: none that is known.
func (h *History) queuedMail(entry *contract.TransportEntry) *Mail {
	for _, r := range entry.Recipients {
		number := never
		if _, err := fmt.Sscanf(r.Address, "mail-%d@", &number); err == nil && r.Index == elsewhere && number < len(h.Mails) {
			if m := h.Mails[number]; m.Sending != nil {
				return m
			}
		}
	}
	return nil
}

// checkQueue compares what stands in the queue with what smtp was told, and with what is in the accounts' queues.
func (h *History) checkQueue(s *Survey, shown map[*Mail][]Shown, at int, say func(string, ...any)) {
	entries := make(map[*Mail][]Waiting)
	for _, w := range s.Queue {
		switch m := h.queuedMail(w.TransportEntry); {
		case w.Damaged != nil:
			say("mail %d of the Transport Queue can't be read: %v", w.Id, w.Damaged)
		case m == nil:
			say("mail %d of the Transport Queue has a recipient of no mail: %v", w.Id, w.Recipients)
		case string(w.Sha256) != string(m.sum()):
			say("mail %d has the octets of another in the Transport Queue", m.Number)
		default:
			entries[m] = append(entries[m], w)
		}
	}
	is := func(m *Mail) QueueStage {
		switch {
		case len(entries[m]) > 0:
			return Queued
		case by(m.Sending.Begun[Left], at):
			return Left
		}
		return NotQueued
	}
	for _, m := range h.Mails {
		if m.Sending == nil {
			continue
		}
		if n := len(entries[m]); n > 1 {
			say("mail %d is in the Transport Queue %d times", m.Number, n)
			continue
		}
		if least, most := m.Sending.between(at); is(m) < least || is(m) > most {
			say("mail %d is %v, and must be %v to %v", m.Number, is(m), least, most)
		}
		_, most := m.between(at)
		switch n := len(shown[m]); {
		case is(m) == Queued && isWaiting(entries[m][0].TransportEntry, here):
			if n > 0 {
				say("mail %d was delivered to its account, and waits to be", m.Number)
			}
		case is(m) != NotQueued && n == 0 && most != Gone:
			say("mail %d is said to be delivered to its account, and is lost", m.Number)
		}
		if r := m.Sending.Report; is(m) == Left && r != never && is(h.Mails[r]) == NotQueued {
			say("mail %d failed, and its report, mail %d, is lost", m.Number, r)
		}
	}
	for _, q := range s.Status.Queues {
		if q.Queue == contract.QueueTransport && q.Messages != uint64(len(s.Queue)) {
			say("the Transport Queue counts %d mails, and has %d", q.Messages, len(s.Queue))
		}
	}
}

// observeQueue takes what the queue shows for told.
func (h *History) observeQueue(s *Survey, at int) {
	there := make(map[*Mail]bool)
	for _, w := range s.Queue {
		m := h.queuedMail(w.TransportEntry)
		there[m], m.Sending.ID = true, w.Id
		first(&m.Sending.Acked[Queued], at)
		if !isWaiting(w.TransportEntry, here) {
			first(&m.Acked[In], at)
		}
	}
	for _, m := range h.Mails {
		if m.Sending != nil && !there[m] && by(m.Sending.Begun[Left], at) {
			first(&m.Sending.Acked[Left], at)
		}
	}
}
