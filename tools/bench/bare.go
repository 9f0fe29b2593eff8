package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// bareFile is a file that is only ever appended to.
type bareFile struct {
	f  *os.File
	at int64
}

func newBareFile(dir string) (*bareFile, error) {
	f, err := os.CreateTemp(dir, "bare-")
	if err != nil {
		return nil, err
	}
	return &bareFile{f: f}, nil
}

// append writes a batch and returns when it is on disk.
func (b *bareFile) append(batch []byte) error {
	if _, err := b.f.WriteAt(batch, b.at); err != nil {
		return err
	}
	b.at += int64(len(batch))
	return unix.Fdatasync(int(b.f.Fd()))
}

func (b *bareFile) remove() error { return errors.Join(b.f.Close(), os.Remove(b.f.Name())) }

// bareBatches appends batches of so many bodies each, one after the other and over again, and gives bodies a
// second: what the disk does with the store's own batches.
func bareBatches(ctx context.Context, dir string, batches []int, length time.Duration) (rate float64, err error) {
	b, err := newBareFile(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.remove()) }()
	buffer := make([]byte, bodySize*slices.Max(batches))
	bodies := 0
	began := time.Now()
	for i := 0; time.Since(began) < length && ctx.Err() == nil; i++ {
		n := batches[i%len(batches)]
		if err := b.append(buffer[:n*bodySize]); err != nil {
			return 0, err
		}
		bodies += n
	}
	return float64(bodies) / time.Since(began).Seconds(), ctx.Err()
}

// bareWriters has writers hand bodies to one goroutine that appends and syncs what waits, and gives bodies a second:
// group commit with nothing around it.
func bareWriters(ctx context.Context, dir string, writers int, length time.Duration) (rate float64, err error) {
	b, err := newBareFile(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.remove()) }()
	type call struct {
		body []byte
		done chan error
	}
	calls := make(chan call, writers)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		var buffer []byte
		var batch []call
		for first := range calls {
			batch = append(batch[:0], first)
			for len(calls) > 0 { // this goroutine alone takes from it
				batch = append(batch, <-calls)
			}
			buffer = buffer[:0]
			for _, c := range batch {
				buffer = append(buffer, c.body...)
			}
			err := b.append(buffer)
			for _, c := range batch {
				c.done <- err
			}
		}
	}()
	var all sync.WaitGroup
	counts := make([]int, writers)
	errs := make([]error, writers)
	began := time.Now()
	for i := range writers {
		all.Go(func() {
			c := call{make([]byte, bodySize), make(chan error, 1)}
			for time.Since(began) < length && ctx.Err() == nil && errs[i] == nil {
				calls <- c
				errs[i] = <-c.done
				counts[i]++
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	close(calls)
	<-committed
	return float64(sum(counts)) / took.Seconds(), errors.Join(append(errs, ctx.Err())...)
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// bareDir is a folder for bare files on the store's file system.
func bareDir(dir string) (string, error) {
	name := filepath.Join(dir, "bare")
	return name, os.MkdirAll(name, 0o755)
}
