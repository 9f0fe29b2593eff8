package pop3

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"postroom/services/bodies"
)

// DESIGN: LIST gives exactly the octets that RETR then sends (RFC 1939 §11), and they are the body's own.
func TestListedOctetsAreSent(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	texts := []string{
		"", ".", "..", "\r\n", "\n", "\r", ".\r\n", "\r\n.\r\n", "\n.\n", "\r.\r",
		"Subject: x\r\n\r\n.\r\n..\r\n...\r\n",
		"Subject: x\r\n\r\nno end",
		"Subject: x\n\nbare\nlines\n",
		"Subject: x\r\n\r\nlast is a CR\r",
		"Subject: x\r\n\r\n\x00\x80\xff\r\n",
		strings.Repeat(".\r\n", 40_000),
		strings.Repeat("x", 200_000),
		strings.Repeat("x", bodies.Piece-1) + "\r\n.dot behind the first piece",
		strings.Repeat("x", bodies.Piece-2) + "\r\n.dot at its edge",
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var b strings.Builder
		for range random.IntN(60) {
			b.WriteByte(".\r\n.\r\nx"[random.IntN(8)%7])
		}
		texts = append(texts, b.String())
	}
	for i, body := range texts {
		prefix := testPrefix
		if i%5 == 4 {
			prefix = ""
		}
		f.add(t, prefix, body)
	}
	c := loggedIn(t, start(t, f).plain)
	total := 0
	for i, body := range texts {
		n := i + 1
		listed := c.ask(fmt.Sprint("LIST ", n), "+OK")
		title := c.ask(fmt.Sprint("RETR ", n), "+OK")
		got := c.text()
		if want := fmt.Sprintf("+OK %d %d", n, len(got)); listed != want {
			t.Errorf("body %.40q: LIST says %q, RETR sends %d octets", body, listed, len(got))
		}
		if want := fmt.Sprintf("+OK %d octets", len(got)); title != want {
			t.Errorf("body %.40q: RETR says %q and sends %d octets", body, title, len(got))
		}
		want := string(f.queue[i].Prefix) + body
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		if got != want {
			t.Errorf("RETR: got %.80q, want %.80q", got, want)
		}
		total += len(got)
		c.ask(fmt.Sprintf("TOP %d 1000000", n), "+OK")
		if top := c.text(); top != got {
			t.Errorf("TOP of all lines: got %.80q, want %.80q", top, got)
		}
	}
	c.ask("STAT", fmt.Sprintf("+OK %d %d", len(texts), total))
}
