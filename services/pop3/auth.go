package pop3

import (
	"context"
	"errors"
	"time"

	"postroom/services/gate"
	"postroom/services/sasl"
	"postroom/services/wire"
)

// auth is AUTH (RFC 5034 §4).
func (s *session) auth(ctx context.Context, argument []byte) error {
	if !s.mayLogIn() {
		return errNeedsTLS
	}
	name, password, err := sasl.Login(argument, s.challenge)
	var fault *sasl.Fault
	switch {
	case errors.As(err, &fault) && fault.Refused:
		return &refusal{code: codeAuth, text: fault.Text}
	case fault != nil:
		return protocolError(fault.Text)
	case err != nil:
		return err
	}
	return s.authenticate(ctx, gate.Login{Name: name, Password: password, Came: time.Now()})
}

// challenge sends one of AUTH, and gives the client's response.
func (s *session) challenge(challenge string) ([]byte, error) {
	if err := s.conn.WriteLine("+ " + challenge); err != nil {
		return nil, err
	}
	response, err := s.readLine(sasl.MaxResponse)
	if errors.Is(err, wire.ErrLineTooLong) {
		return nil, sasl.ErrTooLong
	}
	return response, err
}
