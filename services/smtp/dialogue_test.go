package smtp

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/settings"

	"golang.org/x/tools/txtar"
)

// TestDialogues holds the dialogues in testdata/dialogues. An archive has the settings if they matter (settings.toml; without them
// loopback is a trusted network), what the store knows (users, own, accounts: an address a line), the dialogue, and the mails
// that were taken (mail/N: the envelope, an empty line, the mail with LF for CRLF):
//
//	C: what the client sends
//	C> octets as Go quotes them
//	C! closes its connection
//	S: a line that it reads, where * is any text, and \* a star
//	S! the server closes the connection
//	TLS the handshake, with which a dialogue may begin
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogues/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			holdDialogue(t, archive)
		})
	}
}

func holdDialogue(t *testing.T, archive *txtar.Archive) {
	f := newFakeStore(t)
	dialogue, mails := "", []string{}
	for _, part := range archive.Files {
		text := string(part.Data)
		switch {
		case part.Name == "settings.toml":
			in, err := settings.Parse(part.Name, part.Data)
			if err != nil {
				t.Fatal(err)
			}
			f.settings = in
		case part.Name == "users":
			f.users = strings.Fields(text)
		case part.Name == "own":
			f.own = strings.Fields(text)
		case part.Name == "accounts":
			f.accounts = strings.Fields(text)
		case part.Name == "dialogue":
			dialogue = text
		case strings.HasPrefix(part.Name, "mail/"):
			mails = append(mails, strings.TrimRight(text, "\n"))
		default:
			t.Fatalf("unknown part %q", part.Name)
		}
	}
	b := start(t, f)
	var c *client
	for n, line := range strings.Split(strings.TrimSuffix(dialogue, "\n"), "\n") {
		switch {
		case c == nil && line == "TLS":
			c = dialTLS(t, b.tls)
			continue
		case c == nil:
			c = dial(t, b.plain)
		}
		if err := step(c, line); err != nil {
			t.Fatalf("line %d of the dialogue, %s: %v", n+1, line, err)
		}
	}
	got := b.mails()
	for n, want := range mails {
		if n >= len(got) {
			t.Errorf("mail %d is missing", n+1)
		} else if text := show(got[n]); !pattern(want).MatchString(text) {
			t.Errorf("mail %d: got\n%s\nwant\n%s", n+1, text, want)
		}
	}
	if len(got) > len(mails) {
		t.Errorf("%d mails, want %d", len(got), len(mails))
	}
}

// show is a mail in the form of the archive.
func show(m *contract.SubmitMail) string {
	var b strings.Builder
	fmt.Fprintf(&b, "from <%s>", m.Sender)
	for _, flag := range []struct {
		name string
		is   bool
	}{{" SMTPUTF8", m.Smtputf8}, {" 8BITMIME", m.EightBit}, {" HDRS", m.HeadersOnly}} {
		if flag.is {
			b.WriteString(flag.name)
		}
	}
	if m.EnvelopeId != "" {
		b.WriteString(" ENVID=" + m.EnvelopeId)
	}
	if len(m.Account) > 0 {
		b.WriteString(" as " + string(m.Account))
	}
	b.WriteString("\n")
	for _, r := range m.Recipients {
		fmt.Fprintf(&b, "to <%s>", r.Address)
		if r.Notify != nil {
			fmt.Fprintf(&b, " never=%v success=%v failure=%v delay=%v", r.Notify.Never, r.Notify.Success, r.Notify.Failure, r.Notify.Delay)
		}
		if r.Original != "" {
			b.WriteString(" ORCPT=" + r.Original)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n" + strings.ReplaceAll(string(m.Body), "\r\n", "\n"))
	return strings.TrimRight(b.String(), "\n")
}

func step(c *client, line string) error {
	c.t.Helper()
	switch line {
	case "C!":
		return c.nc.Close()
	case "TLS":
		return c.upgrade()
	case "S!":
		if rest := c.wantClosed(); rest != "" {
			return fmt.Errorf("before the end came %q", rest)
		}
		return nil
	}
	if text, ok := strings.CutPrefix(line, "C>"); ok {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimPrefix(text, " "), `"`, `\"`) + `"`)
		c.send(text)
		return err
	}
	who, text, ok := strings.Cut(line, ":")
	text = strings.TrimPrefix(text, " ")
	switch {
	case ok && who == "C":
		c.send(text + "\r\n")
	case ok && who == "S":
		if got := c.line(); !pattern(text).MatchString(got) {
			return fmt.Errorf("got %q", got)
		}
	default:
		return fmt.Errorf("neither side")
	}
	return nil
}

// pattern is what a text must be: * is any text.
func pattern(text string) *regexp.Regexp {
	parts := strings.Split(strings.ReplaceAll(text, `\*`, "\x00"), "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.ReplaceAll(parts[i], "\x00", "*"))
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$")
}
