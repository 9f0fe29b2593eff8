package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"postroom/services/contract"
	"postroom/services/store/disk"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// checkOctets is how much one call of Check reads.
const checkOctets = 64 << 20

// Check compares records with their rows, queue by queue; then the ledger with the queue of held mail; users with accounts and
// addresses; the Transport Queue as the other queues; and the counts of shared bodies with the rows that name them. The cursor is a
// part's place in this order, and the key of the row that was checked last.
func (a admin) Check(_ context.Context, q *contract.CheckRequest) (*contract.CheckResponse, error) {
	at, after := 0, []byte(nil)
	if len(q.Cursor) > 0 {
		at, after = int(q.Cursor[0]), q.Cursor[1:]
	}
	if at >= len(queues) {
		return a.checkRest(at, after)
	}
	c := checker{store: a.Store, answer: &contract.CheckResponse{}}
	defer c.close()
	type row struct {
		key     []byte
		message *rows.Message
	}
	var list []row
	done := true
	err := a.db.View(func(r *engine.Reader) error {
		octets := uint64(0)
		for key := range r.Scan(queues[at].bucket, nil, after) {
			if octets >= checkOctets || len(list) == messagesPerCall {
				done = false
				return nil
			}
			m := &rows.Message{}
			if _, err := r.Load(queues[at].bucket, key, m); err != nil {
				return err
			}
			list = append(list, row{bytes.Clone(key), m})
			octets += m.Body.Length
			if queues[at].bucket != engine.Held {
				continue
			}
			if problem, err := heldAlone(r, key); err != nil {
				return err
			} else if problem != "" {
				c.answer.Problems = append(c.answer.Problems, problem)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, row := range list {
		c.check(queues[at].name, row.key, row.message)
	}
	switch {
	case !done:
		c.answer.Cursor = append([]byte{byte(at)}, list[len(list)-1].key...)
	default:
		c.answer.Cursor = []byte{byte(at + 1)}
	}
	return c.answer, nil
}

// checkRest checks a part behind the queues. What checks it gives the key of the row that was checked last as the cursor, none when it
// has ended.
func (a admin) checkRest(at int, after []byte) (*contract.CheckResponse, error) {
	rest := []func(after []byte) (*contract.CheckResponse, error){a.checkLedger, a.checkUsers, a.checkTransport, a.checkShared}
	if at-len(queues) >= len(rest) {
		return nil, fmt.Errorf("%w: cursor", contract.ErrInvalid)
	}
	answer, err := rest[at-len(queues)](after)
	if err != nil {
		return nil, err
	}
	switch {
	case len(answer.Cursor) > 0:
		answer.Cursor = append([]byte{byte(at)}, answer.Cursor...)
	case at+1 < len(queues)+len(rest):
		answer.Cursor = []byte{byte(at + 1)}
	}
	return answer, nil
}

// checker compares one row after the other, and keeps the segment that it read last open.
type checker struct {
	store   *Store
	answer  *contract.CheckResponse
	segment uint32
	file    disk.File
}

func (c *checker) close() {
	if c.file != nil {
		c.file.Close()
	}
}

func (c *checker) check(queue string, key []byte, m *rows.Message) {
	c.checkBody(fmt.Sprintf("queue %s, message %d, account %x", queue, idOfKey(key), m.Account), m.Body, m.Account)
}

func (c *checker) checkBody(whose string, b *rows.Body, account []byte) {
	c.answer.Messages++
	c.answer.Octets += b.Length
	if err := c.compare(b, account); err != nil {
		c.answer.Problems = append(c.answer.Problems, fmt.Sprintf("%s: segment %d at %d: %v", whose, b.Segment, b.Offset, err))
	}
}

// compare compares a record with what a row of an account says; nil: of none. What was sent is of no account, whoever's
// row names it.
func (c *checker) compare(b *rows.Body, account []byte) error {
	if c.file == nil || c.segment != b.Segment {
		c.close()
		f, err := c.store.db.Open(b.Segment)
		if errors.Is(err, fs.ErrNotExist) {
			c.file = nil
			return errors.New("the segment is missing")
		}
		if err != nil {
			c.file = nil
			return err
		}
		c.file, c.segment = f, b.Segment
	}
	h, err := segment.ReadHeader(c.file, b.Offset)
	switch {
	case err != nil:
		return err
	case h.Length != b.Length || h.CRC32C != b.Crc32C || !bytes.Equal(h.SHA256[:], b.Sha256) || !fits(h, account):
		return errors.New("the record is another one than its row says")
	}
	return segment.Verify(c.file, b.Offset, h)
}

func fits(h segment.Header, account []byte) bool {
	if h.Kind == segment.Submitted {
		return h.Account == accountID{}
	}
	return bytes.Equal(h.Account[:], account)
}
