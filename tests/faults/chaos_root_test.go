//go:build root

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/tests/passthrough"

	"golang.org/x/sys/unix"
)

// weighted is a kind of fault, and how often it is taken beside the others.
type weighted struct {
	weight int
	fault  func(context.Context, *rand.Rand)
}

// choose puts faults in, one after the other, until ctx ends. Each ends by itself, soon.
func choose(ctx context.Context, random *rand.Rand, list []weighted) {
	all := 0
	for _, c := range list {
		all += c.weight
	}
	for pause(ctx, random, 100*time.Millisecond, 1500*time.Millisecond) {
		n := random.IntN(all)
		for _, c := range list {
			if n -= c.weight; n < 0 {
				c.fault(ctx, random)
				break
			}
		}
	}
}

// processes are the faults of services and of the whole box. They are for the test's own goroutine.
func (w *world) processes() []weighted {
	return []weighted{{6, w.kill}, {2, w.freeze}, {2, w.hold}, {1, w.crash}, {1, w.restart}}
}

// disks are the faults of the store's file system.
func (w *world) disks() []weighted { return []weighted{{4, w.failDisk}, {1, w.full}} }

// surroundings are the faults of everything else, and changes of settings.
func (w *world) surroundings(applied *applied) []weighted {
	return []weighted{
		{2, w.cut}, {4, w.badLines}, {1, w.providerDown},
		{2, func(ctx context.Context, random *rand.Rand) { w.apply(ctx, random, applied) }},
	}
}

func (w *world) service(random *rand.Rand) string {
	return []string{"store", "store", "store", "fetcher", "fetcher", "validator", "pop3", "pop3", "console"}[random.IntN(9)]
}

func (w *world) kill(_ context.Context, random *rand.Rand) {
	service := w.service(random)
	w.t.Logf("kill %s: %t", service, w.box.KillService(service))
}

// freeze stops a service, and kills it then.
func (w *world) freeze(ctx context.Context, random *rand.Rand) {
	w.stopped(ctx, random, syscall.SIGKILL)
}

// hold stops a service for a while.
func (w *world) hold(ctx context.Context, random *rand.Rand) {
	w.stopped(ctx, random, syscall.SIGCONT)
}

func (w *world) stopped(ctx context.Context, random *rand.Rand, then syscall.Signal) {
	service := w.service(random)
	pid := w.box.Pid(service)
	if pid == 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return
	}
	w.t.Logf("stop %s, then %v", service, then)
	pause(ctx, random, time.Millisecond, 2*time.Second)
	syscall.Kill(pid, then) // the supervisor waits for its end: the id is nobody else's
}

func (w *world) crash(context.Context, *rand.Rand) {
	w.t.Log("kill the whole box")
	w.box.Kill()
	w.up()
}

func (w *world) restart(context.Context, *rand.Rand) {
	w.t.Log("restart the whole box")
	w.box.Down()
	w.up()
}

func (w *world) up() {
	w.box.Up()
	w.toBox.To(w.box.Addr("pop3.listen_tls"))
}

func (w *world) lines() []*Line { return []*Line{w.toTLS, w.toPlain, w.toBox} }

func (w *world) cut(_ context.Context, random *rand.Rand) {
	w.t.Log("cut all connections of a line")
	w.lines()[random.IntN(3)].Cut()
}

func (w *world) badLines(ctx context.Context, random *rand.Rand) {
	w.t.Log("bad lines")
	for _, l := range w.lines() {
		l.Bad(random.IntN(3) > 0)
	}
	pause(ctx, random, 500*time.Millisecond, 3*time.Second)
	for _, l := range w.lines() {
		l.Bad(false)
	}
}

// full leaves little of the file system to the store, or nothing.
func (w *world) full(ctx context.Context, random *rand.Rand) {
	left := []uint64{0, 64 << 10, 1 << 20, 12 << 20}[random.IntN(4)]
	w.t.Logf("fill the disk up to %d octets", left)
	ballast := filepath.Join(w.small, "ballast")
	if err := fill(w.small, ballast, left); err != nil {
		w.t.Errorf("fill the disk: %v", err)
	}
	pause(ctx, random, 100*time.Millisecond, 2*time.Second)
	if err := os.Remove(ballast); err != nil {
		w.t.Errorf("empty the disk: %v", err)
	}
}

// fill makes a file that leaves so many octets of a file system. The store writes meanwhile: it is tried again.
func fill(dir, ballast string, left uint64) error {
	f, err := os.Create(ballast)
	if err != nil {
		return err
	}
	defer f.Close()
	for range 10 {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return err
		}
		free := st.Bavail * uint64(st.Bsize)
		if free <= left {
			return nil
		}
		if err = unix.Fallocate(int(f.Fd()), 0, 0, int64(free-left)); !errors.Is(err, unix.ENOSPC) {
			return err
		}
	}
	return err
}

// Parts of the store, and what is done to them.
var (
	diskParts = []string{"bodies/", "notes/", "index.db", "checkpoint-", "index.state", ""}
	syncs     = []passthrough.Op{passthrough.SyncFile, passthrough.SyncDir}
	diskOps   = [][]passthrough.Op{
		{passthrough.Write}, syncs, {passthrough.Create, passthrough.Rename}, append(syncs, passthrough.Write),
		append(syncs, passthrough.Write, passthrough.Create, passthrough.Rename, passthrough.Remove, passthrough.Truncate,
			passthrough.Allocate, passthrough.Punch),
		{passthrough.Read}, append(syncs, passthrough.Read, passthrough.Write),
	}
)

func (w *world) failDisk(ctx context.Context, random *rand.Rand) {
	f := &Fault{
		Part: diskParts[random.IntN(len(diskParts))], Ops: diskOps[random.IntN(len(diskOps))],
		Errno: []syscall.Errno{syscall.EIO, syscall.ENOSPC}[random.IntN(2)],
		Short: random.IntN(2) == 0, Share: []float64{0.1, 0.5, 1}[random.IntN(3)],
	}
	w.t.Logf("disk: %v", f)
	end := w.disk.Fail(f)
	defer end()
	pause(ctx, random, 50*time.Millisecond, 2*time.Second)
}

func (w *world) providerDown(ctx context.Context, random *rand.Rand) {
	w.t.Log("provider down")
	if err := w.provider.Down(); err != nil {
		w.t.Errorf("provider down: %v", err)
	}
	pause(ctx, random, 10*time.Millisecond, time.Second)
	if err := w.provider.Up(context.WithoutCancel(ctx)); err != nil {
		w.t.Errorf("provider up: %v", err)
	}
}

// applied is which settings were tried, and which were answered for.
type applied struct{ tried, acked int }

// apply puts other settings in force, or says why they aren't.
func (w *world) apply(ctx context.Context, _ *rand.Rand, a *applied) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	a.tried++
	answer, err := contract.Call(ctx, w.admin, contract.AdminService.ApplySettings, &contract.ApplySettingsRequest{
		File: "faults", Text: []byte(w.settings(a.tried)),
	})
	w.t.Logf("settings %d: %v", a.tried, err)
	switch {
	case err != nil: // they may be in force all the same
	case answer.Problem != "":
		w.t.Errorf("settings %d: %s", a.tried, answer.Problem)
	default:
		a.acked = a.tried
	}
}

// check compares what is in force with what was answered.
func (a *applied) check(in *settings.Settings) error {
	number := int(in.Fetch.IdleAfter/time.Hour) - 1000
	if number < a.acked || number > a.tried {
		return fmt.Errorf("settings %d are in force, and %d were answered for, of %d", number, a.acked, a.tried)
	}
	return nil
}
