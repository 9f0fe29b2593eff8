package pop3

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

// FuzzDialogue sends octets in two parts, as they may arrive. There is one reply for each line, until QUIT
// or too many bad ones, whatever the split; and what a reply says is one line of at most 512 octets.
func FuzzDialogue(f *testing.F) {
	for _, seed := range []string{
		"CAPA\r\nNOOP\r\nQUIT\r\n",
		"USER " + testName + "\r\nPASS " + testPassword + "\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nRSET\r\nQUIT\r\n",
		"\r\n\n \r\nLIST \r\nstls \x00\r\n",
		strings.Repeat("x", 300) + "\r\nSTAT\r\n",
		"AUTH PLAIN\r\n*\r\nAUTH PLAIN AGEAYQ==\r\nAUTH LOGIN YQ==\r\nYQ==\r\nLANG *\r\nUTF8\r\n",
		"NOOP\r\n\x16\x03\x01\x00",
		"PASS \xff\xfe\r\nUSER\r\nTOP 1\r\nRETR 18446744073709551616\r\n",
	} {
		f.Add([]byte(seed), 7)
	}
	store := newFakeStore(f)
	store.add(f, testPrefix, "Subject: one\r\n\r\n.first\r\n.")
	queue := store.queue
	store.settings.POP3.FailedLoginsPerMinute = 0 // else what one input does counts for the next
	server := newTestServer(f, store, store.dir, new(logBuffer))
	server.settings.Store(store.settings)
	f.Fuzz(func(t *testing.T, input []byte, split int) {
		if bytes.Contains(bytes.ToUpper(input), []byte("STLS")) {
			return // what follows is for crypto/tls
		}
		store.queue = queue
		whole := exchange(t, server, input)
		store.queue = queue
		parts := exchange(t, server, input[:max(0, min(split, len(input)))], input[max(0, min(split, len(input))):])
		if !slices.Equal(whole, parts) {
			t.Errorf("%q split at %d: got %q, whole %q", input, split, parts, whole)
		}
		lines := bytes.Count(input, []byte("\n"))
		if bytes.Contains(append([]byte("\n"), input...), []byte("\n\x16")) {
			lines++ // a TLS hello is answered without a line end
		}
		if len(whole) > lines+1 {
			t.Errorf("%q: %d replies to %d lines: %q", input, len(whole)-1, lines, whole)
		} else if len(whole) < lines+1 && !ends(whole) {
			t.Errorf("%q: only %d replies to %d lines: %q", input, len(whole)-1, lines, whole)
		}
	})
}

// ends tells whether the server had a reason to end the connection.
func ends(replies []string) bool {
	bad := 0
	for _, reply := range replies {
		if strings.HasPrefix(reply, "-ERR") {
			bad++
		}
	}
	last := replies[len(replies)-1]
	return bad >= maxFailedLogins || last == "+OK bye" || last == "-ERR "+errTLSHere.text
}

// exchange sends parts one after the other and gives the replies with the greeting, first lines alone and
// without connection ids.
func exchange(t *testing.T, server *server, parts ...[]byte) (replies []string) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			newSession(server, fromAddress{far, inside}).serve(t.Context(), t.Context(), false)
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
		replies = firstLines(t, <-received)
	})
	for len(server.store.(*fakeStore).polls) > 0 {
		<-server.store.(*fakeStore).polls
	}
	return replies
}

func firstLines(t *testing.T, all []byte) (replies []string) {
	in := bufio.NewScanner(bytes.NewReader(all))
	inText := false
	for in.Scan() {
		line := in.Text()
		switch {
		case inText:
			inText = line != "."
		case strings.HasPrefix(line, "+ "): // a challenge of AUTH
			replies = append(replies, line)
		case !strings.HasPrefix(line, "+OK ") && !strings.HasPrefix(line, "-ERR "):
			t.Fatalf("a reply begins with %q", line)
		default:
			if len(line) > 510 {
				t.Errorf("a reply of %d octets: %q", len(line)+2, line)
			}
			if i := strings.LastIndex(line, " (conn "); i >= 0 && line[0] == '-' {
				line = line[:i]
			}
			replies = append(replies, line)
			inText = longReply(line)
		}
	}
	return replies
}

var longReply = regexp.MustCompile(`^\+OK (\d+ octets|\d+ messages \(.*|.* follows?)$`).MatchString
