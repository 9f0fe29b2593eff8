// Package api is the console's API as both ends know it, and its client.
//
// A call is POST https://HOST/v1/<Method>, a method of the contract's Admin service, with request and answer
// in protobuf's JSON. The client shows a certificate of its client key; the box knows that key's public part,
// and the client knows the fingerprint of the box's certificate. Neither asks an authority.
package api

import (
	"errors"
	"net/http"

	"postroom/services/contract"
)

// Prefix is the path of a method without its name.
const Prefix = "/v1/"

// ContentType is what requests and answers are. Another one is refused: a page in a browser that holds a client
// key can send a form or plain text to any site without asking, but not this.
const ContentType = "application/json"

// Limits of a call, octets. A request is a settings file at most; an answer is what one call to the store may
// bring, written as JSON.
const (
	MaxRequest = 2 << 20
	MaxAnswer  = 32 << 20
)

// Failure is the body of every answer but 200.
type Failure struct {
	Error string `json:"error"`
}

// statuses is the one mapping of errors to HTTP's status codes, both ways.
var statuses = []struct {
	err    error
	status int
}{
	{contract.ErrInvalid, http.StatusBadRequest},
	{contract.ErrForbidden, http.StatusForbidden},
	{contract.ErrNotFound, http.StatusNotFound},
	{contract.ErrConflict, http.StatusConflict},
	{contract.ErrUnavailable, http.StatusServiceUnavailable},
	{contract.ErrFull, http.StatusInsufficientStorage},
}

// Status gives the status code that an error crosses HTTP as.
func Status(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// failed is an error that crossed HTTP: its text as it was there, and the kind that it wraps.
type failed struct {
	text string
	kind error // may be nil
}

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.kind }

// fromStatus gives back the error that Status was given: the same text, the same errors.Is. A request that is
// too long, or of another type, is as invalid as any.
func fromStatus(status int, text string) error {
	switch status {
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		status = http.StatusBadRequest
	}
	for _, s := range statuses {
		if s.status == status {
			return &failed{text, s.err}
		}
	}
	return &failed{text, nil}
}
