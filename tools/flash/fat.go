package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A fat is the file system of a boot partition, worked on with mtools: nothing is mounted. Names are paths from its
// root, and are the same in upper and lower case.
type fat struct {
	device string
	start  int64 // octets from the device's beginning
	cut    func() error
}

// files gives all files.
func (f fat) files(ctx context.Context) ([]string, error) {
	text, err := f.tool(ctx, "mdir", "-a", "-b", "-/", "::/")
	if err != nil {
		return nil, fmt.Errorf("list files of the boot partition: %w", err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		name := strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "::/")
		if name != "" && !strings.HasSuffix(name, "/") {
			all = append(all, name)
		}
	}
	return all, nil
}

func (f fat) read(ctx context.Context, name string) ([]byte, error) {
	content, err := f.tool(ctx, "mcopy", "::/"+name, "-")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, nil
}

// create makes a file that isn't there. It goes by way of a file here: of what comes in a pipe mcopy writes as much as
// there is room for, and says that all went well.
func (f fat) create(ctx context.Context, name string, content []byte) error {
	from, err := os.CreateTemp("", "flash-")
	if err != nil {
		return err
	}
	defer os.Remove(from.Name())
	_, err = from.Write(content)
	if err := errors.Join(err, from.Close()); err != nil {
		return err
	}
	if _, err := f.tool(ctx, "mcopy", from.Name(), "::/"+name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// makeFolder makes a folder that may be there. That it couldn't be made, the next file in it says.
func (f fat) makeFolder(ctx context.Context, name string) {
	f.tool(ctx, "mmd", "-D", "s", "::/"+name)
}

func (f fat) remove(ctx context.Context, name string) error {
	if _, err := f.tool(ctx, "mdel", "::/"+name); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// move gives a file another folder, where there must be none of its name.
func (f fat) move(ctx context.Context, name, folder string) error {
	if _, err := f.tool(ctx, "mmove", "::/"+name, "::/"+folder); err != nil {
		return fmt.Errorf("move %s to %s: %w", name, folder, err)
	}
	return nil
}

// tool runs one of mtools, without input: none of them can ask anything.
func (f fat) tool(ctx context.Context, name string, args ...string) ([]byte, error) {
	if f.cut != nil && name != "mdir" && args[len(args)-1] != "-" {
		if err := f.cut(); err != nil {
			return nil, err
		}
	}
	var out, problem bytes.Buffer
	all := slices.Concat([]string{"-i", fmt.Sprintf("%s@@%d", f.device, f.start)}, args)
	c := exec.CommandContext(ctx, name, all...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1")
	c.Stdout, c.Stderr = &out, &problem
	if err := c.Run(); errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: package mtools has it (make deps)", err)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(problem.String()))
	}
	return out.Bytes(), nil
}
