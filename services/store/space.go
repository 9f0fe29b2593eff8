package store

import (
	"context"
	"fmt"
	"sync/atomic"

	"postroom/services/contract"
)

// Intake stops while less than a tenth of the data partition is free, but at least leastReserve and at most
// mostReserve octets: what serving and deleting still need, notes and checkpoints above all.
const (
	leastReserve = 16 << 20
	mostReserve  = 256 << 20
)

func reserve(size uint64) uint64 { return min(max(size/10, leastReserve), mostReserve) }

// lookAfter is how many octets are taken in before the disk is looked at again: few beside the reserve.
const lookAfter = 1 << 20

// room is how many octets may still be taken in before the disk is looked at again.
type room struct{ left atomic.Int64 }

// mayTakeIn says contract.ErrFull when the disk is too full for so many octets of new mail.
func (s *Store) mayTakeIn(ctx context.Context, octets int) error {
	if s.room.left.Add(-int64(octets)) >= 0 {
		return nil
	}
	return s.lookAtDisk(ctx)
}

// lookAtDisk says contract.ErrFull when the disk is too full for new mail, and keeps the condition that says
// so to a person.
func (s *Store) lookAtDisk(ctx context.Context) error {
	free, size, err := s.db.Free()
	if err != nil {
		return err
	}
	full := free < reserve(size)
	text := fmt.Sprintf("less than %d MiB are free on the data partition: no mail is taken in until there is room; what is here is served", reserve(size)>>20)
	s.room.left.Store(0)
	if err := s.keepCondition(ctx, full, contract.ConditionDiskFull, "", text); err != nil {
		return err
	}
	if full {
		return fmt.Errorf("%w: %d of %d MiB are free", contract.ErrFull, free>>20, size>>20)
	}
	s.room.left.Store(lookAfter)
	return nil
}
