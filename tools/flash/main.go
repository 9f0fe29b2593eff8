// Flash puts a disk image on a real disk. A disk with a Postroom on it gets the image's system alone: its mail,
// settings and keys stay. Any other disk is written from scratch; one that isn't empty, or has mail on it, only for
// who knows its serial number.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "flash:", err)
		os.Exit(1)
	}
}

func run() error {
	image := flag.String("image", "", "disk image to write")
	path := flag.String("disk", "", "device of a whole disk, such as /dev/sdb")
	wipe := flag.String("wipe", "", "erase what is on the disk: its serial `number`, which says that it is this one")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("argument %q: only options are taken", flag.Arg(0))
	case *image == "" || *path == "":
		return errors.New("-image and -disk must be given (make flash: BOARD=pc DISK=/dev/…)")
	}
	d, err := open(thisMachine, *path)
	if err != nil {
		return err
	}
	person := person{in: os.Stdin, out: os.Stdout, terminal: terminal(os.Stdin)}
	return errors.Join(flash(context.Background(), d, *image, *wipe, person), d.file.Close())
}
