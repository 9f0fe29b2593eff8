package pop3

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postroom/services/settings"

	"golang.org/x/tools/txtar"
)

// TestDialogues holds the dialogues in testdata/dialogues. An archive has the mails of the Out Queue
// (out-queue/NAME.eml, in the order of their names, with CRLF for each LF; bare-queue/NAME has no prefix, and no line
// end behind a last backslash), the settings if they matter
// (settings.toml, behind plaintext_login = "always"), the dialogue, what leaves the Out Queue (leaves:
// one line a poll, the ids in it), and what is retrieved and stays (retrieved: the same, for polls with any):
//
//	C: what the client sends
//	C! closes its connection
//	S: a line that it reads, where * is any text, and \* a star
//	S! the server closes the connection
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
	var dialogue, leaves, retrieved string
	for _, part := range archive.Files {
		text := string(part.Data)
		switch {
		case strings.HasPrefix(part.Name, "out-queue/"):
			f.add(t, testPrefix, strings.ReplaceAll(text, "\n", "\r\n"))
		case strings.HasPrefix(part.Name, "bare-queue/"):
			f.add(t, "", strings.TrimSuffix(strings.ReplaceAll(text, "\n", "\r\n"), "\\\r\n"))
		case part.Name == "settings.toml":
			in, err := settings.Parse(part.Name, part.Data)
			if err != nil {
				t.Fatal(err)
			}
			f.settings = in
		case part.Name == "dialogue":
			dialogue = text
		case part.Name == "leaves":
			leaves = text
		case part.Name == "retrieved":
			retrieved = text
		default:
			t.Fatalf("unknown part %q", part.Name)
		}
	}
	b := start(t, f)
	c := dial(t, b.plain)
	for n, line := range strings.Split(strings.TrimSuffix(dialogue, "\n"), "\n") {
		if err := step(c, line); err != nil {
			t.Fatalf("line %d of the dialogue, %s: %v", n+1, line, err)
		}
	}
	for name, part := range map[string]struct {
		want string
		got  <-chan []uint64
	}{"leaves": {leaves, f.polls}, "retrieved": {retrieved, f.marks}} {
		for want := range strings.Lines(part.want) {
			got := <-part.got
			slices.Sort(got)
			if text := ids(got); text != strings.TrimSpace(want) {
				t.Errorf("%s: got %q, want %q", name, text, want)
			}
		}
	}
}

func step(c *client, line string) error {
	c.t.Helper()
	if line == "C!" {
		return c.nc.Close()
	}
	if line == "S!" {
		if rest := c.wantClosed(); rest != "" {
			return fmt.Errorf("before the end came %q", rest)
		}
		return nil
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

// pattern is what a line must be: * is any text.
func pattern(text string) *regexp.Regexp {
	parts := strings.Split(strings.ReplaceAll(text, `\*`, "\x00"), "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.ReplaceAll(parts[i], "\x00", "*"))
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

func ids(list []uint64) string {
	words := make([]string, len(list))
	for i, id := range list {
		words[i] = strconv.FormatUint(id, 10)
	}
	return strings.Join(words, " ")
}
