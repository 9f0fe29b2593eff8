package mail_test

import (
	"bytes"
	"testing"

	"postroom/services/mail"
)

var headerTests = []struct{ name, message, header, body string }{
	{"empty", "", "", ""},
	{"ordinary", "A: 1\r\nB: 2\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\n", "body\r\n"},
	{"LF", "A: 1\nB: 2\n\nbody\n", "A: 1\nB: 2\n", "body\n"},
	{"LF empty line among CRLF", "A: 1\r\n\nB: 2\r\n\r\nbody", "A: 1\r\n", "B: 2\r\n\r\nbody"},
	{"CRLF empty line among LF", "A: 1\n\r\nbody", "A: 1\n", "body"},
	{"no empty line", "A: 1\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n", ""},
	{"no line end", "A: 1", "A: 1", ""},
	{"CR is no line end", "A: 1\r\rB: 2\r\n\r\n", "A: 1\r\rB: 2\r\n", ""},
	{"CR CR LF isn't empty", "A: 1\r\n\r\r\nB: 2\r\n\r\nx", "A: 1\r\n\r\r\nB: 2\r\n", "x"},
	{"a line of spaces isn't empty", "A: 1\r\n \r\nB: 2\r\n\r\nx", "A: 1\r\n \r\nB: 2\r\n", "x"},
	{"no header", "\r\nbody", "", "body"},
	{"nothing but the empty line", "\n", "", ""},
}

func TestSplitHeader(t *testing.T) {
	t.Parallel()
	for _, test := range headerTests {
		header, body := mail.SplitHeader([]byte(test.message))
		if string(header) != test.header || string(body) != test.body {
			t.Errorf("%s: %q: got %q and %q; want %q and %q", test.name, test.message, header, body, test.header, test.body)
		}
	}
	header, _ := mail.SplitHeader([]byte("A: 1\r\n\r\nbody"))
	if cap(header) != len(header) {
		t.Errorf("an append to the header would write over the body")
	}
}

func FuzzSplitHeader(f *testing.F) {
	for _, test := range headerTests {
		f.Add([]byte(test.message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		end, body := mail.HeaderEnd(message)
		empty := string(message[end:body])
		if empty != "\n" && empty != "\r\n" && (empty != "" || end != len(message)) {
			t.Fatalf("%q: %q is between header and body", message, empty)
		}
		if end > 0 && empty != "" && message[end-1] != '\n' {
			t.Fatalf("%q: the empty line at %d isn't one", message, end)
		}
		if again, _ := mail.HeaderEnd(message[:end]); again != end || bytes.Contains(message[:end], []byte("\n\n")) {
			t.Fatalf("%q: an empty line is in the header", message)
		}
	})
}
