//go:build root

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
	"postroom/tools/provider"

	"golang.org/x/sys/unix"
)

// world is a box with all that it deals with, each in reach of faults.
type world struct {
	t        testing.TB
	provider *provider.Provider
	toTLS    *Line // fetcher to provider
	toPlain  *Line
	toBox    *Line // clients to pop3
	small    string
	disk     *Disk
	box      *hosted.Box
	ca       []byte
	admin    *contract.Client[contract.AdminService]
	tally    *Tally
	accounts []account
}

// account is a login at the provider, and the name that its client logs in to the box by.
type account struct{ user, name string }

// The last account is enrolled under faults.
func accounts() (list []account) {
	for i, host := range []string{"pop3.web.de", "pop3.gmx.de", "pop3.web.de", "pop3.gmx.de"} {
		user := fmt.Sprintf("user%d@example.org", i+1)
		list = append(list, account{user, user + "@" + host})
	}
	return list
}

const diskSize = 192 << 20 // octets: the store's reserve is a tenth

// newWorld starts everything, and ends it with the test.
func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{t: t, provider: hosted.Provider(t), tally: NewTally(), accounts: accounts()}
	for _, a := range w.accounts {
		if err := w.provider.AddUser(t.Context(), a.user, hosted.Password); err != nil {
			t.Fatal(err)
		}
	}
	w.toTLS = w.line(w.provider.AddrTLS(), seed+1)
	w.toPlain = w.line(w.provider.Addr(), seed+2)
	dir := hosted.Folder(t)
	w.mount(dir, seed)
	w.box = hosted.StartIn(t, dir, w.settings(0))
	w.toBox = w.line(w.box.Addr("pop3.listen_tls"), seed+3)
	ca, err := os.ReadFile(w.box.CA())
	if err != nil {
		t.Fatal(err)
	}
	w.ca = ca
	w.admin = contract.NewClient(filepath.Join(w.box.Data(), "run", "admin.sock"), contract.NewAdminClient)
	t.Cleanup(func() { w.admin.Close() })
	return w
}

func (w *world) line(to netip.AddrPort, seed uint64) *Line {
	w.t.Helper()
	l, err := NewLine(to, seed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return l
}

// mount puts a small file system below the store, and one that can fail over it.
func (w *world) mount(dir string, seed uint64) {
	w.t.Helper()
	w.small = filepath.Join(dir, "small")
	store := filepath.Join(dir, "data", "store") // below Box.Data
	for _, name := range []string{w.small, filepath.Dir(store), store} {
		if err := os.Mkdir(name, 0o700); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := unix.Mount("postroom-test", w.small, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=700", diskSize)); err != nil {
		w.t.Fatalf("mount a small file system: %v", err)
	}
	w.t.Cleanup(func() {
		if err := unix.Unmount(w.small, 0); err != nil {
			w.t.Errorf("unmount the small file system: %v", err)
		}
	})
	real := filepath.Join(w.small, "store")
	if err := os.Mkdir(real, 0o700); err != nil {
		w.t.Fatal(err)
	}
	disk, err := Mount(real, store, seed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := disk.Unmount(); err != nil {
			w.t.Errorf("unmount the disk: %v", err)
		}
	})
	w.disk = disk
}

// settings is a file of which number tells it from others.
func (w *world) settings(number int) string {
	return hosted.SettingsBy(w.toTLS.Addr(), w.toPlain.Addr(), w.provider.CA()) + fmt.Sprintf(`
[fetch]
schedule = "10s"
connect_timeout = "5s"
command_timeout = "5s"
retry_first = "1s"
retry_longest = "2s"
idle_after = "%dh"
`, 1000+number)
}

// mailOctets is how much mail is given at most in a run: none is let go of within a day, and the disk is small.
const mailOctets = 48 << 20

// give delivers mail at the provider until ctx ends.
func (w *world) give(ctx context.Context, random *rand.Rand) {
	last := make(map[account][]byte)
	for n, octets := 0, 0; pause(ctx, random, 20*time.Millisecond, 150*time.Millisecond) && octets < mailOctets; {
		a := w.accounts[random.IntN(len(w.accounts))]
		var mails [][]byte
		for range 1 + random.IntN(6) {
			n++
			m := newMail(n, random)
			if random.IntN(40) == 0 && last[a] != nil {
				m = last[a] // the same mail twice is two mails
			}
			last[a] = m
			mails = append(mails, m)
			octets += len(m)
		}
		if w.fill(a, mails) != nil {
			return
		}
	}
}

func (w *world) fill(a account, mails [][]byte) error {
	w.tally.Give(a.name, mails) // first: it may come at once
	err := w.provider.Fill(a.user, mails)
	if err != nil {
		w.tally.Wrong("provider: %w", err)
	}
	return err
}

func newMail(n int, random *rand.Rand) []byte {
	size := 1 << (6 + random.IntN(9)) // 64 octets to 16 KiB
	if random.IntN(60) == 0 {
		size = 900<<10 + random.IntN(1<<20) // around the least that is uploaded in pieces
	}
	m := fmt.Appendf(nil, "From: a@example.org\r\nSubject: mail %d\r\n\r\n", n)
	for len(m) < size {
		m = fmt.Appendf(m, "%016x %016x %016x\r\n.%016x\r\n", random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	}
	return m
}

// collect is an account's client, until ctx ends.
func (w *world) collect(ctx context.Context, a account, random *rand.Rand) {
	for pause(ctx, random, 10*time.Millisecond, 200*time.Millisecond) {
		w.session(a, random)
	}
}

// session polls once. Now and then a client goes away without QUIT, or deletes what it retrieved.
func (w *world) session(a account, random *rand.Rand) {
	leaves, deletes := random.IntN(10) == 0, random.IntN(4) == 0
	s, err := hosted.DialAt(w.toBox.Addr(), w.ca)
	if err != nil {
		return
	}
	defer s.Close()
	s.LogIn(a.name, hosted.Password)
	if refusedAsWrong(s.Err()) {
		w.tally.Wrong("%s: the right password is refused: %w", a.name, s.Err())
	}
	mails := s.Retrieve()
	for i := range mails {
		if deletes {
			s.Command("DELE %d", i+1)
		}
	}
	ended := dropped
	if s.Err() == nil && !leaves {
		ended = unsure
		if s.Command("QUIT"); s.Err() == nil {
			ended = over
		}
	}
	whole := mails[:0]
	for _, m := range mails {
		if m.Octets != nil {
			whole = append(whole, m)
		}
	}
	w.tally.Got(a.name, whole, ended)
}

// parts runs functions until ctx ends, each with random choices of its own.
func parts(ctx context.Context, random *rand.Rand, list ...func(context.Context, *rand.Rand)) (wait func()) {
	var running sync.WaitGroup
	for _, part := range list {
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		running.Go(func() { part(ctx, own) })
	}
	return running.Wait
}

// pause lets some time go by, and tells whether ctx is still on.
func pause(ctx context.Context, random *rand.Rand, least, most time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(least + time.Duration(random.Int64N(int64(most-least)))):
		return true
	}
}

// refusedAsWrong tells a refusal that has a client ask its user for another password.
func refusedAsWrong(err error) bool {
	return errors.Is(err, hosted.ErrRefused) && strings.Contains(err.Error(), "[AUTH]")
}
