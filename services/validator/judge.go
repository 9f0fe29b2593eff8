package validator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/mail"
)

// What the X-Postroom-Verdict line says beside the verdict: fixed words, nothing of the message.
const (
	remarkIncomplete = "incomplete (differed at the provider)" // the longest of what its provider gave; stands before the others

	remarkUnparsed   = "unparsed (malformed)"        // it was read, and isn't a mail as RFC 5322 and 2045 have it
	remarkDied       = "unchecked (handling failed)" // a validator died over it, twice
	remarkDamaged    = "unchecked (damaged)"         // its bytes are not those that were stored
	remarkUnreadable = "unchecked (unreadable)"      // its bytes could not be read
)

// maxDeaths is how many validators may die over one message.
const maxDeaths = 2

// A message whose bytes can't be read, for want of file descriptors or of a disk that answers, is tried so
// often, so far apart.
const (
	readTries = 3
	readPause = time.Second
)

// finding is what is known of a message once it was judged.
type finding struct {
	incomplete bool

	remark string // one of the other remark…; empty: nothing else is wrong with it
	cause  error  // for the log: it may quote the message
}

// judge reads the message. The error is errStopping, or nil.
func (v *validator) judge(stopping context.Context, m *contract.TakeResponse) (finding, error) {
	found := func(remark string, cause error) (finding, error) {
		return finding{m.Incomplete, remark, cause}, nil
	}
	if m.Deaths >= maxDeaths {
		return found(remarkDied, fmt.Errorf("%d validators ended while they had it", m.Deaths))
	}
	for try := 1; ; try++ {
		err := v.read(stopping, m.Body)
		var parse *mail.ParseError
		switch {
		case err == nil:
			return found("", nil)
		case stopping.Err() != nil:
			return finding{}, errStopping
		case errors.As(err, &parse):
			return found(remarkUnparsed, err)
		case errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist):
			return found(remarkDamaged, fmt.Errorf("segment %d, offset %d: %w", m.Body.GetSegment(), m.Body.GetOffset(), err))
		case try == readTries:
			return found(remarkUnreadable, fmt.Errorf("segment %d, offset %d: %w", m.Body.GetSegment(), m.Body.GetOffset(), err))
		}
		v.log.Warn("body not read", "message", m.Id, "segment", m.Body.GetSegment(), "err", err)
		if !wait(stopping, readPause) {
			return finding{}, errStopping
		}
	}
}

// buffers are what bodies are read into, a piece at a time.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// read parses the body to its end, and past what can't be parsed to the end of its checksum: that it is
// damaged is the better reason.
func (v *validator) read(stopping context.Context, where *contract.Body) error {
	file, err := v.bodies.Open(fmt.Sprintf("%08d.seg", where.GetSegment()))
	if err != nil {
		return err
	}
	defer file.Close() // only ever read
	buffer := buffers.Get().(*bufio.Reader)
	defer buffers.Put(buffer)
	buffer.Reset(newBody(stopping, file, where))
	defer buffer.Reset(nil)

	found := mail.Check(buffer)
	if _, err := io.Copy(io.Discard, buffer); err != nil {
		return err
	}
	return found
}

// prefix gives the header lines that are put in front of the message when it is served.
func prefix(verdict string) []byte { return []byte("X-Postroom-Verdict: " + verdict + "\r\n") }

// verdict is the verdict with its remarks, as the line and the log have it.
func (f finding) verdict() string {
	verdict := contract.VerdictDeliver
	if f.incomplete {
		verdict += "; " + remarkIncomplete
	}
	if f.remark != "" {
		verdict += "; " + f.remark
	}
	return verdict
}
