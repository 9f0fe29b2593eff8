package transfer

import (
	"errors"
	"io"

	"postroom/services/fetcher/provider"
	"postroom/services/mail"
	"postroom/services/wire"
)

// maxHeader is how much of a header TOP may give, octets; more is left to RETR.
const maxHeader = 1 << 20

// check looks by TOP n 0 whether mails with a known UIDL and size are those that are stored. Where TOP gives
// another header or nothing, RETR has to tell.
func (s *session) check() error {
	checks := s.plan.check[:min(len(s.plan.check), s.Limits.Mails)]
	for sent, answered := 0, 0; answered < len(checks); answered++ {
		for ; sent < len(checks) && sent-answered < s.conn.Window(); sent++ {
			if err := s.conn.SendTop(checks[sent].entry.Number); err != nil {
				return err
			}
		}
		c := checks[answered]
		head, given, err := s.top()
		if err != nil {
			return err
		}
		if !given || head != c.row.head {
			s.plan.retrieve = append(s.plan.retrieve, c.entry)
			continue
		}
		c.row.taken = true
		s.see(&seen{entry: c.entry, sha: c.row.sha, head: head, known: c.row})
	}
	return nil
}

// top reads an answer to TOP: the header's digest, where the provider gave one.
func (s *session) top() (head digest, given bool, err error) {
	body, err := s.conn.Body(maxHeader)
	var refusal *provider.Refusal
	if errors.As(err, &refusal) {
		return head, false, nil
	}
	if err != nil {
		return head, false, err
	}
	var h mail.HeaderHasher
	_, err = body.WriteTo(&h)
	if errors.Is(err, wire.ErrTooLarge) {
		err = body.Drain(int64(s.Limits.Mail))
		return head, false, s.broken(err)
	}
	return h.Sum(), err == nil, s.broken(err)
}

// broken is nil for nil, else what a session ends with.
func (s *session) broken(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return s.conn.Broken(err)
}

// see adds a mail to those whose bytes are known.
func (s *session) see(m *seen) {
	s.groups[m.sha] = append(s.groups[m.sha], m)
	s.at[m.entry.Number] = m
}
