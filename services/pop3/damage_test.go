package pop3

import (
	"os"
	"strings"
	"testing"

	"postroom/services/contract"
)

func TestDamage(t *testing.T) {
	t.Parallel()
	small := "Subject: small\r\n\r\nfew octets\r\n"
	large := "Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 10_000)
	for _, tt := range []struct {
		name, body, command string
		harm                func(*testing.T, *fakeStore, *contract.MailboxMessage)
	}{
		{"flipped bit, small", small, "RETR 1", flip},
		{"flipped bit, large", large, "RETR 1", flip},
		{"flipped bit, small, TOP", small, "TOP 1 0", flip},
		{"cut off", large, "RETR 1", func(t *testing.T, f *fakeStore, m *contract.MailboxMessage) {
			if err := os.Truncate(f.segment(), int64(m.Body.Offset+m.Body.Length/2)); err != nil {
				t.Fatal(err)
			}
		}},
		{"no file", small, "RETR 1", func(t *testing.T, f *fakeStore, m *contract.MailboxMessage) {
			if err := os.Remove(f.segment()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeStore(t)
			m := f.add(t, testPrefix, tt.body)
			tt.harm(t, f, m)
			b := start(t, f)
			c := loggedIn(t, b.plain)
			c.send(tt.command + "\r\nQUIT\r\n")
			if got := c.wantClosed(); strings.Contains(got, "\r\n.\r\n") || strings.HasSuffix(got, tt.body) {
				t.Errorf("a damaged message came to its end: …%q", got[max(0, len(got)-80):])
			}
			if report := <-b.damages; report.Id != m.Id || string(report.Account) != string(testAccount) || report.Text == "" {
				t.Errorf("report: got %v", report)
			}
			if got := ids(<-b.polls); got != "" {
				t.Errorf("leaves: got %q, want nothing", got)
			}
		})
	}
}

// flip turns a bit near the end of the body.
func flip(t *testing.T, f *fakeStore, m *contract.MailboxMessage) {
	file, err := os.OpenFile(f.segment(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	at := int64(m.Body.Offset + m.Body.Length - 3)
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := file.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}
