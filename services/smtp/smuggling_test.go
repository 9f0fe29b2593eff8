package smtp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// forged is what would be a second mail for who takes the octets before it for the end of the first.
const forged = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nforged\r\n"

// sequences gives all of the alphabet's, from one to most octets long.
func sequences(alphabet string, most int) []string {
	list := []string{""}
	for from, length := 0, 1; length <= most; length++ {
		to := len(list)
		for _, before := range list[from:to] { // those one octet shorter
			for _, c := range alphabet {
				list = append(list, before+string(c))
			}
		}
		from = to
	}
	return list[1:]
}

// Whatever stands where an end of the mail may be seen is refused, or there is one mail with these octets; only CRLF "." CRLF ends
// it, and then what follows are commands.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	most := 7
	if testing.Short() {
		most = 5
	}
	f := newFakeStore(t)
	n := 0
	synctest.Test(t, func(t *testing.T) {
		server := newTestServer(f)
		for _, end := range append(sequences("\r\n.", most), sequences("\r\n.\x00", most-2)...) {
			body := "Subject: first\r\n\r\nfirst" + end
			n++
			p := pipeTo(t, f, server, inside)
			p.ask("EHLO pc", "250 ")
			text := body + forged
			bad := bare(text)
			if !strings.Contains(body, "\r\n.\r\n") { // else that is the end, and what follows the client's own
				p.envelope()
				p.ask("DATA", "354 ")
				p.send(text + "\r\n.\r\n")
				reply := p.reply()
				p.ask("NOOP", "250 ") // one reply alone
				got := f.mails()
				switch {
				case bad && (len(got) != 0 || !strings.HasPrefix(reply, "550 5.6.0 ")):
					t.Fatalf("%q: %d mails, %q", end, len(got), reply)
				case !bad && (len(got) != 1 || !strings.HasSuffix(string(got[0].Body), unstuffed(text+"\r\n"))):
					t.Fatalf("%q: %d mails, %q", end, len(got), reply)
				}
			}
			before := len(f.mails())
			// In a chunk nothing is an end, and dots are themselves.
			p.envelope()
			p.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
			reply := p.reply()
			p.ask("NOOP", "250 ")
			got := f.mails()[before:]
			if bad != (len(got) == 0) || !bad && !strings.HasSuffix(string(got[0].Body), text) {
				t.Fatalf("%q in a chunk: %d mails, %q", end, len(got), reply)
			}
			p.end()
			f.taken = nil
		}
	})
	t.Logf("%d sequences", n)
}

// bare tells whether a text has a CR or LF that isn't half of CRLF, or a NUL.
func bare(text string) bool {
	return strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n\x00")
}

// unstuffed takes a dot off each line that begins with one (RFC 5321 §4.5.2).
func unstuffed(text string) string {
	return strings.ReplaceAll(text, "\r\n.", "\r\n")
}

// The same cut in two anywhere, and with the end of one read in the middle of it.
func TestSmugglingInPieces(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	synctest.Test(t, func(t *testing.T) {
		server := newTestServer(f)
		for _, end := range sequences("\r\n.", 4) {
			text := "a: b\r\n\r\nfirst" + end + "MAIL FROM:<evil@example.org>\r\n.\r\n"
			if strings.Index(text, "\r\n.\r\n") < len(text)-5 {
				continue
			}
			p := pipeTo(t, f, server, inside)
			p.ask("EHLO pc", "250 ")
			replies := map[bool]int{}
			for cut := 13; cut < len(text); cut++ {
				p.envelope()
				p.ask("DATA", "354 ")
				p.send(text[:cut])
				synctest.Wait()
				p.send(text[cut:])
				reply := p.reply()
				p.ask("NOOP", "250 ")
				replies[strings.HasPrefix(reply, "250 ")]++
			}
			if taken := !bare(text); replies[!taken] > 0 {
				t.Fatalf("%q: %d times taken, %d times refused", end, replies[true], replies[false])
			}
			p.end()
		}
	})
}
