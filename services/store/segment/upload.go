package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"postroom/services/store/disk"
)

// Upload is a large body that comes in chunks, under a name of its own until it is whole. It is for one
// goroutine at a time.
type Upload struct {
	set    *Set
	number uint32
	name   string
	file   disk.File
	digest *digest
}

// Upload begins a segment for one large body.
func (s *Set) Upload() (*Upload, error) {
	number := s.takeNumber()
	name := filepath.Join(s.dir, largeStart+Name(number))
	f, err := s.fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("begin segment %d: %w", number, err)
	}
	return &Upload{set: s, number: number, name: name, file: f, digest: newDigest()}, nil
}

// Length is the octets that were appended.
func (u *Upload) Length() uint64 { return u.digest.length }

// Append appends a chunk. After an error the upload can only be aborted.
func (u *Upload) Append(chunk []byte) error {
	if _, err := u.file.WriteAt(chunk, int64(HeaderSize+u.digest.length)); err != nil {
		return fmt.Errorf("append to segment %d: %w", u.number, err)
	}
	u.digest.write(chunk)
	return nil
}

// Finish writes the record's header, syncs the segment, gives it its name and syncs the folder. A note may
// name the location from then on. After an error the upload can only be aborted.
func (u *Upload) Finish(kind Kind, account [16]byte, now time.Time) (Location, error) {
	h := u.digest.header(kind, account, now)
	var b [HeaderSize]byte
	h.encode(b[:])
	if _, err := u.file.WriteAt(b[:], 0); err != nil {
		return Location{}, fmt.Errorf("finish segment %d: %w", u.number, err)
	}
	if err := u.file.Sync(); err != nil {
		return Location{}, fmt.Errorf("sync segment %d: %w", u.number, err)
	}
	if err := u.set.fs.Rename(u.name, u.set.path(u.number)); err != nil {
		return Location{}, fmt.Errorf("finish segment %d: %w", u.number, err)
	}
	u.name = u.set.path(u.number)
	if err := u.set.fs.SyncDir(u.set.dir); err != nil {
		return Location{}, fmt.Errorf("finish segment %d: %w", u.number, err)
	}
	return Location{
		Segment: u.number, Offset: HeaderSize, Length: h.Length,
		CRC32C: h.CRC32C, SHA256: h.SHA256, OpenEnd: u.digest.openEnd(),
	}, u.file.Close()
}

// Abort removes what was written.
func (u *Upload) Abort() error {
	return errors.Join(ignoreClosed(u.file.Close()), u.set.fs.Remove(u.name))
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
