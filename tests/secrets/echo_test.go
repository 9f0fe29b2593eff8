package secrets

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"postroom/tests/hosted"
)

// A provider that says the password again where it refuses it makes nobody else do so.
func TestProviderThatRepeatsThePassword(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.StartIn(t, hosted.Folder(t), hosted.Settings(p)+
		fmt.Sprintf("\n[[provider]]\nhost = \"pop3.parrot.example\"\naddress = %q\ntls = \"none\"\n", parrot(t)),
		"--log-level", "DEBUG")
	_, err := box.Poll("me@pop3.parrot.example", wrong)
	if err == nil || !strings.Contains(err.Error(), "wrong password") {
		t.Fatalf("poll: %v, want the provider's refusal", err)
	}
	for where, text := range map[string]string{"the answer": err.Error(), "the log": box.Log()} {
		for form, needle := range encodings(mark) {
			if at := strings.Index(text, needle); at >= 0 {
				t.Errorf("%s holds a password, %s: …%.120q…", where, form, text[max(0, at-80):])
			}
		}
	}
}

// parrot is a provider that says again what it was told, and gives its address.
func parrot(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talk(c)
		}
	}()
	return l.Addr().String()
}

func talk(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "+OK\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "PASS "):
			fmt.Fprintf(c, "-ERR [AUTH] wrong password: %s\r\n", line)
		case strings.HasPrefix(line, "CAPA"):
			fmt.Fprint(c, "-ERR\r\n")
		default:
			fmt.Fprint(c, "+OK\r\n")
		}
	}
}
