package smtp

import (
	"context"
	"time"

	"postroom/services/contract"
	"postroom/services/smtp/route"

	"github.com/google/uuid"
)

// envelope is that of a mail that is under way, with what came of the mail.
type envelope struct {
	key         uuid.UUID // names it to the store, and in its Received line
	sender      string    // empty: the null sender
	from        *contract.LookUpSenderResponse
	admitted    bool // who sends may
	ownOnly     bool // its From has to be the user's own
	utf8        bool
	eightBit    bool
	envelopeID  string
	headersOnly bool
	recipients  []*contract.SubmitRecipient

	intake *intake   // of BDAT, behind its first chunk
	end    time.Time // when the last chunk has to be there
}

var (
	errTooFast = &refusal{code: 450, enhanced: "4.7.1", text: "too many mails in a minute, try again in a while (setting smtp.mails_per_minute)"}
	errOwnOnly = &refusal{code: 550, enhanced: "5.7.1", text: "this is no address of the user who sends (setting smtp.own_addresses_only)"}
	errAuth    = &refusal{code: 530, enhanced: "5.7.0", text: "mail of this sender is taken after a login alone (setting smtp.require_auth): set the client to log in, over TLS"}
)

// mailFrom is MAIL (RFC 5321 §4.1.1.2).
func (s *session) mailFrom(ctx context.Context, argument []byte) error {
	path, rest, ok := cutPath(argument, "FROM:")
	if !ok {
		return errMailForm
	}
	m := &envelope{}
	if path != "" {
		a, bad := parsePath(path)
		if bad != nil {
			return bad
		}
		m.sender = a.String()
	}
	if rest != "" && !s.extended {
		return errParameters
	}
	size, bad := mailParameters(rest, m)
	in := s.server.settings.Load()
	switch {
	case bad != nil:
		return bad
	case !m.utf8 && !isASCII(path):
		return errUTF8
	case size > int64(in.SMTP.MaxSize):
		return errTooLarge
	}
	if s.mayRelay() { // else every recipient is refused
		if err := s.admit(ctx, m); err != nil {
			return err
		}
		m.admitted = true
	}
	var err error
	if m.key, err = uuid.NewV7(); err != nil {
		return errStore.because(err)
	}
	s.mail = m
	return s.say(250, "2.1.0", "sender taken")
}

// admit holds a mail's sender to the settings.
func (s *session) admit(ctx context.Context, m *envelope) error {
	in := s.server.settings.Load()
	if s.account == nil && in.NeedsAuth(m.sender) {
		return errAuth.about(m.sender)
	}
	who := s.from.String()
	if s.account != nil {
		who = string(s.account)
	}
	if !s.server.rates.Take(who, in.SMTP.MailsPerMinute, time.Now()) {
		return errTooFast
	}
	m.ownOnly = in.SMTP.OwnAddressesOnly
	if m.sender == "" {
		m.from = &contract.LookUpSenderResponse{}
		return nil
	}
	if !m.ownOnly && !route.NeedsOwner(in) {
		return nil
	}
	var err error
	if m.from, err = s.lookUpSender(ctx, m.sender); err != nil {
		return err
	}
	if m.ownOnly && !m.from.Own {
		return errOwnOnly.about(m.sender)
	}
	return nil
}

// lookUpWait bounds the store's answers about addresses.
const lookUpWait = 30 * time.Second

// lookUpSender asks whose an address is, for who sends here.
func (s *session) lookUpSender(ctx context.Context, address string) (*contract.LookUpSenderResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	answer, err := s.server.store.LookUpSender(ctx, &contract.LookUpSenderRequest{
		Address: address, Client: s.client.String(), Account: s.account,
	})
	if err != nil {
		return nil, errStore.because(err)
	}
	return answer, nil
}

// forgetMail ends the mail that is under way without taking it.
func (s *session) forgetMail(ctx context.Context) {
	if s.mail != nil && s.mail.intake != nil {
		s.mail.intake.drop(ctx)
	}
	s.mail = nil
}

// held holds the authors of a mail to its sender's user, where the settings say so.
func (s *session) held(ctx context.Context, authors []string, err error) error {
	if err != nil {
		return errOwnFrom.because(err)
	}
	for _, author := range authors {
		from, err := s.lookUpSender(ctx, author)
		if err != nil {
			return err
		}
		if !from.Own {
			return errOwnFrom.about(author)
		}
	}
	return nil
}

var errOwnFrom = &refusal{code: 550, enhanced: "5.7.1", text: "the From line needs addresses of the user who sends, and no others (setting smtp.own_addresses_only)"}
