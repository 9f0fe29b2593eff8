//go:build guest

package guest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

var cuts = flag.Int("cuts", 5, "cuts of the power in fetches")

const (
	mailsACut  = 200
	maxSession = time.Minute
)

func isReady(s *contract.GetStatusResponse) bool { return s.Ready }

// TestPowerCutsDuringFetches kills QEMU in the middle of fetches: nothing is lost, nothing comes twice, and the box is
// back by itself.
func TestPowerCutsDuringFetches(t *testing.T) {
	p := hosted.Provider(t)
	b := newBox(t, qemuImage, p)
	b.up()
	var fetchTime time.Duration // about what retrieving and deleting so many takes; the first round measures it
	for round := range *cuts + 1 {
		batch := batch(round)
		if err := p.Fill(hosted.WebUser, batch); err != nil {
			t.Fatal(err)
		}
		got := make(map[string][]byte) // by UIDL
		keep := func(m hosted.Mail) {
			if _, twice := got[m.UIDL]; twice {
				t.Errorf("round %d: UIDL %s came twice", round, m.UIDL)
			}
			got[m.UIDL] = m.Octets
		}
		poll(t, b, keep) // starts the fetch, unless one that an earlier poll asked for began just now
		began := time.Now()
		if round == 0 {
			b.until("validated mail", hosted.Waiting(hosted.WebName, uint64(mailsACut-len(got))))
			fetchTime = time.Since(began) / 2 // the rest is validation, and this test looking
			t.Logf("a fetch takes %v", fetchTime)
		} else {
			wait := time.Duration(rand.Int64N(int64(fetchTime)))
			time.Sleep(wait) // the cut comes at any moment
			b.Kill()
			left, err := p.Count(hosted.WebUser)
			t.Logf("power cut after %v: the provider holds %d mails, %v", wait, left, err)
			b.up()
		}
		for len(got) < len(batch) {
			before := len(got)
			poll(t, b, keep)
			if len(got) == before && time.Since(began) > bootPatience {
				t.Fatalf("round %d: %d of %d mails came", round, len(got), len(batch))
			}
		}
		var octets [][]byte
		for _, m := range got {
			octets = append(octets, m)
		}
		if missing, extra := hosted.Missing(batch, octets); missing != 0 || extra != 0 {
			t.Fatalf("round %d: %d mails are missing, %d too many", round, missing, extra)
		}
		b.until("an empty provider and empty queues", func(s *contract.GetStatusResponse) bool {
			left, err := p.Count(hosted.WebUser)
			return err == nil && left == 0 && hosted.Waiting(hosted.WebName, 0)(s)
		})
	}
	b.down()
}

// poll polls until a session is whole, and tells of each mail that it got.
func poll(t *testing.T, b *box, tell func(hosted.Mail)) {
	t.Helper()
	for began := time.Now(); ; {
		list, err := hosted.PollAt(b.pop3, b.ca, hosted.WebName, hosted.Password)
		if err == nil {
			for _, m := range list {
				tell(m)
			}
			return
		}
		if time.Since(began) > maxSession {
			t.Fatalf("no whole session within %v: %v", maxSession, err)
		}
	}
}

func batch(round int) (list [][]byte) {
	for i := range mailsACut {
		size := 1 << (6 + rand.IntN(9)) // 64 octets to 16 KiB
		if i == mailsACut/2 {
			size = 3 << 20
		}
		m := fmt.Appendf(nil, "From: a@example.org\r\nSubject: round %d, mail %d\r\n\r\n", round, i)
		for len(m) < size {
			m = fmt.Appendf(m, "%016x %016x %016x\r\n", rand.Uint64(), rand.Uint64(), rand.Uint64())
		}
		list = append(list, m)
	}
	return list
}
