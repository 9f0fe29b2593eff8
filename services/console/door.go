package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"postroom/services/console/api"
	"postroom/services/contract"
)

// Fixed words of refusals.
const (
	wordsKey      = "this client key is not known here: its public part belongs into the box's file of client keys"
	wordsNothing  = "Nothing is here. The API takes POST " + api.Prefix + "<Method>.\n"
	wordsType     = "the request has to be of the type " + api.ContentType
	wordsTooLong  = "the request is too long"
	wordsCut      = "the request ended early"
	wordsStore    = "the store doesn't answer; try again"
	wordsInternal = "internal error; the box's log says more"
)

// ServeHTTP answers one call.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	log := s.log.With("address", r.RemoteAddr)
	defer func() {
		if p := recover(); p != nil {
			log.Error("call panicked", "path", r.URL.Path, "err", p, "stack", string(debug.Stack()))
			fail(w, http.StatusInternalServerError, wordsInternal) // nothing was written: answers are written whole, at the end
		}
	}()
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")

	known, key, err := s.keys.knows(r.TLS.PeerCertificates[0])
	if !known {
		log.Warn("client key refused", "key", key, "err", err)
		header.Set("Connection", "close")
		fail(w, http.StatusForbidden, wordsKey)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, api.Prefix)
	if r.Method != http.MethodPost || !ok {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, wordsNothing)
		return
	}
	s.answer(w, r, name, log.With("method", name, "key", key), began)
}

// answer makes the call for one who may.
func (s *server) answer(w http.ResponseWriter, r *http.Request, name string, log *slog.Logger, began time.Time) {
	m, ok := methods[name]
	if !ok {
		fail(w, http.StatusNotFound, fmt.Sprintf("%v: there is no method %q", contract.ErrNotFound, name))
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != api.ContentType {
		fail(w, http.StatusUnsupportedMediaType, wordsType)
		return
	}
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, api.MaxRequest))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		fail(w, http.StatusRequestEntityTooLarge, wordsTooLong)
		return
	case err != nil:
		fail(w, http.StatusBadRequest, wordsCut)
		return
	}
	// A call that was begun is ended, also when its caller left: a half-made change is of no use to anybody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), api.AnswerTimeout)
	defer cancel()
	text, err := m.call(ctx, s.admin, request)
	log = log.With("took", time.Since(began))
	if err != nil {
		status, words := failure(ctx, err)
		log.Info("call failed", "status", status, "err", err)
		fail(w, status, words)
		return
	}
	if m.changes {
		log.Info("call made")
	} else {
		log.Debug("call made")
	}
	w.Header().Set("Content-Type", api.ContentType)
	w.Write(text)
}

// failure gives what the caller is told. That is the owner of the box, who may know the cause as the store puts
// it; a connection that broke says nothing to anybody but the log.
func failure(ctx context.Context, err error) (status int, words string) {
	if ctx.Err() != nil {
		return http.StatusServiceUnavailable, wordsStore
	}
	return api.Status(err), err.Error()
}

// fail answers with a status and words.
func fail(w http.ResponseWriter, status int, words string) {
	text, err := json.Marshal(api.Failure{Error: words})
	if err != nil {
		text = nil // can't be: a string is always JSON
	}
	w.Header().Set("Content-Type", api.ContentType)
	w.WriteHeader(status)
	w.Write(append(text, '\n'))
}
