package smtp

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"postroom/services/contract"
	"postroom/services/smtp/submission"
	"postroom/services/wire"
)

// maxWaste is how much is read behind the largest mail to find the end of one that is larger; then the connection is closed.
const maxWaste = 64 << 20

var (
	errOctets  = &refusal{code: 550, enhanced: "5.6.0", text: "a mail has lines that end in CRLF, no CR or LF beside that, and no NUL"}
	errHeader  = &refusal{code: 552, enhanced: "5.3.4", text: "the mail's header is larger than 256 KiB"}
	errCircle  = &refusal{code: 554, enhanced: "5.4.6", text: "the mail goes in circles: it was here before, or at too many hosts"}
	errFull    = &refusal{code: 452, enhanced: "4.3.1", text: "no room for mail, try again later"}
	errForever = &refusal{code: 451, enhanced: "4.4.2", text: "the mail took longer than an hour", end: true}
	errEndless = &refusal{code: 552, enhanced: "5.3.4", text: "the mail is far larger than this server takes", end: true}
	errChunk   = &refusal{code: 501, enhanced: "5.5.4", text: "BDAT needs the form BDAT octets, or BDAT octets LAST", end: true}
)

// data is DATA (RFC 5321 §4.1.1.4): a mail that ends at CRLF "." CRLF, and nowhere else.
func (s *session) data(ctx context.Context, _ []byte) error {
	if err := s.say(354, "", "send the mail; a dot alone on a line ends it"); err != nil {
		return err
	}
	in := s.newIntake(ctx)
	defer func() { in.drop(ctx) }()
	_, err := s.conn.DotReader(in.most + maxWaste).WriteTo(in)
	if errors.Is(err, wire.ErrTooLarge) {
		return errEndless
	}
	if err != nil {
		return err
	}
	return s.take(ctx, in)
}

// bdat is BDAT (RFC 3030 §2): a part of a mail, octet by octet. Whatever becomes of it, so many octets are no commands.
func (s *session) bdat(ctx context.Context, argument []byte) error {
	size, last, ok := parseChunk(argument)
	if !ok {
		return errChunk // nobody knows where the next command begins
	}
	if s.state()&(addressed|chunked) == 0 {
		return s.skip(size)
	}
	if s.mail.intake == nil {
		s.mail.intake, s.mail.end = s.newIntake(ctx), time.Now().Add(transfer)
	}
	in := s.mail.intake
	if size > in.most-in.came+maxWaste {
		return errEndless
	}
	if time.Now().After(s.mail.end) {
		return errForever
	}
	late := time.AfterFunc(time.Until(s.mail.end), s.conn.Interrupt)
	defer late.Stop()
	if err := s.conn.ReadChunk(size, in); err != nil {
		return err
	}
	switch {
	case last:
		return s.take(ctx, in)
	case in.err != nil: // RFC 3030 §2: the rest is refused, too
		defer s.forgetMail(ctx)
		return mailRefusal(in.err)
	}
	return s.say(250, "2.0.0", strconv.FormatInt(size, 10)+" octets taken")
}

// skip reads a chunk that belongs to no mail.
func (s *session) skip(size int64) error {
	if size > maxWaste {
		return errEndless
	}
	if err := s.conn.ReadChunk(size, discard{}); err != nil {
		return err
	}
	if s.hello == "" {
		return errHello
	}
	return errOrder
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// parseChunk reads what stands behind BDAT.
func parseChunk(argument []byte) (size int64, last, ok bool) {
	words := bytes.Fields(argument)
	if len(words) == 0 || len(words) > 2 || len(words) == 2 && !bytes.EqualFold(words[1], []byte("LAST")) {
		return 0, false, false
	}
	n, err := strconv.ParseUint(string(words[0]), 10, 62)
	return int64(n), len(words) == 2, err == nil
}

// newIntake begins to take in the mail whose envelope was given.
func (s *session) newIntake(ctx context.Context) *intake {
	m := s.mail
	trace := s.trace()
	return s.server.newIntake(ctx, func(h *submission.Header) ([]byte, error) {
		// A mail that a person sent on has been here before, and may be.
		if h.Received > maxReceived || h.Passed(trace.Mark) > h.Resent {
			return nil, errLoop
		}
		if m.ownOnly {
			authors, err := h.Authors()
			if err := s.held(ctx, authors, err); err != nil {
				return nil, err
			}
		}
		return trace.Top(h), nil
	})
}

// trace is what the mail's Received line says.
func (s *session) trace() submission.Trace {
	in := s.server.settings.Load()
	t := submission.Trace{
		Name:  in.Appliance.Name,
		Mark:  s.server.mark(),
		ID:    s.mail.key.String(),
		At:    time.Now().In(in.Appliance.Location()),
		Hello: s.hello,
		With:  s.protocol(),
		TLS:   s.tlsName(),
	}
	if !in.SMTP.HideClient && s.client.IsValid() {
		t.Client = s.client.String()
	}
	return t
}

// protocol is the connection's, as IANA's mail transmission types name it (RFC 3848, RFC 6531 §4.3).
func (s *session) protocol() string {
	with := "SMTP"
	switch {
	case s.mail.utf8:
		with = "UTF8SMTP"
	case s.extended:
		with = "ESMTP"
	}
	if _, tls := s.conn.TLS(); tls {
		with += "S"
	}
	if s.account != nil {
		with += "A"
	}
	return with
}

// take has the store take a mail that is there, and answers for it. Then none is under way.
func (s *session) take(ctx context.Context, in *intake) error {
	m := s.mail
	s.mail = nil
	defer in.drop(ctx)
	began := time.Now()
	if err := in.whole(); err != nil {
		return mailRefusal(err)
	}
	q := &contract.SubmitMail{
		Key:         m.key[:],
		Sender:      m.sender,
		Recipients:  m.recipients,
		Client:      s.client.String(),
		Account:     s.account,
		Smtputf8:    m.utf8,
		EightBit:    m.eightBit,
		EnvelopeId:  m.envelopeID,
		HeadersOnly: m.headersOnly,
		Tls:         s.tlsName(),
	}
	if in.upload != nil {
		q.Upload = in.upload.id
	} else {
		q.Body = in.part
	}
	id, err := s.server.submit(ctx, q)
	if err != nil {
		return mailRefusal(err)
	}
	in.upload = nil // it's the mail's now
	s.idled = 0
	s.log.Info("mail taken", "message", id, "key", m.key, "sender", m.sender, "recipients", len(m.recipients),
		"address", s.client, "octets", in.size, "took", time.Since(began))
	return s.say(250, "2.0.0", "taken as "+m.key.String())
}

// mailRefusal is what a client is told whose mail wasn't taken. What is not known is temporary.
func mailRefusal(err error) error {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, submission.ErrOctets):
		return errOctets
	case errors.Is(err, submission.ErrHeader):
		return errHeader
	case errors.Is(err, errSize):
		return errTooLarge
	case errors.Is(err, errLoop):
		return errCircle
	case errors.Is(err, contract.ErrFull):
		return errFull.because(err)
	}
	return errStore.because(err)
}
