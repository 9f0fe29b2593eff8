package mail_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"postroom/services/mail"
)

var volatile = regexp.MustCompile(`^([Ss][Tt][Aa][Tt][Uu][Ss]|[Xx]-([Ss][Tt][Aa][Tt][Uu][Ss]|[Uu][Ii][Dd][Ll]|[Kk][Ee][Yy][Ww][Oo][Rr][Dd][Ss]))$`)

// naiveDigest computes the digest from the whole message, line by line.
func naiveDigest(message []byte) mail.Digest {
	header, _ := mail.SplitHeader(message)
	hash := sha256.New()
	skip := false
	for line := range strings.Lines(string(header)) {
		if rest, ok := strings.CutSuffix(line, "\n"); ok {
			line = strings.TrimSuffix(rest, "\r")
		}
		if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			head := line[:min(len(line), 32)]
			name, _, ok := strings.Cut(head, ":")
			skip = ok && volatile.MatchString(strings.TrimRight(name, " \t"))
		}
		if !skip {
			io.WriteString(hash, line+"\r\n")
		}
	}
	return mail.Digest(hash.Sum(nil))
}

func digest(t *testing.T, message string) mail.Digest {
	t.Helper()
	d, err := mail.HeaderDigest(strings.NewReader(message))
	if err != nil {
		t.Errorf("digest of %q: %v", message, err)
	}
	return d
}

func TestHeaderDigestSame(t *testing.T) {
	t.Parallel()
	const plain = "Received: by a\r\n\twith b\r\nSubject: x\r\n\r\n"
	tests := []struct{ name, message string }{
		{"with a body", plain + "a body\r\n"},
		{"TOP without the empty line", "Received: by a\r\n\twith b\r\nSubject: x\r\n"},
		{"cut behind the last octet", "Received: by a\r\n\twith b\r\nSubject: x"},
		{"LF", "Received: by a\n\twith b\nSubject: x\n\nbody"},
		{"Status", "Received: by a\r\n\twith b\r\nStatus: RO\r\nSubject: x\r\n\r\n"},
		{"all four, folded, any case", "STATUS: R\r\n\tO\r\n \r\nx-status : A\r\nReceived: by a\r\n\twith b\r\nX-UIDL\t: 1\r\nSubject: x\r\nX-Keywords:\r\n" + strings.Repeat(" a b c\r\n", 1000) + "\r\nbody"},
		{"only among the body", plain + "Status: RO\r\n"},
	}
	want := digest(t, plain)
	for _, test := range tests {
		if digest(t, test.message) != want {
			t.Errorf("%s: %.80q: the digest is another", test.name, test.message)
		}
	}
}

func TestHeaderDigestDiffers(t *testing.T) {
	t.Parallel()
	seen := map[mail.Digest]string{}
	for _, message := range []string{
		"", "Subject: x\r\n", "Subject: y\r\n", "subject: x\r\n", "Subject: x\r\n y\r\n", "Subject: x y\r\n",
		"X-Status-Of: R\r\n", "Status\r\n", "X-UIDLs: 1\r\n", " Status: R\r\n", "Status-: x\r\n", "A: b\rStatus: x\r\n",
		strings.Repeat("x", 40) + "Status: x\r\n", "Subject: x\r\r\n",
		"Status" + strings.Repeat(" ", 40) + ": R\r\n",
	} {
		d := digest(t, message)
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", message, other)
		}
		seen[d] = message
	}
}

func TestHeaderDigestOfNothing(t *testing.T) {
	t.Parallel()
	want := mail.Digest(sha256.Sum256(nil))
	for _, message := range []string{"", "\r\n", "\nbody", "Status: R\r\n", "X-UIDL: 1\r\n\r\nbody"} {
		if digest(t, message) != want {
			t.Errorf("%q: the digest isn't that of nothing", message)
		}
	}
}

func TestHeaderHasher(t *testing.T) {
	t.Parallel()
	var h mail.HeaderHasher
	io.WriteString(&h, "Subject: x\r\n\r")
	if h.Done() {
		t.Errorf("done before the empty line ended")
	}
	io.WriteString(&h, "\nSubject: y\r\n")
	if !h.Done() {
		t.Errorf("not done behind the empty line")
	}
	sum := h.Sum()
	if n, err := h.Write([]byte("more")); n != 4 || err != nil {
		t.Errorf("write behind the header: got %d, %v; want 4", n, err)
	}
	if h.Sum() != sum || sum != digest(t, "Subject: x\r\n\r\n") {
		t.Errorf("Sum changed behind the header's end")
	}
}

func TestHeaderDigestFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, err := mail.HeaderDigest(io.MultiReader(strings.NewReader("A: b\r\n"), iotest.ErrReader(broken))); err != broken {
		t.Errorf("a reader that fails: got %v; want its error", err)
	}
}

func TestHeaderDigestHoldsLittle(t *testing.T) {
	line := strings.Repeat("x", 4096)
	var h mail.HeaderHasher
	h.Write([]byte(line))
	p := []byte(line)
	if n := testing.AllocsPerRun(1000, func() { h.Write(p) }); n != 0 {
		t.Errorf("a line without end: %v allocations a write", n)
	}
}

// FuzzHeaderDigest holds the digest to the naive one for any split.
func FuzzHeaderDigest(f *testing.F) {
	for _, test := range headerTests {
		f.Add([]byte(test.message), []byte{1, 2})
	}
	f.Add([]byte("Status: R\r\n O\r\nA: b\r\nX-Keywords \t:\r\n\r\r\nSubject: x\r"), []byte{1})
	f.Fuzz(func(t *testing.T, message, splits []byte) {
		want := naiveDigest(message)
		got, err := mail.HeaderDigest(bytes.NewReader(message))
		if err != nil || got != want {
			t.Fatalf("%q: got %x, %v; want %x", message, got, err, want)
		}
		var behind bytes.Buffer
		h := mail.HeaderHasher{Rest: &behind}
		rest := message
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(splits) > 0 {
				n = min(n, int(splits[i%len(splits)]))
			}
			h.Write(rest[:max(n, 1)])
			rest = rest[max(n, 1):]
		}
		if got := h.Sum(); got != want {
			t.Fatalf("%q in pieces of %v: got %x; want %x", message, splits, got, want)
		}
		header, body := mail.SplitHeader(message)
		if !bytes.Equal(behind.Bytes(), body) {
			t.Fatalf("%q: behind the header %q; want %q", message, behind.Bytes(), body)
		}
		if top, _ := mail.HeaderDigest(bytes.NewReader(header)); top != want {
			t.Fatalf("%q: the header alone gives another digest", message)
		}
	})
}

func BenchmarkHeaderHasher(b *testing.B) {
	message := []byte(strings.Repeat("Received: from a.example by b.example with ESMTPS id 1234567890;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n", 20) +
		"Subject: x\r\n\r\n" + strings.Repeat("a line of the body\r\n", 3000))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		var h mail.HeaderHasher
		h.Write(message)
		h.Sum()
	}
}
