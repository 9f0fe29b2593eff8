package powercut

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"postroom/tests/passthrough"
)

// outcomes gives what a file holds after many cuts behind the events; a file that isn't there is "-".
func outcomes(events []Event, paths ...string) map[string]int {
	d := NewDisk(Empty())
	for _, e := range events {
		d.Apply(e)
	}
	seen := make(map[string]int)
	for seed := range uint64(400) {
		left := d.Cut(rand.New(rand.NewPCG(seed, 0)))
		all := ""
		for _, p := range paths {
			if n, ok := left.Nodes[p]; ok {
				all += string(n.Data) + " "
			} else {
				all += "- "
			}
		}
		seen[all[:len(all)-1]]++
	}
	return seen
}

func write(file uint64, at int64, data string) Event {
	return Event{Op: passthrough.Write, File: file, Offset: at, Length: int64(len(data)), Data: []byte(data)}
}

func create(file uint64, path string) Event {
	return Event{Op: passthrough.Create, File: file, Path: path}
}

var syncRoot = Event{Op: passthrough.SyncDir, File: rootID, Path: "."}

func synced(file uint64) Event { return Event{Op: passthrough.SyncFile, File: file} }

// What a cut may leave, and nothing else: all of it is seen in some cut.
func TestWhatACutLeaves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		events []Event
		paths  []string
		want   []string
	}{
		{"nothing synced", []Event{create(2, "a"), write(2, 0, "x")}, []string{"a"}, []string{"-", "", "x", "\x00"}},
		{"its octets synced, not its name", []Event{create(2, "a"), write(2, 0, "x"), synced(2)}, []string{"a"}, []string{"-", "x"}},
		{"its name synced, not its octets", []Event{create(2, "a"), write(2, 0, "x"), syncRoot}, []string{"a"}, []string{"", "x", "\x00"}},
		{"both", []Event{create(2, "a"), write(2, 0, "x"), synced(2), syncRoot}, []string{"a"}, []string{"x"}},
		{"written again", []Event{create(2, "a"), write(2, 0, "x"), synced(2), syncRoot, write(2, 0, "y"), write(2, 0, "z")},
			[]string{"a"}, []string{"x", "y", "z"}},
		{"renamed over another", []Event{create(2, "a"), write(2, 0, "x"), synced(2), create(3, "b"), write(3, 0, "y"), synced(3), syncRoot,
			{Op: passthrough.Rename, Path: "a", To: "b"}}, []string{"a", "b"}, []string{"x y", "- x"}},
		{"renamed, and the folder synced", []Event{create(2, "a"), synced(2), {Op: passthrough.Rename, Path: "a", To: "b"}, syncRoot}, []string{"a", "b"}, []string{"- "}},
		{"made, renamed, made again", []Event{create(2, "a"), synced(2), {Op: passthrough.Rename, Path: "a", To: "b"}, create(3, "a"), write(3, 0, "y"), synced(3)},
			[]string{"a", "b"}, []string{"- -", " -", "- ", "y "}},
		{"removed", []Event{create(2, "a"), syncRoot, {Op: passthrough.Remove, Path: "a"}}, []string{"a"}, []string{"", "-"}},
		{"punched", []Event{create(2, "a"), write(2, 0, "xyz"), synced(2), syncRoot, {Op: passthrough.Punch, File: 2, Offset: 1, Length: 1}},
			[]string{"a"}, []string{"xyz", "x\x00z"}},
		{"cut short", []Event{create(2, "a"), write(2, 0, "xyz"), synced(2), syncRoot, {Op: passthrough.Truncate, File: 2, Length: 1}},
			[]string{"a"}, []string{"xyz", "x\x00\x00", "x"}},
		{"in a folder whose name isn't synced", []Event{{Op: passthrough.Mkdir, File: 2, Path: "d"}, create(3, "d/a"), {Op: passthrough.SyncDir, File: 2, Path: "d"}},
			[]string{"d", "d/a"}, []string{"- -", " "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := outcomes(c.events, c.paths...)
			for _, want := range c.want {
				if got[want] == 0 {
					t.Errorf("never left: %q", want)
				}
			}
			for left, n := range got {
				if !slices.Contains(c.want, left) {
					t.Errorf("left in %d cuts: %q", n, left)
				}
			}
		})
	}
}

// A write is torn between sectors, not within one.
func TestSectorsAreWhole(t *testing.T) {
	t.Parallel()
	const n = 8
	before, after := bytes.Repeat([]byte("a"), n*sector), bytes.Repeat([]byte("b"), n*sector)
	torn := 0
	for left := range outcomes([]Event{create(2, "f"), write(2, 0, string(before)), synced(2), syncRoot, write(2, 0, string(after))}, "f") {
		for s := range n {
			if part := left[s*sector : (s+1)*sector]; part != string(before[:sector]) && part != string(after[:sector]) {
				t.Fatalf("sector %d is half written", s)
			}
		}
		if left != string(before) && left != string(after) {
			torn++
		}
	}
	if torn < 20 {
		t.Errorf("%d ways to be torn were seen", torn)
	}
}

// A program that dies leaves all that it wrote.
func TestACrashLeavesEverything(t *testing.T) {
	t.Parallel()
	d := NewDisk(Empty())
	for _, e := range []Event{create(2, "a"), write(2, 0, "xyz"), {Op: passthrough.Rename, Path: "a", To: "b"}, {Op: passthrough.Truncate, File: 2, Length: 2}} {
		d.Apply(e)
	}
	if left := d.Crash(); string(left.Nodes["b"].Data) != "xy" || len(left.Nodes) != 2 {
		t.Errorf("got %v", left.Nodes)
	}
}
