//go:build guest

package guest

import (
	"fmt"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

// TestClockThatIsFarOff boots one box with its clock right, 300 days ahead after that, and 300 days behind after a power
// cut. No network time says what is true: nothing goes by its age, the box says so, and mail goes on.
func TestClockThatIsFarOff(t *testing.T) {
	const jump = 300 * 24 * time.Hour // less than the provider's certificate is valid for, both ways
	p := hosted.Provider(t)
	b := newBox(t, qemuImage, p)
	var given, got [][]byte
	keep := func(m hosted.Mail) { got = append(got, m.Octets) }
	collected := uint64(0)
	for boot, off := range []time.Duration{0, jump, -jump} {
		now := time.Now().Add(off).UTC()
		b.config.Args = []string{"-rtc", "base=" + now.Format("2006-01-02T15:04:05")}
		b.up()
		b.until("the condition of the clock, and all that was collected before", func(s *contract.GetStatusResponse) bool {
			for _, c := range s.Conditions {
				if c.Name == contract.ConditionClock {
					return retrieved(s) == collected
				}
			}
			return false
		})
		poll(t, b, keep) // wakes the schedule; what the boot before left comes
		var batch [][]byte
		for i := range 10 {
			batch = append(batch, fmt.Appendf(nil, "From: a@example.org\r\nSubject: boot %d, mail %d\r\n\r\nby the guest's clock it is %s\r\n", boot, i, now))
		}
		given = append(given, batch...)
		if err := p.Fill(hosted.WebUser, batch[:5]); err != nil {
			t.Fatal(err)
		}
		for len(got) < len(given)-5 {
			poll(t, b, keep)
		}
		if err := p.Fill(hosted.WebUser, batch[5:]); err != nil { // these the next boot serves
			t.Fatal(err)
		}
		poll(t, b, keep)
		status := b.until("an empty provider, and nothing on its way", func(s *contract.GetStatusResponse) bool {
			left, err := p.Count(hosted.WebUser)
			return err == nil && left == 0 && hosted.Waiting(hosted.WebName, uint64(len(given)-len(got)))(s)
		})
		if fetched := status.Accounts[0].LastFetch.AsTime(); fetched.Sub(now).Abs() > time.Hour {
			t.Fatalf("boot %d: the box fetched at %v by its clock, which is to be at %v", boot, fetched, now)
		}
		collected = uint64(len(got))
		if off == jump {
			b.Kill()
		} else {
			b.down()
		}
	}
	b.config.Args = nil
	b.up()
	for len(got) < len(given) {
		poll(t, b, keep)
	}
	if missing, extra := hosted.Missing(given, got); missing != 0 || extra != 0 {
		t.Errorf("%d mails are missing, %d too many", missing, extra)
	}
	b.until("everything that was collected to be kept", func(s *contract.GetStatusResponse) bool { return retrieved(s) == uint64(len(given)) })
	b.down()
}

// retrieved is how many mails were collected and can be brought back.
func retrieved(s *contract.GetStatusResponse) uint64 {
	for _, q := range s.Queues {
		if q.Queue == contract.QueueRetrieved {
			return q.Messages
		}
	}
	return 0
}
