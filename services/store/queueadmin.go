package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

// queueOctetsPerCall bounds an answer of ListQueue; one mail alone may be longer.
const queueOctetsPerCall = 1 << 20

func (a admin) ListQueue(_ context.Context, q *contract.ListQueueRequest) (*contract.ListQueueResponse, error) {
	answer := &contract.ListQueueResponse{}
	octets := 0
	err := a.db.View(func(r *engine.Reader) error {
		var after []byte
		if q.After != 0 {
			after = idKey(q.After)
		}
		for key := range r.Scan(engine.Transport, nil, after) {
			m, err := loadQueued(r, idOfKey(key))
			if err != nil {
				return err
			}
			mail, err := contractTransport(r, m)
			if err != nil {
				return err
			}
			if octets += proto.Size(mail); octets > queueOctetsPerCall && len(answer.Mails) > 0 {
				answer.More = true
				return nil
			}
			answer.Mails = append(answer.Mails, mail)
		}
		return nil
	})
	return answer, err
}

// maxHeader is how much of a mail's header ShowQueued gives, octets.
const maxHeader = 64 << 10

func (a admin) ShowQueued(_ context.Context, q *contract.QueuedRequest) (*contract.ShowQueuedResponse, error) {
	answer := &contract.ShowQueuedResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		m, err := loadQueued(r, q.Id)
		if err == nil {
			answer.Mail, err = contractTransport(r, m)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	body := answer.Mail.Body
	f, err := a.db.Open(body.Segment)
	if err != nil {
		return nil, fmt.Errorf("%w: mail %d: %w", contract.ErrDamaged, q.Id, err)
	}
	defer f.Close()
	header := make([]byte, min(body.Length, maxHeader))
	if _, err := f.ReadAt(header, int64(body.Offset)); err != nil {
		return nil, fmt.Errorf("%w: read mail %d: %w", contract.ErrDamaged, q.Id, err)
	}
	if end := bytes.Index(header, []byte("\r\n\r\n")); end >= 0 {
		header = header[:end+2]
	}
	answer.Header = header
	return answer, nil
}

// ChangeQueued does what the owner wants of a mail: at once, or, of a recipient that is being tried, when that has ended.
func (a admin) ChangeQueued(ctx context.Context, q *contract.ChangeQueuedRequest) (*contract.ChangeQueuedResponse, error) {
	if _, ok := contract.ChangeQueuedRequest_Change_name[int32(q.Change)]; !ok || q.Change == contract.ChangeQueuedRequest_CHANGE_UNSPECIFIED {
		return nil, fmt.Errorf("%w: change %v", contract.ErrInvalid, q.Change)
	}
	if q.Id == 0 && (q.Change != contract.ChangeQueuedRequest_RETRY || q.Recipient != "") {
		return nil, fmt.Errorf("%w: which mail", contract.ErrInvalid)
	}
	answer := &contract.ChangeQueuedResponse{}
	if q.Id != 0 {
		err := a.db.Update(ctx, func(t *engine.Txn) (err error) {
			answer.Recipients, err = a.changeQueued(t, q.Id, q)
			return err
		})
		return answer, err
	}
	for after := uint64(0); ; {
		ids, err := a.queuedBehind(after)
		if err != nil || len(ids) == 0 {
			return answer, err
		}
		n := uint64(0)
		err = a.db.Update(ctx, func(t *engine.Txn) error {
			n = 0
			for _, id := range ids {
				if t.Get(engine.Transport, idKey(id)) == nil {
					continue
				}
				changed, err := a.changeQueued(t, id, q)
				if err != nil {
					return err
				}
				n += changed
			}
			return nil
		})
		if err != nil {
			return answer, err
		}
		answer.Recipients += n
		after = ids[len(ids)-1]
	}
}

// changedAtOnce bounds a commit.
const changedAtOnce = 500

func (s *Store) queuedBehind(after uint64) (ids []uint64, err error) {
	err = s.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Transport, nil, idKey(after)) {
			if ids = append(ids, idOfKey(key)); len(ids) == changedAtOnce {
				return nil
			}
		}
		return nil
	})
	return ids, err
}

func (s *Store) changeQueued(t *engine.Txn, id uint64, q *contract.ChangeQueuedRequest) (changed uint64, err error) {
	m, err := loadQueued(&t.Reader, id)
	if err != nil {
		return 0, err
	}
	found := false
	for i, r := range m.recipients {
		if q.Recipient != "" && !strings.EqualFold(q.Recipient, r.Address) {
			continue
		}
		found = true
		if wish(t, r, q.Change) {
			m.touch(i)
			changed++
		}
	}
	if !found {
		return 0, fmt.Errorf("%w: mail %d has no recipient %.200q", contract.ErrNotFound, id, q.Recipient)
	}
	if q.Change == contract.ChangeQueuedRequest_RETRY {
		owner, err := accountIfAny(&t.Reader, m.Owner)
		if err != nil {
			return 0, err
		}
		if owner != nil && owner.RelayRefused {
			s.acceptRelayLogin(t, owner)
			s.saveAccount(t, owner)
		}
	}
	if changed == 0 {
		return 0, nil
	}
	t.After(func() {
		s.log.Info("queue changed by the owner", "queue", contract.QueueTransport, "message", id, "change", q.Change.String(), "recipients", changed)
	})
	return changed, s.keepTransport(t, m)
}

// wish does to a recipient what the owner wants, and tells whether that changed anything.
func wish(t *engine.Txn, r *rows.Recipient, want contract.ChangeQueuedRequest_Change) bool {
	now := t.Now().UnixNano()
	if r.State == sending {
		before := r.Wish
		switch {
		case want == contract.ChangeQueuedRequest_RELEASE && r.Wish == uint32(contract.ChangeQueuedRequest_HOLD):
			r.Wish = 0
		case want == contract.ChangeQueuedRequest_RELEASE, want == contract.ChangeQueuedRequest_RETRY:
		default:
			r.Wish = uint32(want)
		}
		return r.Wish != before
	}
	switch want {
	case contract.ChangeQueuedRequest_RETRY:
		if r.State != waiting || r.NextTry <= now {
			return false
		}
		r.NextTry = now
		return true
	case contract.ChangeQueuedRequest_HOLD:
		if r.State != waiting && (r.State != onHold || !r.NoAccount) {
			return false
		}
		r.State, r.NoAccount = onHold, false
	case contract.ChangeQueuedRequest_RELEASE:
		if r.State != onHold {
			return false
		}
		release(t, r)
	case contract.ChangeQueuedRequest_DROP:
		if r.State != waiting && r.State != onHold {
			return false
		}
		r.State, r.NextTry = dropped, now
	case contract.ChangeQueuedRequest_DROP_SILENT:
		if done(r) {
			return false
		}
		r.State, r.Text = failed, "dropped by the owner"
	}
	r.Changed = now
	return true
}

// grantWish does what the owner wanted while a recipient was being tried.
func grantWish(t *engine.Txn, r *rows.Recipient) {
	if want := r.Wish; want != 0 {
		r.Wish = 0
		wish(t, r, contract.ChangeQueuedRequest_Change(want))
	}
}
