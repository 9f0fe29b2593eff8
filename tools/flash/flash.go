package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// A person is who decides.
type person struct {
	in       io.Reader
	out      io.Writer
	terminal bool // in is one
}

// flash puts an image on a disk, after a person said yes to it.
func flash(ctx context.Context, d *disk, imageFile, wipe string, p person) error {
	img, err := openImage(ctx, imageFile)
	if err != nil {
		return fmt.Errorf("image %s: %w", imageFile, err)
	}
	defer img.file.Close()
	found, err := inspect(d.file, d.size)
	if err != nil {
		return fmt.Errorf("disk %s: %w", d.path, err)
	}
	show(p.out, d, found)
	whole, err := decide(d.facts, found, img.size, wipe)
	if err != nil {
		return fmt.Errorf("disk %s: %w", d.path, err)
	}
	if whole {
		fmt.Fprintf(p.out, "EVERYTHING on this disk will be erased, and %s put on it.\n", img.slot)
	} else {
		fmt.Fprintf(p.out, "Its system will be replaced by %s. Mail, settings and keys stay.\n", img.slot)
	}
	if err := p.agree(); err != nil {
		return err
	}
	// Not before: a person who is asked can end it as always.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if whole {
		err = writeWhole(ctx, d, img.file, img.size, p.out)
	} else {
		err = replaceSystem(ctx, d, found.boot, img, p.out)
	}
	if err != nil {
		return fmt.Errorf("disk %s: %w", d.path, err)
	}
	fmt.Fprintf(p.out, "Done, read back and compared. %s can start from it.\n", img.slot)
	return nil
}

// show says which disk it is, and what is on it.
func show(to io.Writer, d *disk, found content) {
	known := func(text string) string {
		if text == "" {
			return "unknown"
		}
		return fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(to, "disk %s (%s): %s, model %s, serial number %s\n", d.path, d.name, gibibytes(d.size), known(d.model), known(d.serial))
	switch {
	case found.data != nil:
		fmt.Fprintln(to, "On it is a Postroom:")
	case found.blank:
		fmt.Fprintln(to, "It is empty.")
	default:
		fmt.Fprintln(to, "On it is:")
	}
	for _, line := range found.shown {
		fmt.Fprintln(to, "  "+line)
	}
}

// decide says whether the whole disk is to be written, or its system replaced. What would lose something that nobody
// asked to lose is refused.
func decide(d facts, found content, image int64, wipe string) (whole bool, err error) {
	switch {
	case d.sector != sector:
		return false, fmt.Errorf("its sectors have %d octets; the image is for those of %d", d.sector, sector)
	case d.size < image:
		return false, fmt.Errorf("it holds %d octets, and the image has %d", d.size, image)
	case wipe != "" && d.serial == "":
		return false, fmt.Errorf("it tells no serial number that -wipe %q could be compared with; %s", wipe, erase(d))
	case wipe != "" && wipe != d.serial:
		return false, fmt.Errorf("-wipe %q is not its serial number, which is %q: nothing was written", wipe, d.serial)
	case wipe != "" || found.blank:
		return true, nil
	case found.data != nil && found.boot != nil:
		return false, nil
	case found.data != nil:
		return false, fmt.Errorf("it holds mail of a Postroom, but no boot partition of one whose system could be replaced; %s", erase(d))
	}
	return false, fmt.Errorf("it is not empty; %s", erase(d))
}

// erase says how to have the disk erased.
func erase(d facts) string {
	if d.serial == "" {
		return fmt.Sprintf("if all that is on it may go, overwrite it first (blkdiscard --zeroout %s), then flash it again", d.path)
	}
	return fmt.Sprintf("if all that is on it may go, say its serial number: -wipe '%s' (make flash: WIPE='%s')", d.serial, d.serial)
}

// agree asks once.
func (p person) agree() error {
	if !p.terminal {
		return errors.New("nobody is there to say yes: start it in a terminal, its input not redirected; nothing was written")
	}
	fmt.Fprint(p.out, `Type "yes" to go on: `)
	line, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimRight(line, "\r\n") != "yes" {
		return errors.New(`the answer was not "yes": nothing was written`)
	}
	return nil
}

// gibibytes shows a size as people know disks by it.
func gibibytes(octets int64) string {
	if octets >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(octets)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", octets>>20)
}
