package engine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"postroom/services/store/notes"
)

// change is one row that a note sets or removes.
type change struct {
	bucket Bucket
	remove bool
	key    []byte
	value  []byte
}

const (
	opPut    = 1
	opRemove = 2
)

// appendChange adds a change's form in a note: op 1 | bucket 1 | key length | key [| value length | value],
// lengths as unsigned varints.
func appendChange(b []byte, c change) []byte {
	op := byte(opPut)
	if c.remove {
		op = opRemove
	}
	b = append(b, op, byte(c.bucket))
	b = binary.AppendUvarint(b, uint64(len(c.key)))
	b = append(b, c.key...)
	if !c.remove {
		b = binary.AppendUvarint(b, uint64(len(c.value)))
		b = append(b, c.value...)
	}
	return b
}

var errChange = errors.New("row change that can't be read")

// decodeChanges calls apply for each change of a note; the slices alias payload.
func decodeChanges(payload []byte, apply func(change) error) error {
	field := func() ([]byte, error) {
		n, size := binary.Uvarint(payload)
		if size <= 0 || n > uint64(len(payload)-size) {
			return nil, errChange
		}
		f := payload[size : size+int(n)]
		payload = payload[size+int(n):]
		return f, nil
	}
	for len(payload) > 0 {
		if len(payload) < 2 || payload[0] != opPut && payload[0] != opRemove {
			return errChange
		}
		c := change{remove: payload[0] == opRemove, bucket: Bucket(payload[1])}
		if _, ok := bucketNames[c.bucket]; !ok {
			return fmt.Errorf("%w: row changes of %v", notes.ErrVersion, c.bucket)
		}
		payload = payload[2:]
		var err error
		if c.key, err = field(); err != nil {
			return err
		}
		if !c.remove {
			if c.value, err = field(); err != nil {
				return err
			}
		}
		if err := apply(c); err != nil {
			return err
		}
	}
	return nil
}
