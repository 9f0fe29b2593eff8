package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Tree is a folder and all below it, at one moment.
type Tree struct {
	Nodes map[string]Node // by path; "." is the folder itself
}

// Node is a file or a folder.
type Node struct {
	File uint64
	Dir  bool
	Mode uint32 // permissions
	Data []byte
}

const rootID = 1

// Empty gives a folder with nothing in it.
func Empty() *Tree {
	return &Tree{Nodes: map[string]Node{".": {File: rootID, Dir: true, Mode: 0o755}}}
}

// paths gives the paths, a folder before what is in it.
func (t *Tree) paths() []string {
	list := make([]string, 0, len(t.Nodes))
	for path := range t.Nodes {
		list = append(list, path)
	}
	slices.Sort(list)
	return list
}

// Write makes the tree in dir, which is made and must be new or empty.
func (t *Tree) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, path := range t.paths() {
		n, name := t.Nodes[path], filepath.Join(dir, path)
		switch {
		case path == ".":
		case n.Dir:
			if err := os.Mkdir(name, fs.FileMode(n.Mode)); err != nil {
				return err
			}
		default:
			if err := writeFile(name, n); err != nil {
				return fmt.Errorf("write %s: %w", path, err)
			}
		}
	}
	return nil
}

var zeros [64 << 10]byte

// writeFile leaves zeros out: a file of notes is mostly that.
func writeFile(name string, n Node) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(n.Mode))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(int64(len(n.Data))); err != nil {
		return err
	}
	for at := 0; at < len(n.Data); at += len(zeros) {
		part := n.Data[at:min(at+len(zeros), len(n.Data))]
		if bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		if _, err := f.WriteAt(part, int64(at)); err != nil {
			return err
		}
	}
	return nil
}
