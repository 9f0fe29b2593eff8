package validator

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"postroom/services/contract"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Why a body was not read to its end.
var (
	errStopping = errors.New("the service stops")
	errDamaged  = errors.New("damaged") // what is on disk is not what was stored
)

// body reads octets [offset, offset+length) of a segment, and gives errDamaged in the place of io.EOF where
// they don't fit their CRC-32C, or aren't there.
type body struct {
	ctx  context.Context // of one reading
	file io.ReaderAt

	at, end int64
	sum     uint32
	want    uint32
}

func newBody(ctx context.Context, file io.ReaderAt, where *contract.Body) *body {
	at := int64(where.GetOffset())
	return &body{ctx: ctx, file: file, at: at, end: at + int64(where.GetLength()), want: where.GetCrc32C()}
}

func (b *body) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, errStopping
	}
	if b.at == b.end {
		if b.sum != b.want {
			return 0, fmt.Errorf("%w: CRC-32C is %08x, not %08x", errDamaged, b.sum, b.want)
		}
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.end-b.at)]
	n, err := b.file.ReadAt(p, b.at)
	b.sum = crc32.Update(b.sum, castagnoli, p[:n])
	b.at += int64(n)
	switch {
	case n == len(p):
		return n, nil
	case err == io.EOF:
		return n, fmt.Errorf("%w: the segment ends at octet %d, the body at %d", errDamaged, b.at, b.end)
	}
	return n, fmt.Errorf("read from octet %d on: %w", b.at, err)
}
