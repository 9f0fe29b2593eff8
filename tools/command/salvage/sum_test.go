package salvage

import (
	"encoding/binary"
	"hash/crc32"

	"postroom/services/store/segment"
)

// sum puts a header's own checksum right (segment.HeaderSize).
func sum(header []byte) {
	const at = segment.HeaderSize - 4
	binary.LittleEndian.PutUint32(header[at:], crc32.Checksum(header[:at], segment.Table))
}
