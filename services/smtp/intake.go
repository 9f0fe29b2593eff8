package smtp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postroom/services/contract"
	"postroom/services/smtp/submission"
)

// Octets of mail that are held before they go to the store.
const (
	smallPart = 64 << 10        // of any mail
	largePart = contract.MaxPut // of one that gets a place: what isn't longer is one call
	places    = 32              // for such
)

// maxReceived is how many hosts a mail may have been through (RFC 5321 §6.3).
const maxReceived = 50

var (
	errSize = errors.New("mail too large")
	errLoop = errors.New("mail loop")
)

// intake takes a mail in, octet by octet: what goes wrong is kept for the end, and the rest dropped, since a client hears
// nothing before it.
type intake struct {
	ctx    context.Context // of the session
	server *server
	most   int64 // octets that a client may send
	editor *submission.Editor

	came   int64 // octets of the client's
	part   []byte
	place  bool // for a large part
	upload *upload
	size   int64 // octets behind the editor
	err    error // the first
}

// newIntake begins a mail. top is what stands above it.
func (s *server) newIntake(ctx context.Context, top func(*submission.Header) ([]byte, error)) *intake {
	i := &intake{ctx: ctx, server: s, most: int64(s.settings.Load().SMTP.MaxSize)}
	i.editor = submission.NewEditor(kept{i}, top)
	return i
}

// Write takes the client's octets. It gives no error.
func (i *intake) Write(p []byte) (int, error) {
	i.came += int64(len(p))
	if i.err == nil && i.came > i.most {
		i.fail(errSize)
	}
	if i.err == nil {
		if _, err := i.editor.Write(p); err != nil {
			i.fail(err)
		}
	}
	return len(p), nil
}

// fail keeps why a mail isn't taken, and lets go of what was.
func (i *intake) fail(err error) {
	i.err = err
	i.drop(i.ctx)
}

// whole ends the mail, of which the store has got all but i.part.
func (i *intake) whole() error {
	if i.err == nil {
		if err := i.editor.Close(); err != nil {
			i.fail(err)
		}
	}
	if i.err == nil && i.upload != nil {
		if err := i.send(); err != nil {
			i.fail(err)
		}
	}
	return i.err
}

// drop lets go of all that was taken.
func (i *intake) drop(ctx context.Context) {
	if i.upload != nil {
		i.upload.abort(ctx)
		i.upload = nil
	}
	i.release()
}

// release gives back what is held in memory.
func (i *intake) release() {
	i.part = nil
	if i.place {
		i.place = false
		<-i.server.large
	}
}

// kept is where the editor writes to.
type kept struct{ *intake }

func (k kept) Write(p []byte) (int, error) {
	k.size += int64(len(p))
	for n := 0; n < len(p); {
		if err := k.room(); err != nil {
			return n, err
		}
		more := p[n:min(len(p), n+k.most()-len(k.part))]
		k.part = append(k.part, more...)
		n += len(more)
	}
	return len(p), nil
}

// most is how much is held.
func (k kept) most() int {
	if k.place {
		return largePart
	}
	return smallPart
}

// room makes some: a place for a large part, if there is one, else by sending what is held.
func (k kept) room() error {
	if len(k.part) < k.most() {
		return nil
	}
	if !k.place && k.upload == nil {
		select {
		case k.server.large <- struct{}{}:
			k.place = true
			k.part = slices.Grow(k.part, 3*smallPart) // append's own steps would copy it at each quarter more
			return nil
		default:
		}
	}
	return k.send()
}

// send has the store take what is held.
func (i *intake) send() error {
	if i.upload == nil {
		var err error
		if i.upload, err = begin(i.ctx, i.server.store); err != nil {
			return err
		}
	}
	err := i.upload.append(i.ctx, i.part)
	i.part = i.part[:0]
	return err
}

// uploadWait bounds each call of an upload.
const uploadWait = 60 * time.Second

// upload is a mail that the store takes in parts.
type upload struct {
	store store
	id    uint64
	sent  uint64 // octets
}

func begin(ctx context.Context, store store) (*upload, error) {
	ctx, cancel := context.WithTimeout(ctx, uploadWait)
	defer cancel()
	answer, err := store.BeginUpload(ctx, &contract.BeginUploadRequest{})
	if err != nil {
		return nil, fmt.Errorf("begin to upload a mail: %w", err)
	}
	return &upload{store: store, id: answer.Upload}, nil
}

func (u *upload) append(ctx context.Context, chunk []byte) error {
	if len(chunk) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, uploadWait)
	defer cancel()
	_, err := u.store.AppendUpload(ctx, &contract.AppendUploadRequest{Upload: u.id, Offset: u.sent, Chunk: chunk})
	if err != nil {
		return fmt.Errorf("upload a mail behind octet %d: %w", u.sent, err)
	}
	u.sent += uint64(len(chunk))
	return nil
}

// abort is a courtesy, and waited for no longer than a moment: the store forgets an upload by itself.
func (u *upload) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	u.store.AbortUpload(ctx, &contract.AbortUploadRequest{Upload: u.id})
}
