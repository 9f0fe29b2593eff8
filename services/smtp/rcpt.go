package smtp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/settings"
	"postroom/services/smtp/route"
)

var (
	errTooMany = &refusal{code: 452, enhanced: "4.5.3", text: "too many recipients: send it to the others in another mail"}
	errNoSuch  = &refusal{code: 550, enhanced: "5.1.1", text: "nobody here has this address"}
)

// rcpt is RCPT (RFC 5321 §4.1.1.3).
func (s *session) rcpt(ctx context.Context, argument []byte) error {
	path, rest, ok := cutPath(argument, "TO:")
	if !ok {
		return errRcptForm
	}
	in := s.server.settings.Load()
	if strings.EqualFold(path, "postmaster") { // RFC 5321 §4.5.1
		path += "@" + in.Users.PseudoDomain
	}
	a, bad := parsePath(path)
	if bad != nil {
		return bad
	}
	to := &contract.SubmitRecipient{Address: a.String()}
	if rest != "" && !s.extended {
		return errParameters
	}
	bad = rcptParameters(rest, to)
	switch {
	case bad != nil:
		return bad
	case !s.mail.utf8 && !isASCII(path+to.Original):
		return errUTF8
	case !s.mayRelay() || !s.mail.admitted:
		return s.relayRefusal().about(to.Address)
	case s.mail.has(to):
		return s.say(250, "2.1.5", "recipient taken already")
	case len(s.mail.recipients) >= in.SMTP.MaxRecipients:
		return errTooMany
	}
	if err := s.reach(ctx, in, a); err != nil {
		return err
	}
	s.mail.recipients = append(s.mail.recipients, to)
	return s.say(250, "2.1.5", "recipient taken")
}

// has tells whether a recipient is one already.
func (m *envelope) has(to *contract.SubmitRecipient) bool {
	return slices.ContainsFunc(m.recipients, func(r *contract.SubmitRecipient) bool { return r.Address == to.Address })
}

// mayRelay tells whether mail is taken from this client at all, by the settings of this moment: it has logged in, or is in a
// trusted network. That goes for recipients here, too.
func (s *session) mayRelay() bool {
	return s.account != nil || s.server.settings.Load().Trusted(s.client)
}

// relayRefusal tells a stranger what would make it none.
func (s *session) relayRefusal() *refusal {
	return &refusal{
		code:     550,
		enhanced: "5.7.1",
		text:     fmt.Sprintf("%s is in no trusted network (setting trusted_network), and nobody has logged in", s.client),
		protocol: true,
	}
}

// reach tells whether mail can get to an address: a user's of the box has to be known, and any other one needs a way.
func (s *session) reach(ctx context.Context, in *settings.Settings, to mail.Address) error {
	if in.Local(to.Domain) {
		return s.isKnown(ctx, to.String())
	}
	from := s.mail.from
	_, err := route.Find(in, route.Mail{
		Sender:    s.mail.sender,
		Recipient: to.String(),
		Account:   len(from.GetAccount()) > 0,
		Host:      from.GetHost(),
		Owner:     from.GetOwner(),
	})
	var no *route.Refusal
	switch {
	case errors.As(err, &no):
		return (&refusal{code: 550, enhanced: no.Code, text: no.Error()}).about(to.String())
	case err != nil:
		return errStore.because(err)
	}
	return nil
}

// isKnown tells whether an address is one of a user's of the box.
func (s *session) isKnown(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	answer, err := s.server.store.LookUpRecipient(ctx, &contract.LookUpRecipientRequest{Address: address})
	switch {
	case err != nil:
		return errStore.because(err)
	case answer.User == "":
		return errNoSuch.about(address)
	}
	return nil
}
