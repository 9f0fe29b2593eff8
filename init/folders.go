package pid1

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A folder as it must be, whatever it was.
type folder struct {
	name     string
	uid, gid int
	mode     fs.FileMode
}

// make makes it, or puts owner and mode right.
func (f folder) make() error {
	if err := os.Mkdir(f.name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := errors.Join(os.Chown(f.name, f.uid, f.gid), os.Chmod(f.name, f.mode)); err != nil {
		return fmt.Errorf("folder %s: %w", f.name, err)
	}
	return nil
}

func makeFolders(folders []folder) error {
	for _, f := range folders {
		if err := f.make(); err != nil {
			return err
		}
	}
	return nil
}

// dataFolders are those on the data partition. Segments get the group of their folder.
func dataFolders() []folder {
	store := users["store"]
	return []folder{
		{storeFolder, store, bodiesGroup, 0o710},
		{bodiesFolder, store, bodiesGroup, 0o750 | fs.ModeSetgid},
		{logFolder, 0, 0, 0o700},
	}
}

func runFolders() []folder {
	return []folder{
		{socketFolder, 0, 0, 0o755},
		{keyFolder, users["store"], users["store"], 0o500},
		{consoleFolder, users["console"], users["console"], 0o500},
	}
}

// hand writes a file in memory for one service to read.
func hand(name string, content []byte, uid int) error {
	if err := os.WriteFile(name, content, 0o400); err != nil {
		return err
	}
	return os.Chown(name, uid, uid)
}
