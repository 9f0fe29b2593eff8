package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"
	"postroom/services/wire"
)

const firstScratch = 64 << 10 // octets; it grows to contract.MaxPut where mails do

// content is a mail as RETR gave it, from its first octet to its last.
type content struct {
	sha    digest
	head   digest // of the header
	rest   digest // of what stands behind it
	octets uint64
	body   []byte  // in the session's scratch buffer, good until the next mail; or:
	upload *upload // where it's longer than that
}

// read takes a mail in: into the scratch buffer as far as it fits, else to the store chunk by chunk. There
// is no content where the mail has to stay at the provider this time, for its size or for the store.
func (s *session) read(ctx context.Context, body *wire.DotReader, e provider.Entry) (*content, error) {
	var c content
	whole, rest := sha256.New(), sha256.New()
	head := mail.HeaderHasher{Rest: rest}
	if s.scratch == nil {
		s.scratch = make([]byte, 0, firstScratch)
	}
	s.scratch = s.scratch[:0]
	var text []byte // the mail's beginning, once it isn't in the scratch buffer any more
	for {
		if len(s.scratch) == cap(s.scratch) {
			if c.upload == nil && cap(s.scratch) >= contract.MaxPut {
				text = bytes.Clone(s.scratch[:firstScratch])
			}
			if err := s.makeRoom(ctx, &c); err != nil {
				c.drop(ctx)
				return nil, s.skip(body, e, err)
			}
		}
		n, err := body.Read(s.scratch[len(s.scratch):cap(s.scratch)])
		piece := s.scratch[len(s.scratch) : len(s.scratch)+n]
		s.scratch = s.scratch[:len(s.scratch)+n]
		whole.Write(piece)
		head.Write(piece)
		c.octets += uint64(n)
		if err == io.EOF {
			break
		}
		if errors.Is(err, wire.ErrTooLarge) {
			c.drop(ctx)
			if text == nil {
				text = s.scratch
			}
			return nil, s.overflow(ctx, body, e, top{given: true, head: head.Sum(), text: text})
		}
		if err != nil {
			c.drop(ctx)
			return nil, s.conn.Broken(err)
		}
	}
	if c.upload != nil {
		if err := c.upload.append(ctx, s.scratch); err != nil {
			c.drop(ctx)
			return nil, s.skip(nil, e, err)
		}
	} else {
		c.body = s.scratch
	}
	s.result.Octets += c.octets
	whole.Sum(c.sha[:0])
	c.head = head.Sum()
	rest.Sum(c.rest[:0])
	return &c, ctx.Err()
}

// overflow leaves a mail at the provider that is over the limit, whatever LIST said. Its notice is on its way before
// its rest is read, so that a mail without end breaks one session alone.
func (s *session) overflow(ctx context.Context, body *wire.DotReader, e provider.Entry, t top) error {
	if err := s.notify(ctx, e, t, max(e.Size, s.Limits.Mail)); err != nil {
		return err
	}
	return s.broken(body.Drain(int64(s.Limits.Mail)))
}

// makeRoom empties the full scratch buffer into an upload, or makes it larger.
func (s *session) makeRoom(ctx context.Context, c *content) error {
	if size := cap(s.scratch); size < contract.MaxPut {
		larger := make([]byte, len(s.scratch), min(2*size, contract.MaxPut))
		copy(larger, s.scratch)
		s.scratch = larger
		return nil
	}
	if c.upload == nil {
		var err error
		if c.upload, err = begin(ctx, s.Store, s.Account); err != nil {
			return err
		}
	}
	err := c.upload.append(ctx, s.scratch)
	s.scratch = s.scratch[:0]
	return err
}

// skip gives up a mail that the store doesn't take, and reads on behind it. An upload that the store forgot, when
// it restarted, is no fault: the next session brings that mail again.
func (s *session) skip(body *wire.DotReader, e provider.Entry, err error) error {
	s.again = true
	s.Log.Warn("mail not uploaded", "number", e.Number, "err", err)
	if !errors.Is(err, contract.ErrNotFound) {
		s.fail(err)
	}
	if body == nil {
		return nil
	}
	return s.broken(body.Drain(int64(s.Limits.Mail)))
}

// drop forgets what isn't to be put.
func (c *content) drop(ctx context.Context) {
	if c.upload != nil {
		c.upload.abort(ctx)
	}
}

// upload is a mail that the store takes in chunks.
type upload struct {
	store Store
	id    uint64
	sent  uint64 // octets
}

func begin(ctx context.Context, store Store, account []byte) (*upload, error) {
	answer, err := contract.Call(ctx, store, contract.FetcherService.BeginUpload, &contract.BeginUploadRequest{Account: account})
	if err != nil {
		return nil, fmt.Errorf("begin to upload a mail: %w", err)
	}
	return &upload{store: store, id: answer.Upload}, nil
}

func (u *upload) append(ctx context.Context, chunk []byte) error {
	if len(chunk) == 0 {
		return nil
	}
	_, err := contract.Call(ctx, u.store, contract.FetcherService.AppendUpload, &contract.AppendUploadRequest{
		Upload: u.id, Offset: u.sent, Chunk: chunk,
	})
	if err != nil {
		return fmt.Errorf("upload a mail behind octet %d: %w", u.sent, err)
	}
	u.sent += uint64(len(chunk))
	return nil
}

// abort is a courtesy: the store forgets an upload by itself.
func (u *upload) abort(ctx context.Context) {
	contract.Call(ctx, u.store, contract.FetcherService.AbortUpload, &contract.AbortUploadRequest{Upload: u.id})
}
