// Image makes the disk image of a board.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"postroom/board"
	"postroom/image"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	o := image.Options{Log: os.Stderr}
	name := flag.String("board", "qemu", "board: "+strings.Join(board.Names(), ", "))
	flag.StringVar(&o.Out, "out", "", "disk image (default build/BOARD.img)")
	flag.StringVar(&o.Work, "work", "build/image", "folder for packages that are used again")
	flag.StringVar(&o.Version, "version", "0.1.0", "version of the image")
	flag.StringVar(&o.Settings, "settings", "", "settings file to put on the image as "+board.SettingsFile)
	flag.StringVar(&o.ClientKeys, "client-keys", "", "PEM file with the public keys that may use the console")
	flag.StringVar(&o.Program, "program", "", "package of the program (default postroom/tools/postroom)")
	flag.BoolVar(&o.Offline, "offline", false, "use only packages that were downloaded before")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("argument %q: only options are taken", flag.Arg(0))
	}
	var err error
	if o.Board, err = board.Named(*name); err != nil {
		return err
	}
	if o.Out == "" {
		o.Out = "build/" + *name + ".img"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	r, err := image.Build(ctx, o)
	if err != nil {
		return err
	}
	for _, p := range r.Packages {
		fmt.Printf("package %s %s\n", p.Name, p.Version)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "KiB in the unified kernel image\tKiB in memory\t  \f")
	for _, s := range r.Sizes {
		fmt.Fprintf(t, "%d\t%d\t  %s\n", s.Packed>>10, s.Raw>>10, s.Part)
	}
	fmt.Fprintf(t, "%d\t\t  of at most %d\n", r.UKI>>10, image.MaxUKI>>10)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Printf("%s: Postroom %s for board %s, made in %.1f s\n", o.Out, o.Version, *name, time.Since(began).Seconds())
	return nil
}
