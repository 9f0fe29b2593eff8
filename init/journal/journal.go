// Package journal takes what init and the services log, and brings it to the serial console and to a ring of two
// files. Whoever logs never waits, for neither a slow line nor a full disk: what can't be written is dropped, and
// counted.
package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	maxLine    = 16 << 10  // octets; a longer line is cut into several
	maxWaiting = 256 << 10 // octets that wait for one place
)

// A Journal goes to the console at once, and to files once it is told where.
type Journal struct {
	console *sink
	files   *sink
	readers sync.WaitGroup
}

// New makes a journal that goes to the console. What comes before Keep waits for it.
func New(console io.Writer) *Journal {
	j := &Journal{console: newSink(), files: newSink()}
	j.console.begin(console)
	return j
}

// Write takes whole lines. It never fails, and never waits.
func (j *Journal) Write(p []byte) (int, error) {
	j.console.put(p)
	j.files.put(p)
	return len(p), nil
}

// Keep also writes everything to the ring in the folder.
func (j *Journal) Keep(folder string) error {
	r, err := openRing(folder, MaxFile)
	if err != nil {
		return err
	}
	j.files.begin(r)
	return nil
}

// Pipe gives a file that services can write lines to. What one write brings, up to 4096 octets (PIPE_BUF), stays
// together. Close of the journal waits until all who hold the file have closed it.
func (j *Journal) Pipe() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for logs: %w", err)
	}
	j.readers.Go(func() {
		defer r.Close()
		lines := bufio.NewReaderSize(r, maxLine)
		for {
			line, err := lines.ReadSlice('\n')
			if len(line) > 0 {
				if line[len(line)-1] != '\n' {
					line = append(line[:len(line):len(line)], '\n')
				}
				j.Write(line)
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return
			}
		}
	})
	return w, nil
}

// Close writes what waits, and ends the journal: what is written after that goes nowhere.
func (j *Journal) Close() {
	j.readers.Wait()
	j.console.end()
	j.files.end()
}
