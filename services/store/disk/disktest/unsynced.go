package disktest

import "postroom/services/store/disk"

// Unsynced is the real file system without its syncs, for tests that end processes and not machines: the kernel keeps what
// was written, and many starts take little time.
type Unsynced struct{ disk.OS }

func (u Unsynced) Create(name string) (disk.File, error) { return unsynced(u.OS.Create(name)) }

func (u Unsynced) CreatePrivate(name string) (disk.File, error) {
	return unsynced(u.OS.CreatePrivate(name))
}

func (u Unsynced) Open(name string) (disk.File, error) { return unsynced(u.OS.Open(name)) }

func (Unsynced) SyncDir(string) error { return nil }

func unsynced(f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

type unsyncedFile struct{ disk.File }

func (unsyncedFile) Sync() error { return nil }
