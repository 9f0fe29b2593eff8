package powercut

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
)

// lived is a store's folder, and what its callers know.
type lived struct {
	dir     string // with store/ and key/
	boot    string // in which it comes back
	history *History
	at      int
	ahead   time.Duration
}

// live has a store live in plain folders: killed is as a killed one leaves it, stopped as one that ended cleanly.
func live(t *testing.T) (killed, stopped lived) {
	t.Helper()
	dir := t.TempDir()
	h := &History{}
	ticks := 0
	mu := make(chan struct{}, 1)
	tick := func() int { mu <- struct{}{}; defer func() { <-mu }(); ticks++; return ticks }
	random := rand.New(rand.NewPCG(*seed, 3))
	p := Place{
		Data: filepath.Join(dir, "store"), Key: filepath.Join(dir, "key", "machine.key"), Run: socketFolder(t),
		Boot: "one", CheckpointAfter: checkpointAfter,
	}
	for run := range 3 {
		p.Ahead += day
		s, stop, err := p.Open(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		d := &Driver{Box: p.Dial(), h: h, random: random, position: tick}
		if run > 0 {
			began := tick()
			h.sweeping(tick())
			if _, err := contract.Call(t.Context(), d.init, contract.InitService.ReportClock, &contract.ReportClockRequest{Good: true}); err != nil {
				t.Fatal(err)
			}
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.swept(began, tick())
		}
		if err := d.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if run == 2 {
			killed = lived{t.TempDir(), "two", h, tick(), p.Ahead}
			if err := os.CopyFS(killed.dir, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
		}
		d.Close()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	return killed, lived{dir, "two", h, tick(), p.Ahead}
}

// socketFolder gives a folder with a short path.
func socketFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// damages are what a disk does to octets [at, at+512) of a file.
var damages = []struct {
	name string
	do   func(b []byte, random *rand.Rand)
}{
	{"a flipped bit", func(b []byte, random *rand.Rand) { b[random.IntN(len(b))] ^= 1 << random.IntN(8) }},
	{"a sector of zeros", func(b []byte, _ *rand.Rand) { clear(b) }},
	{"a sector of noise", func(b []byte, random *rand.Rand) {
		for i := range b {
			b[i] = byte(random.Uint32())
		}
	}},
}

const notesFiles = "store/notes/*.log"

// TestDamage changes a random sector of each kind of file: no wrong octets are shown, no mail is missing but one whose own
// record was hit, and what is damaged is said.
func TestDamage(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	killed, stopped := live(t)
	for state, l := range map[string]lived{"killed": killed, "stopped": stopped} {
		for _, kind := range []string{"store/bodies/*.seg", notesFiles, "store/index.db", "store/checkpoint-*.db", "store/index.state"} {
			for n, damage := range damages {
				t.Run(state+", "+damage.name+" in "+filepath.Base(kind), func(t *testing.T) {
					t.Parallel()
					for round := range *rounds {
						random := rand.New(rand.NewPCG(*seed, uint64(round*len(damages)+n)))
						l.hit(t, kind, random, damage.do)
					}
				})
			}
		}
	}
}

// hit damages a copy of the folder and has the store come back on it.
func (l lived) hit(t *testing.T, kind string, random *rand.Rand, damage func([]byte, *rand.Rand)) {
	t.Helper()
	dir := socketFolder(t)
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, kind))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", kind, err)
	}
	name := names[random.IntN(len(names))]
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(b, "\x00"))
	if used == 0 {
		return // nothing to damage
	}
	from := random.IntN(used) / sector * sector
	to := min(from+sector, len(b))
	if last := bytes.LastIndex(b, []byte("PRnt")); kind == notesFiles && name == names[len(names)-1] && to > last {
		return // the last note: its damage is a cut's torn write, for all that anyone can tell
	}
	before := bytes.Clone(b)
	damage(b[from:to], random)
	if err := os.WriteFile(name, b, 0o640); err != nil {
		t.Fatal(err)
	}
	hit := l.history.hit(before, from, to)
	for _, wrong := range l.look(t, dir, hit) {
		t.Errorf("%s damaged at %d to %d: %s", strings.TrimPrefix(name, dir), from, to, wrong)
	}
}

// hit gives the mails whose records stand in octets [from, to) of a file.
func (h *History) hit(octets []byte, from, to int) map[*Mail]bool {
	const header = 80 // octets before a body
	hit := make(map[*Mail]bool)
	for _, m := range h.Mails {
		for base := 0; ; {
			i := bytes.Index(octets[base:], m.Octets)
			if i < 0 {
				break
			}
			i += base
			if i-header < to && i+len(m.Octets) > from {
				hit[m] = true
			}
			base = i + 1
		}
	}
	return hit
}

// look has the store come back on a damaged folder.
func (l lived) look(t *testing.T, dir string, hit map[*Mail]bool) (wrong []string) {
	t.Helper()
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	p := Place{
		Data: filepath.Join(dir, "store"), Key: filepath.Join(dir, "key", "machine.key"), Run: dir, Boot: l.boot, Ahead: l.ahead,
	}
	_, stop, err := p.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		return []string{"the store doesn't come back: " + err.Error()}
	}
	box := p.Dial()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := box.Survey(ctx, l.history, l.at, true)
	if err != nil {
		return []string{"the store doesn't answer: " + err.Error()}
	}
	there := make(map[*Mail]int)
	for _, message := range s.Messages {
		if message.Damaged != nil {
			continue
		}
		if m := l.history.mailOf(message.Octets); m == nil {
			say("message %d in %v has octets that no mail has", message.ID, message.Stage)
		} else {
			there[m]++
		}
	}
	said := len(s.Problems) > 0
	for _, c := range s.Status.Conditions {
		said = said || c.Name == contract.ConditionDamage
	}
	for _, m := range l.history.Mails {
		least, most := m.between(l.at)
		switch {
		case most != Gone && there[m] == 0 && least != Absent && !hit[m] && m.Sending == nil: // whose a sent one was, its row alone knew: it is said
			say("mail %d is lost, and was not damaged", m.Number)
		case there[m] > 2:
			say("mail %d is there %d times", m.Number, there[m])
		}
	}
	if differs := l.history.Check(s, l.at); len(differs) > 0 && !said {
		say("nobody says that something is damaged: %s", strings.Join(differs, "; "))
	}
	box.Close()
	if err := stop(); err != nil {
		say("the store doesn't stop: %v", err)
	}
	return wrong
}
