package contract

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What callers of the store branch on. errors.Is holds for them on both sides of a process border.
var (
	ErrInvalid     = errors.New("invalid")       // the call itself is wrong; repeating it doesn't help
	ErrNotFound    = errors.New("not found")     // no such account, message, row, upload
	ErrConflict    = errors.New("conflict")      // not in the state that the call needs
	ErrFull        = errors.New("disk full")     // intake stopped at the reserve; serving and deleting go on
	ErrDamaged     = errors.New("damaged")       // bytes on disk don't fit their checksum
	ErrUnavailable = errors.New("unavailable")   // try again: the store stops, or a write was not made durable
	ErrForbidden   = errors.New("not permitted") // a rule of the settings says no
)

// kinds is the one mapping, both ways.
var kinds = []struct {
	err  error
	code codes.Code
}{
	{ErrInvalid, codes.InvalidArgument},
	{ErrNotFound, codes.NotFound},
	{ErrConflict, codes.FailedPrecondition},
	{ErrFull, codes.ResourceExhausted},
	{ErrDamaged, codes.DataLoss},
	{ErrUnavailable, codes.Unavailable},
	{ErrForbidden, codes.PermissionDenied},
	{context.Canceled, codes.Canceled},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
}

// remote is an error that crossed the border: its text as it was there, and the kind that it wraps.
type remote struct {
	text string
	kind error
}

func (e *remote) Error() string { return e.text }
func (e *remote) Unwrap() error { return e.kind }

// ToStatus gives the form of err that crosses the border.
func ToStatus(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return status.Error(k.code, err.Error())
		}
	}
	return status.Error(codes.Internal, err.Error())
}

// FromStatus gives back the error that ToStatus was given: the same text, the same errors.Is. An error
// that is no status (a broken connection) comes back as it is.
func FromStatus(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	for _, k := range kinds {
		if s.Code() == k.code {
			return &remote{text: s.Message(), kind: k.err}
		}
	}
	return fmt.Errorf("store: %s", s.Message())
}
