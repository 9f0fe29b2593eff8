//go:build root

package powercut

import (
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"postroom/tests/passthrough"
)

// mutations are the store with a sync taken out, or with an index that is believed after a cut.
var mutations = []struct {
	name    string
	ignore  func(Event) bool
	trusted bool
}{
	{name: "bodies", ignore: syncOf("store/bodies/0*.seg")},
	{name: "upload", ignore: syncOf("store/bodies/upload-*.seg")},
	{name: "notes", ignore: syncOf("store/notes/*.log")},
	{name: "checkpoint", ignore: syncOf("store/checkpoint-*")},
	{name: "machine key", ignore: syncOf("key/*")},
	{name: "folder of bodies, at a new segment", ignore: folderAfter("store/bodies", "create 0")},
	{name: "folder of bodies, at an upload's end", ignore: folderAfter("store/bodies", "rename upload-")},
	{name: "folder of notes, at a new file", ignore: folderAfter("store/notes", "create ")},
	{name: "folder of the store, at a checkpoint's end", ignore: folderAfter("store", "rename checkpoint-")},
	{name: "folder of the store, at its first start", ignore: folderAfter("store", "rename index.state")},
	{name: "folder above the store", ignore: folderAfter(".", "mkdir store")},
	{name: "folder above the machine key", ignore: func(e Event) bool { return e.Op == passthrough.SyncDir && e.Path == "." }},
	{name: "trusted index", trusted: true},
}

func syncOf(pattern string) func(Event) bool {
	return func(e Event) bool {
		matches, err := path.Match(pattern, e.Path)
		return e.Op == passthrough.SyncFile && matches && err == nil
	}
}

func folderAfter(folder, change string) func(Event) bool {
	return func(e Event) bool {
		return e.Op == passthrough.SyncDir && e.Path == folder && strings.HasPrefix(e.After, change)
	}
}

// TestRecorderCatches shows that the recorder would tell: each sync that is taken out costs something that was
// acknowledged, at one of the cuts that are tried.
func TestRecorderCatches(t *testing.T) {
	const tries = 400
	got, err := firstTake()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			dir, err := scratch()
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			ignored := 0
			c := &Cuts{Take: got, Seed: *seed, Scratch: dir, Trusted: m.trusted, Process: m.trusted}
			c.Ignore = func(e Event) bool {
				yes := m.ignore != nil && m.ignore(e)
				if yes {
					ignored++
				}
				return yes
			}
			random := rand.New(rand.NewPCG(*seed, uint64(i)))
			at := random.Perm(got.End() + 1)[:tries]
			for n, at := range at {
				wrong, err := c.one(at)
				if err != nil {
					t.Fatal(err)
				}
				// That the store noticed by itself, and repaired it, doesn't count.
				wrong = slices.DeleteFunc(wrong, func(w string) bool { return strings.HasPrefix(w, "condition damage of index") })
				if len(wrong) > 0 {
					t.Logf("caught at the %d. cut: %s", n+1, wrong[0])
					return
				}
			}
			t.Errorf("not caught in %d cuts (syncs taken out: %d)", tries, ignored)
		})
	}
}

func (c *Cuts) one(at int) (wrong []string, err error) {
	err = c.Leaves([]int{at}, func(at int, crash bool, left *Tree) error {
		dir, err := c.Make(left)
		if err == nil {
			wrong = c.Check(dir, at, crash)
		}
		return errors.Join(err, os.RemoveAll(dir))
	})
	return wrong, err
}
