package supervisor

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	access "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

const (
	readFile = access.AccessFSReadFile
	execFile = access.AccessFSReadFile | access.AccessFSExecute

	readFolder  = readFile | access.AccessFSReadDir
	execFolder  = execFile | access.AccessFSReadDir
	writeFolder = readFolder | access.AccessFSWriteFile | access.AccessFSTruncate | access.AccessFSRefer |
		access.AccessFSMakeReg | access.AccessFSMakeDir | access.AccessFSRemoveFile | access.AccessFSRemoveDir
	writeFile = readFile | access.AccessFSWriteFile | access.AccessFSTruncate
)

// restrict leaves this process, for good, only f's folders and the binary that it runs. A kernel
// without Landlock, or of a version before 2 (Linux 5.19), is an error, never less than was asked for.
// Version 2 doesn't cover truncation: file modes must refuse that.
func (f *Folders) restrict() error {
	version, err := access.LandlockGetABIVersion()
	if err != nil {
		return fmt.Errorf("ask the kernel for Landlock: %w", err)
	}
	// What later versions could restrict beyond files is left alone: services would behave differently by kernel.
	config := landlock.V2
	if version >= 3 {
		config = landlock.V3
	}
	rules := []landlock.Rule{landlock.PathAccess(execFile, "/proc/self/exe")}
	for _, list := range []struct {
		paths        []string
		folder, file landlock.AccessFSSet
	}{
		{f.Read, readFolder, readFile},
		{f.Write, writeFolder, writeFile},
		{f.Exec, execFolder, execFile},
	} {
		for _, path := range list.paths {
			info, err := os.Stat(path)
			if err != nil {
				return fmt.Errorf("restrict to folders: %w", err)
			}
			rights := list.file
			if info.IsDir() {
				rights = list.folder
			}
			rules = append(rules, landlock.PathAccess(rights&config.HandledAccessFS, path))
		}
	}
	if err := config.Restrict(rules...); err != nil {
		return fmt.Errorf("restrict to folders: %w", err)
	}
	return nil
}
