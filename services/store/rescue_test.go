package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/disk/disktest"
)

// damagedStore gives the folder of a store whose power was cut and some of whose notes are damaged, and the mails that are in it:
// of the first one the row is there; the second is in a segment that no row knows, the others behind the octets that one knows.
func damagedStore(t *testing.T) (cfg Config, account []byte, mails [][]byte) {
	t.Helper()
	b := newBox(t)
	account = b.enrolled(alice)
	small := []*contract.PutMail{mailOf(1), mailOf(3), mailOf(4), mailOf(5)}
	b.put(account, small[0])
	octets := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
	large := mailOf(2)
	large.Body = nil
	var err error
	if large.Upload, err = b.upload(account, octets); err != nil {
		t.Fatal(err)
	}
	b.put(account, large)
	lost := []*contract.PutMail{large}
	for _, m := range small[1:] {
		b.put(account, m)
		lost = append(lost, m)
	}
	b.enrolled("bob@pop3.example.org") // whole notes follow
	cfg = b.cfg
	cfg.Dir, cfg.Boot, cfg.FS = filepath.Join(t.TempDir(), "store"), "two", disktest.Unsynced{}
	copyDir(t, b.cfg.Dir, cfg.Dir)
	logs, err := filepath.Glob(filepath.Join(cfg.Dir, "notes", "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	log, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range lost {
		log[bytes.LastIndex(log, m.Uidl)] ^= 1
	}
	if err := os.WriteFile(logs[0], log, 0o600); err != nil {
		t.Fatal(err)
	}
	mails = [][]byte{octets}
	for _, m := range small {
		mails = append(mails, m.Body)
	}
	return cfg, account, mails
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// mustBeRescued opens a store and looks for all mails in it, each once; the next start has nothing to rescue any more.
func mustBeRescued(t *testing.T, cfg Config, account []byte, mails [][]byte) {
	t.Helper()
	b := &box{t: t, cfg: cfg}
	b.open()
	if b.condition(contract.ConditionDamage) == nil {
		t.Error("no condition says that notes were lost")
	}
	b.mustBeSound()
	b.reopen(cfg.Boot + ", later")
	if len(b.db.Damage) > 0 {
		t.Errorf("a rescue is still owed: %v", b.db.Damage)
	}
	b.validate()
	seen := make(map[string]int)
	for _, m := range b.mailbox(account) {
		seen[string(b.octets(m.Body))]++
	}
	for i, m := range mails {
		if seen[string(m)] != 1 {
			t.Errorf("mail %d is there %d times", i, seen[string(m)])
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// The process dies at any point of a rescue: the next start, which trusts the index in the same boot, goes on with it.
func TestDeathWithinARescue(t *testing.T) {
	t.Parallel()
	cfg, account, mails := damagedStore(t)
	var died []string
	folder := t.TempDir()
	dying := cfg
	dying.Dir = filepath.Join(t.TempDir(), "store")
	copyDir(t, cfg.Dir, dying.Dir)
	dying.Point = func(name string) {
		died = append(died, filepath.Join(folder, fmt.Sprintf("%02d %s", len(died), name)))
		copyDir(t, dying.Dir, died[len(died)-1])
	}
	s, err := Open(t.Context(), dying)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(died) < 2*4 {
		t.Fatalf("died at %v: want each of 4 mails that are rescued", died)
	}
	for _, at := range died {
		for _, boot := range []string{"two", "three"} {
			t.Run(filepath.Base(at)+", then boot "+boot, func(t *testing.T) {
				t.Parallel()
				again := cfg
				again.Dir, again.Boot = filepath.Join(t.TempDir(), "store"), boot
				copyDir(t, at, again.Dir)
				mustBeRescued(t, again, account, mails)
			})
		}
	}
}

// A rescue that is ended, or fails, ends the start; its clean stop makes a checkpoint of an index that is behind the damage.
func TestARescueThatEndsEarlyGoesOn(t *testing.T) {
	t.Parallel()
	cfg, account, mails := damagedStore(t)
	for commits := range 4 {
		for _, boot := range []string{"two", "three"} {
			t.Run(fmt.Sprintf("after %d commits, then boot %s", commits, boot), func(t *testing.T) {
				t.Parallel()
				again := cfg
				again.Dir = filepath.Join(t.TempDir(), "store")
				copyDir(t, cfg.Dir, again.Dir)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ending, left := again, commits
				ending.Point = func(name string) {
					if name == "index-applied" {
						if left--; left == 0 {
							cancel()
						}
					}
				}
				if commits == 0 {
					cancel()
				}
				if _, err := Open(ctx, ending); !errors.Is(err, context.Canceled) {
					t.Fatalf("open: %v, want that it was ended", err)
				}
				again.Boot = boot
				mustBeRescued(t, again, account, mails)
			})
		}
	}
}

// The note is lost by which a held mail went on, and its ledger row is deleted at the provider by now: nobody but the rescue
// would let it through. One that went on further is there already, and comes no second time.
func TestRescueOfHeldMailThatWentOn(t *testing.T) {
	t.Parallel()
	for name, validated := range map[string]bool{"in the In Queue": false, "in the Out Queue": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			account := b.enrolled(alice)
			row := b.put(account, held("a held mail\r\n"))[0].Id
			logs, err := filepath.Glob(filepath.Join(b.cfg.Dir, "notes", "*.log"))
			if err != nil || len(logs) != 1 {
				t.Fatal(logs, err)
			}
			b.marked(account, row, contract.LedgerState_STORED)
			log, err := os.ReadFile(logs[0])
			if err != nil {
				t.Fatal(err)
			}
			end := len(bytes.TrimRight(log, "\x00"))
			b.marked(account, row, contract.LedgerState_DELE_SENT)
			if validated {
				b.validate()
			}
			cfg := b.cfg
			cfg.Dir, cfg.Boot, cfg.FS = filepath.Join(t.TempDir(), "store"), "two", disktest.Unsynced{}
			copyDir(t, b.cfg.Dir, cfg.Dir)
			hit := filepath.Join(cfg.Dir, "notes", filepath.Base(logs[0]))
			if log, err = os.ReadFile(hit); err != nil {
				t.Fatal(err)
			}
			log[end-2] ^= 1
			if err := os.WriteFile(hit, log, 0o600); err != nil {
				t.Fatal(err)
			}
			mustBeRescued(t, cfg, account, [][]byte{[]byte("a held mail\r\n")})
		})
	}
}
