package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"postroom/services/bodies"
	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/smtp/relay"
	"postroom/services/smtp/route"

	"github.com/emersion/go-smtp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	perTransaction = 100 // recipients: what every server has to take (RFC 5321 §4.5.3.1.8)
	backOff        = 5 * time.Minute
	endTime        = 5 * time.Second // for the store to hear how a try ended, when the service stops
	storePause     = time.Second
)

// try is one try of some of a mail's recipients, all by one way.
type try struct {
	*runner
	item      *item
	mail      *mail // locked, but for its id
	as        *mail // whose it was when the try began
	way       route.Way
	settings  *settings.Settings
	sent      *contract.Transport // as the store has it, once it's begun
	indices   []uint32
	addresses []string
	drawn     float64 // for the jitter
	logins    uint64  // runner.logins when it began
}

// outcome is what became of a recipient.
type outcome struct {
	index   uint32
	failure *relay.Failure // nil: it's delivered
	local   []byte         // into the In Queue of this account
	relayed bool           // to a server that doesn't take over what the sender wants to hear of
	hold    string         // why it waits for the store: its user has no account
	untried bool
	server  string
}

// run tries an item.
func (r *runner) run(ctx context.Context, it *item) {
	t := &try{runner: r, item: it, mail: it.mail, way: *it.way, drawn: rand.Float64()}
	defer t.done()
	if !t.claim() {
		return
	}
	switch t.way.Kind {
	case route.Local:
		t.deliverHere(ctx)
	case route.Relay, route.MX:
		t.deliver(ctx)
	default:
		t.ask(ctx)
	}
}

// claim takes the recipients that are due.
func (t *try) claim() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner.applySettings()
	t.settings, t.logins = t.runner.settings, t.runner.logins
	t.as = &mail{id: t.mail.id, sender: t.mail.sender, owner: t.mail.owner, host: t.mail.host}
	soon := time.Now().Add(time.Second).UnixNano()
	for i := range t.mail.recipients {
		one := &t.mail.recipients[i]
		if !one.open() || one.due > soon || t.runner.way(t.mail, one) != t.way {
			continue
		}
		one.trying = true
		t.indices = append(t.indices, one.index)
		t.addresses = append(t.addresses, one.address)
		if len(t.indices) == perTransaction {
			break
		}
	}
	t.arrange(t.mail) // what isn't taken keeps its place
	return len(t.indices) > 0 || t.way == ofBox && t.mail.unknown
}

// done gives back what claim took.
func (t *try) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := make(map[uint32]bool, len(t.indices))
	for _, i := range t.indices {
		taken[i] = true
	}
	for i := range t.mail.recipients {
		if one := &t.mail.recipients[i]; taken[one.index] {
			one.trying = false
		}
	}
	if t.runner.mails[t.mail.id] == t.mail {
		t.arrange(t.mail)
	}
	t.lines.done(t.item)
	t.look()
}

// begin has it on disk that the recipients are about to be tried. The error has been dealt with.
func (t *try) begin(ctx context.Context) bool {
	answer, err := t.Store.BeginDelivery(ctx, &contract.BeginDeliveryRequest{Runner: t.id, Id: t.mail.id, Recipients: t.indices})
	if err == nil {
		t.sent = answer.Mail
		return true
	}
	t.notBegun(ctx, err)
	return false
}

// notBegun sees to what the store doesn't let begin.
func (t *try) notBegun(ctx context.Context, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, contract.ErrNotFound):
		t.forget(t.mail)
	default:
		// It changed meanwhile, or another runner has it: the store is asked, a little later.
		if !errors.Is(err, contract.ErrConflict) {
			t.Log.Error("delivery not begun", "body", t.mail.id, "err", err)
		}
		t.mail.unknown = true
		for i := range t.mail.recipients {
			one := &t.mail.recipients[i]
			one.due = max(one.due, time.Now().Add(storePause).UnixNano())
		}
	}
}

// ask learns from the store what a mail is, and ends what the owner dropped and what has no way.
func (t *try) ask(ctx context.Context) {
	answer, err := t.Store.BeginDelivery(ctx, &contract.BeginDeliveryRequest{Runner: t.id, Id: t.mail.id})
	if err != nil {
		t.notBegun(ctx, err)
		return
	}
	t.sent = answer.Mail
	here := map[uint32]bool{}
	isOwn := t.sent.Client == ""
	for i, one := range t.sent.Recipients {
		if isOwn && one.State == contract.RecipientState_WAITING {
			whose, err := t.Store.LookUpRecipient(ctx, &contract.LookUpRecipientRequest{Address: one.Address})
			if err != nil {
				t.notBegun(ctx, err)
				t.end(ctx, nil)
				return
			}
			here[uint32(i)] = whose.User != "" || len(whose.Account) > 0
		}
	}
	t.mu.Lock()
	known := !t.mail.unknown
	t.mail.unknown, t.mail.own = false, isOwn
	var list []recipient
	for i, one := range t.sent.Recipients {
		switch one.State {
		case contract.RecipientState_DELIVERED, contract.RecipientState_FAILED:
		default:
			list = append(list, recipient{address: one.Address, due: nanoseconds(one.NextTry), index: uint32(i), state: uint8(one.State), here: here[uint32(i)]})
		}
	}
	t.replace(t.mail, list)
	for i := range t.mail.recipients {
		t.mail.recipients[i].here = here[t.mail.recipients[i].index]
	}
	t.mu.Unlock()
	if !known {
		t.end(ctx, nil) // it's given back, and goes its way from here
		return
	}
	var outcomes []outcome
	for _, i := range t.indices {
		if o, ok := t.endless(i); ok {
			outcomes = append(outcomes, o)
		}
	}
	t.end(ctx, outcomes)
}

// endless is what becomes of a recipient that no try can help.
func (t *try) endless(index uint32) (outcome, bool) {
	one := t.sent.Recipients[index]
	o := outcome{index: index}
	if one.State == contract.RecipientState_DROPPED {
		o.failure = &relay.Failure{Host: t.settings.Appliance.Name, Permanent: true, Enhanced: "5.7.1", Text: "whoever runs this box took the mail out of its queue"}
		return o, true
	}
	t.mu.Lock()
	r := recipient{address: one.Address}
	_, err := route.Find(t.settings, t.mail.route(&r))
	t.mu.Unlock()
	var refusal *route.Refusal
	if one.State != contract.RecipientState_WAITING || !errors.As(err, &refusal) {
		return o, false
	}
	o.failure = noWay(refusal)
	return o, true
}

func noWay(r *route.Refusal) *relay.Failure {
	return &relay.Failure{Permanent: true, Enhanced: r.Code, Text: r.Error()}
}

// deliverHere puts mail into the In Queues of users of the box.
func (t *try) deliverHere(ctx context.Context) {
	if !t.begin(ctx) {
		return
	}
	var outcomes []outcome
	for i, index := range t.indices {
		o := outcome{index: index, server: "local"}
		whose, err := t.Store.LookUpRecipient(ctx, &contract.LookUpRecipientRequest{Address: t.addresses[i]})
		switch {
		case err != nil:
			o.failure = &relay.Failure{Text: "the store can't say whose the address is", Cause: err}
			o.untried = true
		case len(whose.Account) > 0:
			o.local = whose.Account
		case whose.User != "":
			o.hold = fmt.Sprintf("the user %s has no account yet, and gets this mail with the first one", whose.User)
		default:
			o.failure = &relay.Failure{Permanent: true, Enhanced: "5.1.1", Text: fmt.Sprintf("nobody here has the address %s", t.addresses[i])}
		}
		outcomes = append(outcomes, o)
	}
	t.end(ctx, outcomes)
}

// deliver sends mail to a server.
func (t *try) deliver(ctx context.Context) {
	login, f := t.login(ctx, t.as, t.way)
	key := t.item.flow.dest.key + " " + string(t.way.TLS) + " " + t.as.login(t.way) + " " + t.pool.fingerprint(login)
	var c *pooled
	if f == nil {
		c = t.pool.take(key)
	}
	reused := c != nil
	if f == nil && c == nil {
		c, f = t.connect(ctx, key, login)
	}
	if ctx.Err() != nil && f != nil {
		return
	}
	if !t.begin(ctx) {
		if c != nil {
			t.pool.put(c)
		}
		return
	}
	if f == nil && t.way.Kind == route.MX {
		f = t.lent(ctx)
	}
	var results []*relay.Failure
	if f == nil {
		m := t.message()
		results = c.Send(ctx, m)
		if f := results[0]; reused && f != nil && f.Stage == relay.MailFrom && (f.Code == 0 && f.Enhanced == "" || f.Code == 421) && ctx.Err() == nil {
			// It was closed while it waited for a mail.
			c.Close()
			if c, f = t.connect(ctx, key, login); f == nil {
				results = c.Send(ctx, m)
			} else {
				results = nil
				t.end(ctx, t.outcomes(nil, f, c))
				return
			}
		}
		c.mails++
	}
	outcomes := t.outcomes(results, f, c)
	if c != nil {
		t.health(results)
		t.pool.put(c)
		t.leave() // the connection is for the next mail, while the store syncs this one's end
	}
	t.end(ctx, outcomes)
}

func (t *try) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines.leave(t.item)
	t.look()
}

// outcomes joins the results with their recipients; f is of all of them.
func (t *try) outcomes(results []*relay.Failure, f *relay.Failure, c *pooled) (list []outcome) {
	for i, index := range t.indices {
		o := outcome{index: index, failure: f, server: t.way.Server.Host}
		if t.way.Kind == route.MX {
			o.server = t.way.Domain
		}
		if c != nil {
			o.server, o.relayed = c.Host(), !c.PassesDSN()
		}
		if results != nil {
			o.failure = results[i]
		}
		list = append(list, o)
	}
	return list
}

// connect reaches the destination, unless it was out of reach a moment ago: then what comes in its back-off shares the failure.
func (t *try) connect(ctx context.Context, key string, login *contract.GetLoginResponse) (*pooled, *relay.Failure) {
	t.mu.Lock()
	d := t.item.flow.dest
	if time.Now().Before(d.until) {
		f := *d.failed
		t.mu.Unlock()
		return nil, &f
	}
	idle := max(0, d.most-d.running)
	t.mu.Unlock()
	t.pool.room(d, idle)
	c, f := t.open(ctx, t.settings, t.as, t.way, login)
	if f == nil {
		return &pooled{Conn: c, key: key, dest: d}, nil
	}
	if f.Down && f.Stage != relay.Auth && ctx.Err() == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lines.doubt(d)
		d.failures++
		d.failed = f
		d.until = time.Now().Add(min(wait(d.failures), backOff))
	}
	return nil, f
}

// health keeps whether a destination answers. Where it does, what waited for that alone is tried at once; one that hangs or breaks off behind
// its greeting is suspect, too, but the next mail is tried: it may have been this one's.
func (t *try) health(results []*relay.Failure) {
	if len(results) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.item.flow.dest
	if results[0] != nil && results[0].Down {
		t.lines.doubt(d)
		return
	}
	back := d.failures > 0
	t.lines.trust(d)
	d.failures, d.until = 0, time.Time{}
	if back {
		t.hasten(func(m *mail, one *recipient) bool { return one.down && t.destination(t.runner.way(m, one)) == d })
	}
}

// lent asks whose the sender of a mail is that no account is known for: an account's mail doesn't go to the MX where its own
// way was only missed for want of a proof.
func (t *try) lent(ctx context.Context) *relay.Failure {
	if t.as.sender == "" || t.as.owner != "" || t.sent.Client == "" || !route.NeedsOwner(t.settings) {
		return nil
	}
	whose, err := t.Store.LookUpSender(ctx, &contract.LookUpSenderRequest{Address: t.as.sender, Client: t.sent.Client})
	if err != nil || len(whose.Account) == 0 || whose.Owner {
		return nil
	}
	var refusal *route.Refusal
	_, err = route.Find(t.settings, route.Mail{Sender: t.as.sender, Recipient: t.addresses[0], Account: true, Host: whose.Host})
	if errors.As(err, &refusal) {
		return noWay(refusal)
	}
	return nil
}

// message is the mail as it's sent.
func (t *try) message() relay.Mail {
	body := bodies.Of(t.sent.Body)
	m := relay.Mail{
		Sender: t.sent.Sender, Size: body.Length, UTF8: t.sent.Smtputf8, EnvelopeID: t.sent.EnvelopeId, HeadersOnly: t.sent.HeadersOnly,
		Header:  func() ([]byte, error) { return t.original(maxHeader, false) },
		WriteTo: func(w io.Writer) error { return t.copyBody(w) },
	}
	for _, index := range t.indices {
		one := t.sent.Recipients[index]
		m.Recipients = append(m.Recipients, relay.Recipient{Address: one.Address, Notify: notify(one.Notify), Original: one.Original})
	}
	return m
}

func notify(n *contract.Notify) (list []smtp.DSNNotify) {
	if n.GetNever() {
		return []smtp.DSNNotify{smtp.DSNNotifyNever}
	}
	for _, one := range []struct {
		wanted bool
		as     smtp.DSNNotify
	}{{n.GetSuccess(), smtp.DSNNotifySuccess}, {n.GetFailure(), smtp.DSNNotifyFailure}, {n.GetDelay(), smtp.DSNNotifyDelayed}} {
		if one.wanted {
			list = append(list, one.as)
		}
	}
	return list
}

func (t *try) copyBody(w io.Writer) error {
	body := bodies.Of(t.sent.Body)
	segments := bodies.Segments{Folder: t.Bodies}
	defer segments.Close()
	file, err := segments.Open(body.Segment)
	if err != nil {
		return err
	}
	return body.CopyTo(w, file)
}

// maxHeader bounds what is read of a mail's header, octets.
const maxHeader = 64 << 10

var errEnough = errors.New("the rest is not wanted")

// original gives a mail, or its header with the blank line behind it, up to a limit.
func (t *try) original(limit int, whole bool) ([]byte, error) {
	var b bytes.Buffer
	err := t.copyBody(writer(func(p []byte) (int, error) {
		b.Write(p)
		if !whole && bytes.Contains(b.Bytes(), []byte("\r\n\r\n")) || b.Len() > limit {
			return len(p), errEnough
		}
		return len(p), nil
	}))
	if err != nil && err != errEnough {
		return nil, err
	}
	text := b.Bytes()
	if whole {
		return text, nil
	}
	if end := bytes.Index(text, []byte("\r\n\r\n")); end >= 0 {
		return text[:end+4], nil
	}
	text = text[:min(len(text), limit)]
	return append(text[:bytes.LastIndexByte(text, '\n')+1], "\r\n"...), nil
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// end has the store keep what became of recipients, until it does.
func (t *try) end(ctx context.Context, outcomes []outcome) {
	stopping := ctx.Err() != nil
	q := &contract.EndDeliveryRequest{Runner: t.id, Id: t.mail.id}
	now := time.Now() // one for all, too
	for i := range outcomes {
		if f := outcomes[i].failure; stopping && f != nil && !f.Permanent && !f.Doubt {
			outcomes[i].untried = true // it was the service's end
		}
		q.Results = append(q.Results, t.result(now, &outcomes[i]))
	}
	if i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.failure != nil && o.failure.Damaged }); i >= 0 && !stopping {
		t.damaged(ctx, outcomes[i].failure)
	}
	q.Notices = t.notices(outcomes, q.Results)
	t.record(outcomes, q.Results)
	for pause := storePause; ; pause = min(2*pause, longest) {
		one, cancel := context.WithCancel(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, func() { time.AfterFunc(endTime, cancel) })
		_, err := t.Store.EndDelivery(one, q)
		stop()
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		t.Log.Error("the end of a delivery isn't kept yet", "body", t.mail.id, "err", err)
		if errors.Is(err, contract.ErrInvalid) {
			q.Notices = nil // better the state without its notice than neither
		}
		if errors.Is(err, contract.ErrConflict) || errors.Is(err, contract.ErrNotFound) {
			return // another runner has it: this one was taken for dead
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// result is what the store keeps of an outcome.
func (t *try) result(now time.Time, o *outcome) *contract.RecipientResult {
	one := t.sent.Recipients[o.index]
	r := &contract.RecipientResult{Index: o.index, Rule: t.way.Rule, Destination: destinationName(t.way), Untried: o.untried}
	f := o.failure
	switch {
	case f == nil && o.hold != "":
		r.State, r.Text, r.Untried = contract.RecipientState_ON_HOLD, o.hold, true
	case f == nil && o.local != nil:
		r.State, r.Local, r.Text = contract.RecipientState_DELIVERED, o.local, "delivered here"
	case f == nil:
		r.State, r.Text = contract.RecipientState_DELIVERED, o.server+" has taken it over"
	case f.Permanent:
		r.State, r.Text = contract.RecipientState_FAILED, words(f)
	case o.untried:
		r.State, r.Text, r.NextTry = contract.RecipientState_WAITING, words(f), timestamppb.New(now)
	default:
		r.State, r.Text, r.Doubt = contract.RecipientState_WAITING, words(f), f.Doubt
		tries, received := int(one.Tries)+1, t.sent.Received.AsTime()
		if givesUp(now, received, tries, t.settings.SMTP.GiveUp) && !f.Damaged {
			given := *f
			given.Permanent, given.Enhanced = true, "5.4.7"
			given.Text = fmt.Sprintf("%s (given up after %d tries in %s)", f.Text, tries, now.Sub(received).Round(time.Minute))
			o.failure = &given
			r.State, r.Text = contract.RecipientState_FAILED, words(&given)
			break
		}
		delay := t.settings.SMTP.NotifyDelay
		if one.DelayTold {
			delay = 0
		}
		r.NextTry = timestamppb.New(next(now, received, tries, t.drawn, delay, t.settings.SMTP.GiveUp))
		r.DelayTold = !one.DelayTold && delay > 0 && !now.Before(received.Add(delay))
	}
	return r
}

// words are what is kept of a failure; where no server was asked they stand alone.
func words(f *relay.Failure) string {
	if f.Stage == "" {
		return f.Text
	}
	return f.Words()
}

func destinationName(w route.Way) string {
	switch w.Kind {
	case route.Relay:
		return w.Server.Host
	case route.MX:
		return w.Domain
	}
	return "local"
}

// record keeps in memory what the store is told, so that nothing is tried again before it says so.
func (t *try) record(outcomes []outcome, results []*contract.RecipientResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner.ended++
	t.mail.ended = t.runner.ended
	for i, result := range results {
		for j := range t.mail.recipients {
			one := &t.mail.recipients[j]
			if one.index != result.Index {
				continue
			}
			one.state, one.due, one.soon = uint8(result.State), nanoseconds(result.NextTry), false
			f := outcomes[i].failure
			one.waits = f != nil && f.Refused
			one.down = f != nil && f.Down && f.Stage != relay.Auth
			if one.waits && t.logins != t.runner.logins {
				one.hasten(time.Now().UnixNano()) // the one that was refused may be another by now
			}
		}
	}
	for i, result := range results {
		log := t.Log.With("body", t.mail.id, "address", t.sent.Recipients[result.Index].Address, "rule", result.Rule, "destination", result.Destination)
		switch f := outcomes[i].failure; {
		case result.State == contract.RecipientState_DELIVERED:
			log.Info("delivered")
		case result.State == contract.RecipientState_FAILED:
			log.Info("not delivered", "err", result.Text)
		case f != nil:
			log.Info("delivery put off", "err", result.Text, "until", result.NextTry.AsTime())
		}
	}
}

// damaged reports a body that isn't whole: a condition tells, and the mail is tried again by its times, in case that it can be read again.
func (t *try) damaged(ctx context.Context, f *relay.Failure) {
	t.Log.Error("damaged body", "body", t.mail.id, "segment", t.sent.Body.GetSegment(), "err", f.Cause)
	if _, err := t.Store.ReportDamage(ctx, &contract.ReportDamageRequest{Id: t.mail.id, Text: fmt.Sprint(f.Cause)}); err != nil {
		t.Log.Error("damage not reported", "body", t.mail.id, "err", err)
	}
}
