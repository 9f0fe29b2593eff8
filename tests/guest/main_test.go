//go:build guest

// Package guest boots images in QEMU and tries them as their owners would: with mail clients, and by cutting the power.
package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"postroom/board"
	"postroom/image"
	"postroom/tools/guest"
)

// pipe is the argument that makes this program the pipe behind the guest's connections to a provider.
const pipe = "pipe"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == pipe {
		if err := guest.Pipe(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	status := m.Run()
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(status)
}

// folder holds the images of this run.
var folder string

var makeFolder = sync.OnceValue(func() (err error) {
	folder, err = os.MkdirTemp("", "postroom-images-")
	return err
})

// one builds an image once for all tests.
func one(name, program string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		if err := makeFolder(); err != nil {
			return "", err
		}
		b, err := board.Named(name)
		if err != nil {
			return "", err
		}
		out := filepath.Join(folder, name+"-"+filepath.Base(program)+".img")
		r, err := image.Build(context.Background(), image.Options{
			Board: b, Version: "0.1.0", Work: "../../build/image", Out: out, Program: program, Log: os.Stderr,
		})
		if err == nil && name == "qemu" && r.UKI > image.MaxUKI {
			err = fmt.Errorf("unified kernel image is %d octets long", r.UKI)
		}
		return out, err
	})
}

var (
	qemuImage  = one("qemu", "postroom/tools/postroom")
	pcImage    = one("pc", "postroom/tools/postroom")
	probeImage = one("qemu", "postroom/tests/guest/probe")
)
