package bodies_test

import (
	"bytes"
	"errors"
	"hash/crc32"
	"os"
	"strings"
	"syscall"
	"testing"

	"postroom/services/bodies"
)

// A lack of file descriptors says nothing about the mail.
func TestMayPass(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{&os.PathError{Op: "open", Path: "00000001.seg", Err: syscall.EMFILE}, true},
		{&os.PathError{Op: "open", Path: "00000001.seg", Err: syscall.EACCES}, true},
		{&os.PathError{Op: "open", Path: "00000001.seg", Err: syscall.ENOENT}, false},
		{&os.PathError{Op: "read", Path: "00000001.seg", Err: syscall.EIO}, false},
	} {
		if got := bodies.MayPass(tt.err); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.err, got, tt.want)
		}
	}
}

// What is damaged doesn't come out whole, wherever the damage is; what isn't comes out octet for octet.
func TestCopyTo(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, bodies.Piece - 1, bodies.Piece, bodies.Piece + 1, 3 * bodies.Piece} {
		const before = 7
		segment := []byte(strings.Repeat("?", before) + strings.Repeat("0123456789\r\n", length/12+1)[:length] + "behind")
		b := bodies.Body{Segment: 1, Offset: before, Length: int64(length),
			CRC32C: crc32.Checksum(segment[before:before+length], crc32.MakeTable(crc32.Castagnoli))}
		var out bytes.Buffer
		if err := b.CopyTo(&out, bytes.NewReader(segment)); err != nil || out.String() != string(segment[before:before+length]) {
			t.Errorf("%d octets: got %d octets, %v", length, out.Len(), err)
		}
		for _, at := range []int{0, length / 2, length - 1} {
			if at < 0 || length == 0 {
				continue
			}
			harmed := bytes.Clone(segment)
			harmed[before+at] ^= 4
			out.Reset()
			var damage *bodies.Damage
			if err := b.CopyTo(&out, bytes.NewReader(harmed)); !errors.As(err, &damage) || out.Len() >= length {
				t.Errorf("%d octets, the one at %d harmed: %d came out, %v", length, at, out.Len(), err)
			}
		}
		if length > 0 {
			var damage *bodies.Damage
			if err := b.CopyTo(&out, bytes.NewReader(segment[:before+length-1])); !errors.As(err, &damage) {
				t.Errorf("%d octets, cut off: %v", length, err)
			}
		}
	}
}
