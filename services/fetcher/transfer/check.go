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

// top is an answer to TOP n 0.
type top struct {
	given bool // a header that ends
	head  digest
	text  []byte // its beginning, good until the next answer
}

// is tells whether it's the header of a row's mail.
func (t top) is(r *row) bool { return t.given && t.head == r.head }

// check looks by TOP n 0 whether mails are those that are stored. Where TOP gives another header or nothing, RETR has
// to tell.
func (s *session) check() error {
	var entries []provider.Entry
	rows := map[int]*row{}
	for _, k := range s.plan.check {
		entries = append(entries, k.entry)
		rows[k.entry.Number] = k.row
	}
	err := s.tops(entries, func(e provider.Entry, t top) error {
		if t.is(rows[e.Number]) {
			s.recognise(e, rows[e.Number])
		} else {
			s.retrieveLater(e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(s.plan.nameless) > s.Limits.Mails {
		rotate(s.plan.nameless)
	}
	return s.tops(s.plan.nameless, func(e provider.Entry, t top) error {
		for _, r := range s.ledger.rows {
			if r.stored() && r.size == e.Size && t.is(r) && !s.due(r.first) && s.maybe(r, e) {
				s.recognise(e, r)
				return nil
			}
		}
		s.retrieveLater(e)
		return nil
	})
}

// recognise notes a mail that TOP showed to be a row's.
func (s *session) recognise(e provider.Entry, r *row) {
	r.taken = true
	s.see(&seen{entry: e, key: r.key, known: r})
}

// retrieveLater leaves to RETR what TOP could not tell.
func (s *session) retrieveLater(e provider.Entry) {
	if s.tooLarge(e) {
		s.plan.large = append(s.plan.large, e)
		return
	}
	s.plan.retrieve = append(s.plan.retrieve, e)
}

// tops asks for headers, as many as a session looks at, and gives each answer.
func (s *session) tops(entries []provider.Entry, each func(provider.Entry, top) error) error {
	s.undone += max(0, len(entries)-s.Limits.Mails)
	entries = entries[:min(len(entries), s.Limits.Mails)]
	sent := 0
	for answered := 0; ; answered++ {
		for ; sent < len(entries) && sent-answered < s.conn.Window() && !s.ended(); sent++ {
			if err := s.conn.SendTop(entries[sent].Number); err != nil {
				return err
			}
		}
		if answered == sent {
			s.undone += len(entries) - sent
			return nil
		}
		t, err := s.top()
		if err == nil {
			err = each(entries[answered], t)
		}
		if err != nil {
			return err
		}
	}
}

// top reads an answer.
func (s *session) top() (top, error) {
	body, err := s.conn.Body(maxHeader)
	var refusal *provider.Refusal
	if errors.As(err, &refusal) {
		return top{}, nil
	}
	if err != nil {
		return top{}, err
	}
	var h mail.HeaderHasher
	text := beginning{s.scratch[:0]}
	_, err = body.WriteTo(io.MultiWriter(&h, &text))
	if s.scratch = text.b[:0]; errors.Is(err, wire.ErrTooLarge) {
		return top{}, s.broken(body.Drain(int64(s.Limits.Mail)))
	}
	return top{given: err == nil, head: h.Sum(), text: text.b}, s.broken(err)
}

// broken is nil for nil, else what a session ends with.
func (s *session) broken(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return s.conn.Broken(err)
}

// beginning keeps what is written first, at most firstScratch octets.
type beginning struct{ b []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.b = append(b.b, p[:min(len(p), firstScratch-len(b.b))]...)
	return len(p), nil
}
