package wire_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"postroom/services/wire"
)

func TestDotWriter(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789\r\n.\r\n..x\r\n", 20000)
	tests := []struct{ name, body, want string }{
		{"empty", "", ".\r\n"},
		{"a line", "a\r\n", "a\r\n.\r\n"},
		{"no line end", "a", "a\r\n.\r\n"},
		{"LF last", "a\n", "a\n\r\n.\r\n"},
		{"CR last", "a\r", "a\r\r\n.\r\n"},
		{"a dot", ".", "..\r\n.\r\n"},
		{"dots", ".\r\n..\r\n.a\r\n", "..\r\n...\r\n..a\r\n.\r\n"},
		{"no line begins behind LF or CR", "a\n.\nb\r.\rc", "a\n.\nb\r.\rc\r\n.\r\n"},
		{"an empty line last", "a\r\n\r\n", "a\r\n\r\n.\r\n"},
		{"large", big, strings.ReplaceAll(big, "\r\n.", "\r\n..") + ".\r\n"},
	}
	for _, test := range tests {
		for _, size := range []int{1, 2, 3, 7, 100000, 1 << 20} {
			c, f := over("")
			d := c.DotWriter()
			for rest := test.body; rest != ""; {
				n := min(size, len(rest))
				if m, err := d.Write([]byte(rest[:n])); m != n || err != nil {
					t.Fatalf("%s: write of %d octets: %d, %v", test.name, n, m, err)
				}
				rest = rest[n:]
			}
			if err := d.Close(); err != nil {
				t.Errorf("%s: close: %v", test.name, err)
			}
			if err := c.Flush(); err != nil {
				t.Errorf("%s: flush: %v", test.name, err)
			}
			if got := f.out.String(); got != test.want {
				t.Errorf("%s: %.60q in parts of %d: got %.60q; want %.60q", test.name, test.body, size, got, test.want)
			}
			if _, err := d.Write([]byte("x")); err == nil {
				t.Errorf("%s: write behind Close: no error", test.name)
			}
		}
	}
}

func TestDotWriterCutOff(t *testing.T) {
	t.Parallel()
	c, f := over("")
	io.WriteString(c.DotWriter(), strings.Repeat("x", 100000)+"\r\n")
	c.Close()
	if bytes.HasSuffix(f.out.Bytes(), []byte("\r\n.\r\n")) {
		t.Errorf("a body that was cut off ends as if it were whole")
	}
}

func TestWriteAfterClose(t *testing.T) {
	t.Parallel()
	c, _ := over("")
	c.Close()
	d := c.DotWriter()
	if _, err := d.Write(make([]byte, 1<<20)); err == nil {
		t.Errorf("write to a closed connection: no error")
	}
	if err := d.Close(); err == nil {
		t.Errorf("close of a body on a closed connection: no error")
	}
	if err := c.WriteLine("+OK"); err == nil {
		t.Errorf("a line on a connection that couldn't write: no error")
	}
}

func TestWriteLine(t *testing.T) {
	t.Parallel()
	c, f := over("")
	for _, line := range []string{"USER a\r\nDELE 1", "a\n", "\r"} {
		if err := c.WriteLine(line); err != wire.ErrLineBreak {
			t.Errorf("%q: got %v; want ErrLineBreak", line, err)
		}
	}
	if err := c.WriteLine("USER a"); err != nil {
		t.Error(err)
	}
	long := strings.Repeat("x", 10000)
	if err := c.WriteLine(long); err != nil {
		t.Error(err)
	}
	c.Flush()
	if got, want := f.out.String(), "USER a\r\n"+long+"\r\n"; got != want {
		t.Errorf("got %.40q; want %.40q", got, want)
	}
}

func TestOctets(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "a", "a\r\n", "a\n", "\r\n", ".\r\n.", "\r"} {
		c, f := over("")
		d := c.DotWriter()
		io.WriteString(d, body)
		d.Close()
		c.Flush()
		sent, _, _ := naiveDots(f.out.String())
		got := wire.Octets(int64(len(body)), strings.HasSuffix(body, "\r\n"))
		if got != int64(len(sent)) {
			t.Errorf("Octets for %q: got %d; %d were sent", body, got, len(sent))
		}
	}
}

// FuzzDots writes a body in any parts, reads it back in any others, and holds what was sent
// to the plain rule.
func FuzzDots(f *testing.F) {
	f.Add("", []byte{}, []byte{})
	f.Add(".\r\n..\r\n.a\r\n\n.\n\r.\r", []byte{1, 4}, []byte{2, 1})
	f.Add("a\r\n.\r\nb", []byte{3}, []byte{1})
	f.Fuzz(func(t *testing.T, body string, parts, splits []byte) {
		c, sent := over("")
		d := c.DotWriter()
		for rest, i := body, 0; rest != ""; i++ {
			n := len(rest)
			if len(parts) > 0 {
				n = min(n, int(parts[i%len(parts)])+1)
			}
			if _, err := io.WriteString(struct{ io.Writer }{d}, rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		c.Flush()

		want := body
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		stuffed := strings.ReplaceAll("\r\n"+want, "\r\n.", "\r\n..")[2:] + ".\r\n"
		if sent.out.String() != stuffed {
			t.Fatalf("%q: sent %q; want %q", body, sent.out.String(), stuffed)
		}
		if n := wire.Octets(int64(len(body)), strings.HasSuffix(body, "\r\n")); n != int64(len(want)) {
			t.Fatalf("Octets for %q: got %d; want %d", body, n, len(want))
		}
		c, _ = over(sent.out.String()+"+OK\r\n", splits...)
		got, err := io.ReadAll(c.DotReader(max(1, int64(len(want)))))
		if err != nil || string(got) != want {
			t.Fatalf("%q: got back %q, %v; want %q", body, got, err, want)
		}
	})
}
