package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// bareFile is a file that is only ever appended to: a segment without a store.
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

// batches appends batches of so many bodies each, one after the other and over again: what the disk does with the
// store's own batches.
func (b *bareFile) batches(ctx context.Context, sizes []int, length time.Duration) (p pace, err error) {
	buffer := make([]byte, bodySize*slices.Max(sizes))
	began := time.Now()
	for i := 0; time.Since(began) < length && ctx.Err() == nil; i++ {
		n := sizes[i%len(sizes)]
		if err := b.append(buffer[:n*bodySize]); err != nil {
			return p, err
		}
		p.bodies += n
	}
	p.took = time.Since(began)
	return p, ctx.Err()
}

// writers has writers hand bodies to one goroutine that appends and syncs what waits: group commit with nothing
// around it, which makes batches of its own.
func (b *bareFile) writers(ctx context.Context, writers int, length time.Duration) (p pace, err error) {
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
	p.took = time.Since(began)
	close(calls)
	<-committed
	for _, n := range counts {
		p.bodies += n
	}
	return p, errors.Join(append(errs, ctx.Err())...)
}

// pace is how many bodies were stored in what time.
type pace struct {
	bodies int
	took   time.Duration
}

func (p *pace) add(more pace) {
	p.bodies += more.bodies
	p.took += more.took
}

// rate is in bodies a second.
func (p pace) rate() float64 { return float64(p.bodies) / p.took.Seconds() }
