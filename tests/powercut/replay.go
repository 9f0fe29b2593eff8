package powercut

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"postroom/services/contract"
)

// Cuts is how a take is cut again and again.
type Cuts struct {
	Take    *Take
	Seed    uint64           // of what each cut leaves
	Ignore  func(Event) bool // syncs that are taken out
	Trusted bool             // the index is taken as if the boot were the same
	Scratch string
	Process bool // the store that comes back is a process of its own: what is broken on purpose may take it down
}

// Leaves calls found with what each cut leaves, in order; the tree is good for the call alone. Cuts in which the program
// alone dies say so.
func (c *Cuts) Leaves(at []int, found func(at int, crash bool, left *Tree) error) error {
	at = slices.Sorted(slices.Values(at))
	for _, part := range c.Take.Parts {
		disk := NewDisk(part.Base)
		disk.Ignore = c.Ignore
		done := 0
		for len(at) > 0 && at[0] <= part.Start+len(part.Events) {
			for ; part.Start+done < at[0]; done++ {
				disk.Apply(part.Events[done])
			}
			random := rand.New(rand.NewPCG(c.Seed, uint64(at[0])))
			crash := c.Ignore == nil && !c.Trusted && random.IntN(8) == 0
			var left *Tree
			if crash {
				left = disk.Crash()
			} else {
				left = disk.Cut(random)
			}
			if err := found(at[0], crash, left); err != nil {
				return err
			}
			at = at[1:]
		}
	}
	return nil
}

// place gives where the store comes back after a cut.
func (c *Cuts) place(dir string, at int, crash bool) Place {
	p := Place{
		Data: filepath.Join(dir, "store"), Key: filepath.Join(dir, "key", "machine.key"), Run: dir, Boot: "behind the cut",
		CheckpointAfter: checkpointAfter,
	}
	for boot, part := range c.Take.Parts {
		if part.Start > at || boot > 0 && part.Start == at {
			break
		}
		if crash || c.Trusted {
			p.Boot = fmt.Sprintf("boot %d", boot)
		}
		for _, clock := range part.Clocks {
			if clock.At <= at {
				p.Ahead = clock.Ahead
			}
		}
	}
	return p
}

// patience is how long a store has to come back, and to answer everything.
const patience = 30 * time.Second

// Check has the store come back in dir, which holds what a cut left, and gives what is wrong with it. It asks again for
// what wasn't answered, goes on with other mail, and looks once more.
func (c *Cuts) Check(dir string, at int, crash bool) (wrong []string) {
	p := c.place(dir, at, crash)
	box, stop, err := c.open(p)
	if err != nil {
		return []string{"the store doesn't come back: " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if process, ok := box.(*Process); ok {
		ctx, cancel = process.Alive(ctx)
		defer cancel()
	}
	wrong, err = goOn(ctx, box.callers(), c.Take.History.fork(at), at)
	if err != nil {
		wrong = append(wrong, "the store doesn't go on: "+err.Error())
	}
	if err := stop(); err != nil {
		wrong = append(wrong, "the store doesn't stop: "+err.Error())
	}
	return append(wrong, leftovers(p.Data)...)
}

type open interface{ callers() *Box }

func (b *Box) callers() *Box { return b }

func (c *Cuts) open(p Place) (open, func() error, error) {
	if c.Process {
		process, err := Start(p)
		if err != nil {
			return nil, nil, err
		}
		return process, process.Stop, nil
	}
	_, stop, err := p.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	box := p.Dial()
	return box, func() error { box.Close(); return stop() }, nil
}

// goOn is what callers do behind a cut.
func goOn(ctx context.Context, box *Box, h *History, at int) (wrong []string, err error) {
	random := rand.New(rand.NewPCG(uint64(at), 1))
	d := &Driver{Box: box, h: h, random: random, position: func() int { return at + 1 }}
	if wrong, err = d.reconcile(ctx); err != nil || len(wrong) > 0 {
		return wrong, err
	}
	if err := d.accounts(ctx); err != nil {
		return nil, err
	}
	for _, a := range h.Accounts {
		fetch, err := contract.Call(ctx, box.fetcher, contract.FetcherService.BeginFetch, &contract.BeginFetchRequest{Account: a.ID})
		if err != nil || fetch.Password != password {
			return nil, fmt.Errorf("begin fetch of %s: %w", a.Name, err)
		}
	}
	m := d.newMail(0, 1000, false, random)
	if err := d.putMails(ctx, []*Mail{m}); err != nil {
		return nil, err
	}
	h.begin(m, Out, at+1)
	if err := box.settle(ctx, m.ID); err != nil {
		return nil, err
	}
	h.ack(m, Out, at+1)
	line, cancel := context.WithCancel(ctx)
	defer cancel()
	contract.Deliver(line, box.smtp, runner)
	if err := d.submit(ctx, d.newSending(0, 1000, false, random)); err != nil {
		return nil, err
	}
	for range 2 {
		if err := d.deliver(ctx, random, 4); err != nil {
			return nil, err
		}
	}
	s, err := box.Survey(ctx, h, at+1, false)
	if err != nil {
		return nil, err
	}
	return h.Check(s, at+1), nil
}

// leftovers gives what a cut left behind and nobody took away.
func leftovers(data string) (wrong []string) {
	for _, pattern := range []string{"*.part", "bodies/upload-*"} {
		found, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil {
			panic(err) // the patterns are these
		}
		for _, name := range found {
			wrong = append(wrong, "left behind: "+filepath.Base(name))
		}
	}
	return wrong
}

// Make makes what a cut left in a new folder.
func (c *Cuts) Make(left *Tree) (dir string, err error) {
	if dir, err = os.MkdirTemp(c.Scratch, ""); err != nil {
		return "", err
	}
	return dir, left.Write(dir)
}
