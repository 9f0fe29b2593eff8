//go:build root

package powercut

import (
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	cuts    = flag.Int("cuts", 1000, "cuts of the power to try on a take")
	minutes = flag.Int("minutes", 0, "go on with other takes for so long")
	kept    = flag.String("take", "", "a take that was kept when a test failed, instead of a new one")
	one     = flag.Int("cut", never, "try this one alone")
)

// scratch gives a folder in memory, where there is one: thousands of folders are made and removed there.
func scratch() (string, error) {
	dir, err := os.MkdirTemp("/dev/shm", "postroom-powercut-")
	if err != nil {
		dir, err = os.MkdirTemp("", "postroom-powercut-")
	}
	return dir, err
}

// record gives a new take, or the one that was kept.
func record(seed uint64) (t *Take, err error) {
	if *kept != "" {
		f, err := os.Open(*kept)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		t = &Take{}
		return t, gob.NewDecoder(f).Decode(t)
	}
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t, wrong, err := Record(dir, rand.New(rand.NewPCG(seed, 0)))
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", seed, err)
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("seed %d: while it was recorded: %s", seed, strings.Join(wrong, "\n"))
	}
	return t, nil
}

// firstTake is the one that the tests share.
var firstTake = sync.OnceValues(func() (*Take, error) { return record(*seed) })

// keep writes a take where a person finds it, and says how to repeat a cut of it.
func keep(t *testing.T, taken *Take, seed uint64) {
	t.Helper()
	name := filepath.Join(os.TempDir(), fmt.Sprintf("postroom-%d.take", seed))
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(gob.NewEncoder(f).Encode(taken), f.Close())
	}
	if err != nil {
		t.Errorf("the take is not kept: %v", err)
		return
	}
	t.Logf("again: go test -tags root -run TestPowerCuts ./tests/powercut -take %s -seed %d -cut N", name, seed)
}

// TestPowerCuts records a store's life under a recorder, and has the power cut at each of many events of it: the store comes
// back with all that was acknowledged, nothing twice, and goes on.
func TestPowerCuts(t *testing.T) {
	end := time.Now().Add(time.Duration(*minutes) * time.Minute)
	take := firstTake
	for seed := *seed; ; seed++ {
		taken, err := take()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		n := cutAll(t, taken, seed)
		t.Logf("seed %d: %d mails, %d events, %d cuts in %v", seed, len(taken.History.Mails), taken.End(), n, time.Since(began))
		if t.Failed() {
			keep(t, taken, seed)
		}
		if t.Failed() || time.Now().After(end) {
			return
		}
		take = func() (*Take, error) { return record(seed + 1) }
	}
}

// cutAll tries the cuts of one take, as many as there are processors at once.
func cutAll(t *testing.T, taken *Take, seed uint64) int {
	t.Helper()
	dir, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c := &Cuts{Take: taken, Seed: seed, Scratch: dir}
	at := rand.New(rand.NewPCG(seed, 2)).Perm(taken.End() + 1)
	at = at[:min(*cuts, len(at))]
	if *one != never {
		at = []int{*one}
	}
	var running sync.WaitGroup
	var failed atomic.Int32
	free := make(chan struct{}, runtime.GOMAXPROCS(0)) // held while a cut is checked
	err = c.Leaves(at, func(at int, crash bool, left *Tree) error {
		free <- struct{}{}
		dir, err := c.Make(left)
		if err != nil {
			return err
		}
		running.Go(func() {
			defer func() { <-free }()
			defer os.RemoveAll(dir)
			if wrong := c.Check(dir, at, crash); len(wrong) > 0 && failed.Add(1) <= 3 {
				t.Errorf("seed %d, cut %d (of the program alone: %t):\n%s", seed, at, crash, strings.Join(wrong[:min(len(wrong), 20)], "\n"))
			}
		})
		return nil
	})
	running.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if n := failed.Load(); n > 0 {
		t.Errorf("seed %d: %d of %d cuts cost something", seed, n, len(at))
	}
	return len(at)
}
