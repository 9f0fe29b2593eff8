package smtp

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// FuzzDialogue sends octets in two parts, as they may arrive: the replies are the same whatever the split, each line of one is at
// most 512 octets of ASCII, and from a stranger no mail is taken, whatever it sends.
func FuzzDialogue(f *testing.F) {
	for _, seed := range []string{
		"EHLO pc\r\nNOOP\r\nQUIT\r\n",
		"EHLO pc\r\nMAIL FROM:<a@b.example> SIZE=1\r\nRCPT TO:<c@d.example> NOTIFY=NEVER\r\nDATA\r\na: b\r\n\r\n..\r\n.\r\nQUIT\r\n",
		"HELO pc\r\nMAIL FROM:<>\r\nRCPT TO:<\"a>b\"@d.example>\r\nBDAT 3\r\nx\r\nBDAT 0 LAST\r\nRSET\r\n",
		"\r\n\n \r\nMAIL\r\nRCPT \x00\r\nBDAT\r\n",
		"EHLO pc\r\nBDAT 5\r\nQUIT\nNOOP\r\n",
		strings.Repeat("x", 3000) + "\r\nNOOP\r\n",
		"EHLO pc\r\nAUTH PLAIN AGEAYQ==\r\nVRFY x\r\nHELP\r\nGET / HTTP/1.0\r\n",
		"NOOP\r\n\x16\x03\x01\x00",
	} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, input []byte, split int) {
		if bytes.Contains(bytes.ToUpper(input), []byte("STARTTLS")) {
			return // what follows is for crypto/tls
		}
		split = max(0, min(split, len(input)))
		for _, address := range []string{inside, outside} {
			whole, taken := exchange(t, address, input)
			parts, again := exchange(t, address, input[:split], input[split:])
			if !slices.Equal(whole, parts) || taken != again {
				t.Errorf("%q split at %d: got %q, %d mails; whole %q, %d mails", input, split, parts, again, whole, taken)
			}
			if address == outside && taken > 0 {
				t.Errorf("%q: %d mails from a stranger", input, taken)
			}
		}
	})
}

var whatDiffers = regexp.MustCompile(`conn [0-9a-f]{10}|taken as [0-9a-f-]{36}`)

// exchange sends parts one after the other, and gives the replies, and how many mails were taken.
func exchange(t *testing.T, address string, parts ...[]byte) (replies []string, taken int) {
	store := &fakeStore{settings: testSettings(), uploads: make(map[uint64][]byte)}
	synctest.Test(t, func(t *testing.T) {
		server := newServer(store, new(logBuffer).logger())
		server.settings.Store(store.settings)
		server.remark(t.Context(), store.settings)
		near, far := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			newSession(server, fromAddress{far, address}).serve(t.Context(), t.Context(), false)
		}()
		received := make(chan []byte)
		go func() {
			all, _ := io.ReadAll(near)
			received <- all
		}()
		for _, part := range parts {
			near.Write(part) // fails where the server had enough
			synctest.Wait()
		}
		near.Close()
		<-served
		server.work.Wait()
		lines := bufio.NewScanner(bytes.NewReader(<-received))
		for lines.Scan() {
			line := lines.Text()
			if len(line) > maxReply-2 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) || len(line) < 4 {
				t.Errorf("a reply: %q", line)
			}
			replies = append(replies, whatDiffers.ReplaceAllString(line, ""))
		}
	})
	return replies, len(store.taken)
}
