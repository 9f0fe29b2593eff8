package mail_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"postroom/services/mail"
)

// multi gives a multipart of parts, each with its own header, and its header.
func multi(boundary string, parts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n", boundary)
	for _, part := range parts {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n", boundary, part)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.String()
}

// nested gives multiparts in one another.
func nested(depth int, innermost string) string {
	s := innermost
	for i := range depth {
		s = multi(fmt.Sprintf("b%d", i), s)
	}
	return s
}

const part = "Content-Type: text/plain\r\n\r\ntext"

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, message string
		part, want    string // "", "": no error
	}{
		{"plain", "Subject: x\r\n\r\nbody\r\n", "", ""},
		{"LF", "Subject: x\n\nbody\n", "", ""},
		{"no body", "Subject: x\r\n\r\n", "", ""},
		{"no empty line", "Subject: x\r\n", "", ""},
		{"no header", "\r\nbody", "", ""},
		{"8-bit, NUL", "Subject: \xfc\xff\r\n\r\n\x00\xff\r\n", "", ""},
		{"unknown charset", "Content-Type: text/plain; charset=x-unknown\r\n\r\n\xff\r\n", "", ""},
		{"known charset", "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n", "", ""},
		{"unknown charset in a part", multi("b", "Content-Type: text/plain; charset=x-unknown\r\n\r\nx", part), "", ""},
		{"multipart", "Subject: x\r\n" + multi("b", part, part), "", ""},
		{"preamble and epilogue", strings.Replace(multi("b", part), "\r\n\r\n", "\r\n\r\nnot for you\r\n", 1) + "epilogue\r\n", "", ""},
		{"parts in parts", nested(5, multi("x", part, part)), "", ""},
		{"base64", multi("b", "Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\nZGVm"), "", ""},
		{"an attached message that is broken", multi("b", "Content-Type: message/rfc822\r\n\r\nbroken"), "", ""},
		{"at the limit of depth", nested(64, part), "", ""},
		{"a malformed content type", "Content-Type: ;;\r\n\r\nx", "", ""},

		{"empty", "", "", "it is empty"},
		{"no colon", "Subject: x\r\nbroken\r\n\r\nx", "", `malformed MIME header line: broken`},
		{"begins with a space", " x\r\n\r\n", "", "malformed MIME header initial line:  x"},
		{"no field name", "a b: x\r\n\r\n", "", "malformed MIME header key: a b"},
		{"quoted, cut off", strings.Repeat("\x1b]\xff", 1000) + "\r\n\r\n", "", `\x1b`},
		{"unknown encoding", "Content-Transfer-Encoding: rot13\r\n\r\nx", "", "rot13"},
		{"bad base64", multi("b", part, "Content-Transfer-Encoding: base64\r\n\r\nYWJ*"), "2", "illegal base64"},
		{"cut base64", "Content-Transfer-Encoding: base64\r\n\r\nYWJ", "", "it ends"},
		{"bad header of a part", multi("b", part, multi("c", part, "broken\r\n\r\nx")), "2.2", "malformed MIME header"},
		{"no boundary", "Content-Type: multipart/mixed\r\n\r\nx", "1", "boundary is empty"},
		{"no last boundary", strings.TrimSuffix(multi("b", part), "--b--\r\n"), "1", "it ends before its last boundary"},
		{"no part", "Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n", "1", "it ends before its last boundary"},
		{"too deep", nested(65, part), "1" + strings.Repeat(".1", 63), "more than 64 multiparts"},
		{"too many parts", multi("b", strings.Split(strings.Repeat(part+"\x00", 10000), "\x00")...), "10000", "more than 10000 parts"},
		{"too long a header", "Subject: " + strings.Repeat("x", 300<<10) + "\r\n\r\nx", "", "holds more than 262144 octets"},
		{"too long a header of a part", multi("b", "Subject: "+strings.Repeat("x", 300<<10)+"\r\n\r\nx"), "1", "holds more than 262144 octets"},
		{"too long a preamble", strings.Replace(multi("b", part), "\r\n\r\n", "\r\n\r\n"+strings.Repeat("x\r\n", 100<<10), 1), "1", "holds more than 262144 octets"},
		{"headers too long together", longHeaders(6, "X: "+strings.Repeat("x", 200<<10)+"\r\n"), "1.1.1.1.1", "hold more than 1048576 octets"},
		{"too many fields", longHeaders(6, strings.Repeat("X: y\r\n", 3000)), "1.1.1", "hold more than 10000 fields"},
	}
	for _, test := range tests {
		for _, r := range []io.Reader{strings.NewReader(test.message), iotest.DataErrReader(strings.NewReader(test.message))} {
			err := mail.Check(r)
			if test.want == "" {
				if err != nil {
					t.Errorf("%s: got %v; want nil", test.name, err)
				}
				continue
			}
			var parse *mail.ParseError
			if !errors.As(err, &parse) {
				t.Errorf("%s: got %v; want a ParseError with %q", test.name, err, test.want)
				continue
			}
			if !strings.Contains(parse.Reason, test.want) || parse.Part != test.part || len(parse.Reason) > 210 {
				t.Errorf("%s: got %q in part %q; want %q in part %q", test.name, parse.Reason, parse.Part, test.want, test.part)
			}
			if strings.ContainsFunc(parse.Error(), func(r rune) bool { return r < ' ' || r == '\uFFFD' }) {
				t.Errorf("%s: the error isn't printable: %q", test.name, parse.Error())
			}
		}
	}
}

// longHeaders gives multiparts in one another, each with fields beside its own.
func longHeaders(depth int, fields string) string {
	s := part
	for i := range depth {
		s = fields + multi(fmt.Sprintf("b%d", i), s)
	}
	return s
}

func TestCheckReadFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	message := multi("b", part, part)
	for i := range message {
		r := io.MultiReader(strings.NewReader(message[:i]), iotest.ErrReader(broken))
		if err := mail.Check(r); err != broken {
			t.Errorf("a read that fails at octet %d: got %v; want its error", i, err)
		}
	}
}

// attachment gives a message with an attachment of about size octets, without holding it.
func attachment(depth int, size int64) io.Reader {
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 57)) + "\r\n"
	before, after, _ := strings.Cut(nested(depth, "Content-Transfer-Encoding: base64\r\n\r\n<here>"), "<here>")
	return io.MultiReader(strings.NewReader(before), io.LimitReader(&repeat{s: line}, size/78*78-2), strings.NewReader(after))
}

type repeat struct {
	s  string
	at int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.s[r.at:])
	r.at = (r.at + n) % len(r.s)
	return n, nil
}

// Not parallel, since it counts what all of the program allocates.
func TestCheckHoldsLittle(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := mail.Check(attachment(3, 20<<20)); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 512<<10 {
		t.Errorf("an attachment of 20 MiB: %d octets allocated; want at most 512 KiB", n)
	}
}

func TestCheckWorstDepth(t *testing.T) {
	t.Parallel()
	start := time.Now()
	if err := mail.Check(attachment(60, 2<<20)); err != nil {
		t.Error(err)
	}
	t.Logf("2 MiB inside 60 multiparts: %v", time.Since(start))
}

// FuzzCheck holds the result to be the same for any split of what is read.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("Subject: x\r\n" + multi("b", part, multi("c", part))))
	f.Add([]byte("Content-Transfer-Encoding: base64\r\n\r\nYWJ"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--"))
	f.Fuzz(func(t *testing.T, message []byte) {
		err := mail.Check(bytes.NewReader(message))
		var parse *mail.ParseError
		if err != nil && !errors.As(err, &parse) {
			t.Fatalf("%q: the error is a %T", message, err)
		}
		again := mail.Check(iotest.OneByteReader(bytes.NewReader(message)))
		if (err == nil) != (again == nil) {
			t.Fatalf("%q: got %v; octet by octet %v", message, err, again)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for name, depth := range map[string]int{"attachment": 2, "deep": 60} {
		b.Run(name, func(b *testing.B) {
			const size = 4 << 20
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if err := mail.Check(attachment(depth, size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
