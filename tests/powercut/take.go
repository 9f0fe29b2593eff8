package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"postroom/tests/passthrough"
)

// Take is a store's life as it was recorded: through crashes, clean stops and cuts of the power.
type Take struct {
	Parts   []Part // from one cut to the next
	History *History
}

// Part is a recording, with where it begins in the events of all of them.
type Part struct {
	Start int
	Recording
	Clocks []Clock
}

// Clock says how far ahead of the system's the store's clock was from a position on.
type Clock struct {
	At    int
	Ahead time.Duration
}

// End is the position behind all events.
func (t *Take) End() int {
	last := t.Parts[len(t.Parts)-1]
	return last.Start + len(last.Events)
}

// day is what the store's clock goes ahead at each start: what was dropped before is punched out then.
const day = 25 * time.Hour

// ending is how a run of the store ends. kill says at which event, counted from the moment that callers begin; nil: it is
// stopped cleanly.
type ending struct {
	name string
	kill func(random *rand.Rand) func(n int, e Event) bool
}

func atEvent(n int) func(*rand.Rand) func(int, Event) bool {
	return func(random *rand.Rand) func(int, Event) bool {
		limit := n/2 + random.IntN(n)
		return func(n int, _ Event) bool { return n >= limit }
	}
}

// betweenWriteAndSync kills when a note is written, and before it is synced.
func betweenWriteAndSync(random *rand.Rand) func(int, Event) bool {
	limit := 100 + random.IntN(300)
	return func(n int, e Event) bool {
		return n >= limit && e.Op == passthrough.SyncFile && strings.HasPrefix(e.Path, "store/notes/")
	}
}

// lives are the runs of the store, boot by boot; behind each boot the power is cut.
var lives = [][]ending{
	{{"killed", atEvent(900)}, {"stopped", nil}, {"killed between a note's write and its sync", betweenWriteAndSync}, {"killed", atEvent(700)}},
	{{"killed as it starts", atEvent(12)}},
	{{"stopped", nil}},
	{{"killed between a note's write and its sync", betweenWriteAndSync}, {"stopped", nil}, {"killed", atEvent(500)}},
}

// Record has a store live on a recorder, in a folder under scratch. wrong is what its callers found to be so in it.
func Record(scratch string, random *rand.Rand) (t *Take, wrong []string, err error) {
	t = &Take{History: &History{}}
	base := Empty()
	ahead, start := time.Duration(0), 0
	for boot, runs := range lives {
		dir := filepath.Join(scratch, fmt.Sprint(boot))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, nil, err
		}
		rec, err := Mount(dir, base)
		if err != nil {
			return nil, nil, err
		}
		part := Part{Start: start}
		for i, run := range runs {
			ahead += day
			part.Clocks = append(part.Clocks, Clock{start + rec.Position(), ahead})
			p := Place{
				Data: filepath.Join(rec.Dir(), "store"), Key: filepath.Join(rec.Dir(), "key", "machine.key"),
				Run: dir, Boot: fmt.Sprintf("boot %d", boot), Ahead: ahead, CheckpointAfter: checkpointAfter,
			}
			wrong, err = t.live(p, rec, start, run, random)
			rec.Before(nil)
			if len(wrong) > 0 {
				wrong = append([]string{fmt.Sprintf("boot %d, run %d (%s):", boot, i, run.name)}, wrong...)
			}
			if err != nil || len(wrong) > 0 {
				return nil, wrong, errors.Join(wrap(err, "boot %d, run %d, %s", boot, i, run.name), rec.Unmount())
			}
		}
		part.Recording = rec.Recording()
		t.Parts = append(t.Parts, part)
		start += len(part.Events)
		if err := rec.Unmount(); err != nil {
			return nil, nil, err
		}
		disk := NewDisk(base)
		for _, e := range part.Events {
			disk.Apply(e)
		}
		base = disk.Cut(random)
	}
	return t, nil, nil
}

// checkpointAfter is small, so that a short life has many.
const checkpointAfter = 24 << 10

func wrap(err error, format string, a ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(a, err)...)
}

// live is one run of the store.
func (t *Take) live(p Place, rec *Recorder, start int, end ending, random *rand.Rand) (wrong []string, err error) {
	var process atomic.Pointer[Process]
	var dying atomic.Bool
	if end.kill != nil {
		from, kill := rec.Position(), end.kill(random)
		rec.Before(func(n int, e Event) error {
			if !dying.Load() && !kill(n-from, e) {
				return nil
			}
			dying.Store(true)
			if p := process.Load(); p != nil {
				p.Kill()
			}
			return syscall.EIO // it does nothing more, however long it takes to die
		})
	}
	rec.Restarted()
	began := start + rec.Position()
	running, err := Start(p)
	if err != nil {
		if dying.Load() {
			err = nil
		}
		return nil, err
	}
	process.Store(running)
	ctx, cancel := running.Alive(context.Background())
	defer cancel()
	d := &Driver{Box: running.Box, h: t.History, random: random, position: func() int { return start + rec.Position() }}
	wrong, err = d.reconcile(ctx)
	if err == nil && len(wrong) == 0 {
		t.History.sweeping(d.position())
		if err = running.Sweep(ctx); err == nil {
			t.History.swept(began, d.position())
			err = d.run(ctx)
		}
	}
	if dying.Load() {
		err = nil // whatever its callers saw of its death
	}
	if err == nil && len(wrong) == 0 && end.kill == nil {
		return nil, running.Stop()
	}
	running.Kill() // where it was quicker than the event at which it was to die
	running.Gone()
	return wrong, err
}
