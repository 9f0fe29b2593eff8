package mbox

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

var received = time.Date(2026, 11, 23, 9, 30, 1, 0, time.UTC)

func write(t testing.TB, mails ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, mail := range mails {
		if err := w.Begin(received); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(mail); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Octets() != int64(out.Len()) {
		t.Errorf("counted %d octets of %d", w.Octets(), out.Len())
	}
	return out.Bytes()
}

func TestForm(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, mail, want string }{
		{"CRLF becomes LF", "Subject: x\r\n\r\ntext\r\n", "Subject: x\n\ntext\n"},
		{"a lone LF stays", "a\nb\n", "a\nb\n"},
		{"a lone CR stays", "a\rb\r\r\nc\r\n", "a\rb\r\nc\n"},
		{"an open end is ended", "a\r\nb", "a\nb\n"},
		{"an end in CR is ended", "a\r\nb\r", "a\nb\r\n"},
		{"nothing", "", ""},
		{"From at a line's beginning", "a\r\nFrom b\r\nFrom\r\nFro\r\nFrom", "a\n>From b\nFrom\nFro\nFrom\n"},
		{"From is quoted already", "a\n>From b\n>>>From c\n>> From\n>>\r\n>", "a\n>>From b\n>>>>From c\n>> From\n>>\n>\n"},
		{"From behind a lone CR", "a\rFrom b\n", "a\rFrom b\n"},
		{"From first of all", "From b\r\n", ">From b\n"},
		{"nearly From", "FFrom b\nFrom\tb\nF\rrom b\n", "FFrom b\nFrom\tb\nF\rrom b\n"},
	} {
		want := "From MAILER-DAEMON Mon Nov 23 09:30:01 2026\n" + test.want + "\n"
		if got := string(write(t, []byte(test.mail))); got != want {
			t.Errorf("%s: %q: got %q, want %q", test.name, test.mail, got, want)
		}
	}
}

var (
	quoted  = regexp.MustCompile(`(?m)^>(>*From )`)
	someEnd = regexp.MustCompile(`(?s)[^\n]$`)
)

// plain is what a reader gets back of a mail.
func plain(mail []byte) []byte {
	mail = bytes.ReplaceAll(mail, []byte("\r\n"), []byte("\n"))
	return someEnd.ReplaceAllFunc(mail, func(c []byte) []byte { return append(bytes.Clone(c), '\n') })
}

// python reads an mbox with Python's mailbox.mbox.
const python = `
import base64, json, mailbox, re, sys
box = mailbox.mbox(sys.argv[1], create=False)
print(json.dumps([base64.b64encode(re.sub(rb'(?m)^>(>*From )', rb'\1', box.get_bytes(key))).decode() for key in box.keys()]))
`

func TestPythonReadsItBack(t *testing.T) {
	t.Parallel()
	mails := [][]byte{
		[]byte("Subject: first\r\n\r\ntext\r\n"),
		[]byte("Subject: From\r\n\r\nFrom here on\r\n>From there\r\n\r\n\r\nFrom a@b Mon Nov 23 09:30:01 2026\r\n\r\n"),
		[]byte("Subject: 8-bit\r\n\r\nM\xc3\xbcnchen M\xfcnchen \x00\x01\xff a\rb\r\n"),
		[]byte("Subject: open end\r\n\r\n\r\n\r\nend"),
		[]byte("no header at all"),
		bytes.Repeat([]byte("0123456789abcdef\r\n"), 100_000),
	}
	name := t.TempDir() + "/box"
	if err := os.WriteFile(name, write(t, mails...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "python3", "-c", python, name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(mails) {
		t.Fatalf("got %d mails, want %d", len(got), len(mails))
	}
	for i, mail := range mails {
		if want := plain(mail); !bytes.Equal(got[i], want) {
			t.Errorf("mail %d: got %.200q, want %.200q", i, got[i], want)
		}
	}
}

// FuzzWriter: what was written can be taken back, however it came in pieces.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\n>>From a\r\nFro\rm\n"), uint8(3))
	f.Add([]byte("From \r"), uint8(1))
	f.Fuzz(func(t *testing.T, mail []byte, piece uint8) {
		whole := write(t, mail)
		var out bytes.Buffer
		w := NewWriter(&out)
		if err := w.Begin(received); err != nil {
			t.Fatal(err)
		}
		for rest := mail; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), whole) {
			t.Fatalf("%q in pieces of %d: got %q, want %q", mail, int(piece)+1, out.Bytes(), whole)
		}
		_, text, _ := strings.Cut(string(whole), "\n")
		text = strings.TrimSuffix(text, "\n")
		if strings.HasPrefix(text, "From ") || strings.Contains(text, "\nFrom ") {
			t.Fatalf("%q: a line begins a mail: %q", mail, text)
		}
		if got := quoted.ReplaceAll([]byte(text), []byte("$1")); !bytes.Equal(got, plain(mail)) {
			t.Fatalf("%q: got back %q, want %q", mail, got, plain(mail))
		}
	})
}
