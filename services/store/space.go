package store

import (
	"context"
	"fmt"

	"postroom/services/contract"
)

// Intake stops while less than a tenth of the data partition is free, but at least leastReserve and at most
// mostReserve octets: what serving and deleting still need, notes and checkpoints above all.
const (
	leastReserve = 16 << 20
	mostReserve  = 256 << 20
)

func reserve(size uint64) uint64 { return min(max(size/10, leastReserve), mostReserve) }

// mayTakeIn says contract.ErrFull when the disk is too full for new mail, and keeps the condition that
// says so to a person.
func (s *Store) mayTakeIn(ctx context.Context) error {
	free, size, err := s.db.Free()
	if err != nil {
		return err
	}
	full := free < reserve(size)
	text := fmt.Sprintf("less than %d MiB are free on the data partition: no mail is taken in until there is room; what is here is served", reserve(size)>>20)
	if err := s.keepCondition(ctx, full, contract.ConditionDiskFull, "", text); err != nil {
		return err
	}
	if full {
		return fmt.Errorf("%w: %d of %d MiB are free", contract.ErrFull, free>>20, size>>20)
	}
	return nil
}
