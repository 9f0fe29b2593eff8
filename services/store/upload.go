package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/store/segment"
)

const (
	uploadIdle = 10 * time.Minute // without a chunk: forgotten
	maxUploads = 256              // at once
)

// uploads are the large bodies that come in chunks.
type uploads struct {
	store *Store
	mu    sync.Mutex // guards the maps and last; an upload has its own
	last  uint64
	open  map[uint64]*upload
}

type upload struct {
	kind    segment.Kind
	account accountID // of a Submitted one: none's

	mu       sync.Mutex
	body     *segment.Upload
	finished *segment.Location // durable under its own name, and not in a note yet
	gone     bool
	idle     *time.Timer
}

func (u *uploads) start(s *Store) {
	u.store = s
	u.open = make(map[uint64]*upload)
}

func (u *uploads) get(id uint64) (*upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if up := u.open[id]; up != nil {
		return up, nil
	}
	return nil, fmt.Errorf("%w: upload %d", contract.ErrNotFound, id)
}

func (u *uploads) begin(kind segment.Kind, account accountID) (uint64, error) {
	body, err := u.store.db.Upload()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", contract.ErrUnavailable, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.open) >= maxUploads {
		return 0, errors.Join(fmt.Errorf("%w: %d uploads are under way", contract.ErrUnavailable, len(u.open)), body.Abort())
	}
	u.last++
	id := u.last
	up := &upload{kind: kind, account: account, body: body}
	up.idle = time.AfterFunc(uploadIdle, func() { u.abort(id) })
	u.open[id] = up
	return id, nil
}

func (up *upload) append(offset uint64, chunk []byte) error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.gone || up.finished != nil {
		return fmt.Errorf("%w: the upload has ended", contract.ErrConflict)
	}
	up.idle.Reset(uploadIdle)
	switch length := up.body.Length(); {
	case offset+uint64(len(chunk)) == length:
		return nil // a repetition
	case offset != length:
		return fmt.Errorf("%w: chunk at %d of an upload of %d octets", contract.ErrConflict, offset, length)
	}
	if err := up.body.Append(chunk); err != nil {
		return fmt.Errorf("%w: %w", contract.ErrUnavailable, err)
	}
	return nil
}

// finish makes an upload durable under its own name; a put that is repeated gets the same location.
func (u *uploads) finish(id uint64, kind segment.Kind, account accountID) (segment.Location, error) {
	up, err := u.get(id)
	if err != nil {
		return segment.Location{}, err
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	switch {
	case up.kind != kind || up.account != account:
		return segment.Location{}, fmt.Errorf("%w: upload %d is another caller's", contract.ErrInvalid, id)
	case up.gone:
		return segment.Location{}, fmt.Errorf("%w: upload %d", contract.ErrNotFound, id)
	case up.finished != nil:
		return *up.finished, nil
	}
	up.idle.Stop() // from here on it waits for its note
	l, err := up.body.Finish(kind, account, u.store.now())
	if err != nil {
		up.gone = true
		u.forget(id)
		return l, fmt.Errorf("%w: %w", contract.ErrUnavailable, errors.Join(err, up.body.Abort()))
	}
	up.finished = &l
	return l, nil
}

// done forgets an upload that a note names now.
func (u *uploads) done(id uint64) { u.forget(id) }

func (u *uploads) forget(id uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, id)
}

// abort removes an upload that nobody goes on with. One that is finished stays: its put may be under way.
func (u *uploads) abort(id uint64) {
	up, err := u.get(id)
	if err != nil {
		return
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.gone || up.finished != nil {
		return
	}
	up.gone = true
	up.idle.Stop()
	u.forget(id)
	if err := up.body.Abort(); err != nil {
		u.store.log.Warn("upload is not removed", "err", err)
	}
}

func (u *uploads) abortAll() {
	u.mu.Lock()
	ids := make([]uint64, 0, len(u.open))
	for id := range u.open {
		ids = append(ids, id)
	}
	u.mu.Unlock()
	for _, id := range ids {
		u.abort(id)
	}
}

func (f fetcher) BeginUpload(ctx context.Context, q *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error) {
	account, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	return f.beginUpload(ctx, segment.Received, account)
}

func (f fetcher) AppendUpload(ctx context.Context, q *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error) {
	return f.appendUpload(ctx, q)
}

func (f fetcher) AbortUpload(_ context.Context, q *contract.AbortUploadRequest) (*contract.AbortUploadResponse, error) {
	f.uploads.abort(q.Upload)
	return &contract.AbortUploadResponse{}, nil
}

func (p smtp) BeginUpload(ctx context.Context, q *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error) {
	if len(q.Account) > 0 {
		return nil, fmt.Errorf("%w: a mail that is sent is of no account", contract.ErrInvalid)
	}
	return p.beginUpload(ctx, segment.Submitted, accountID{})
}

func (p smtp) AppendUpload(ctx context.Context, q *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error) {
	return p.appendUpload(ctx, q)
}

func (p smtp) AbortUpload(_ context.Context, q *contract.AbortUploadRequest) (*contract.AbortUploadResponse, error) {
	p.uploads.abort(q.Upload)
	return &contract.AbortUploadResponse{}, nil
}

func (s *Store) beginUpload(ctx context.Context, kind segment.Kind, account accountID) (*contract.BeginUploadResponse, error) {
	if err := s.lookAtDisk(ctx); err != nil {
		return nil, err
	}
	id, err := s.uploads.begin(kind, account)
	return &contract.BeginUploadResponse{Upload: id}, err
}

func (s *Store) appendUpload(ctx context.Context, q *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error) {
	if len(q.Chunk) == 0 || len(q.Chunk) > contract.MaxPut {
		return nil, fmt.Errorf("%w: chunk of %d octets, not 1 to %d", contract.ErrInvalid, len(q.Chunk), contract.MaxPut)
	}
	if err := s.mayTakeIn(ctx, len(q.Chunk)); err != nil {
		return nil, err
	}
	up, err := s.uploads.get(q.Upload)
	if err != nil {
		return nil, err
	}
	return &contract.AppendUploadResponse{}, up.append(q.Offset, q.Chunk)
}
