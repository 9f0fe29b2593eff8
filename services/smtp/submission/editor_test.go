package submission

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var testTrace = Trace{
	Name: "box", Mark: "0123456789abcdef", ID: "id-1", At: time.Unix(1_800_000_000, 0).UTC(),
	Hello: "pc", Client: "192.0.2.7", With: "ESMTPS", TLS: "TLSv1.3",
}

const (
	received  = "Received: from pc ([192.0.2.7])\r\n\tby box (Postroom 0123456789abcdef)\r\n\twith ESMTPS (TLSv1.3) id id-1;\r\n\tFri, 15 Jan 2027 08:00:00 +0000\r\n"
	messageID = "Message-ID: <id-1@box>\r\n"
	date      = "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
)

// edit gives the edited mail; each split is how many octets come at once, in turn.
func edit(mail string, splits ...int) (string, error) {
	var out bytes.Buffer
	e := NewEditor(&out, func(h *Header) ([]byte, error) { return testTrace.Top(h), nil })
	for n := 0; len(mail) > 0; n++ {
		size := len(mail)
		if len(splits) > 0 {
			size = min(size, max(1, splits[n%len(splits)]))
		}
		e.Write([]byte(mail[:size])) // its error comes again
		mail = mail[size:]
	}
	err := e.Close()
	return out.String(), err
}

func TestEditor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, mail, want string
		err              error
	}{
		{"whole", "Date: x\r\nMessage-ID: y\r\nSubject: s\r\n\r\nbody\r\n", received + "Date: x\r\nMessage-ID: y\r\nSubject: s\r\n\r\nbody\r\n", nil},
		{"neither date nor id", "Subject: s\r\n\r\nbody\r\n", received + messageID + date + "Subject: s\r\n\r\nbody\r\n", nil},
		{"names in other letters, with blanks", "dAtE : x\r\nMESSAGE-ID\t: y\r\n\r\n", received + "dAtE : x\r\nMESSAGE-ID\t: y\r\n\r\n", nil},
		{"in the body they don't count", "Subject: s\r\n\r\nDate: x\r\nMessage-ID: y\r\nBcc: z\r\n", received + messageID + date + "Subject: s\r\n\r\nDate: x\r\nMessage-ID: y\r\nBcc: z\r\n", nil},
		{"header alone", "Date: x\r\nMessage-ID: y\r\n", received + "Date: x\r\nMessage-ID: y\r\n", nil},
		{"header without an end", "Date: x\r\nMessage-ID: y", received + "Date: x\r\nMessage-ID: y", nil},
		{"body alone", "\r\nbody\r\n", received + messageID + date + "\r\nbody\r\n", nil},
		{"nothing", "", received + messageID + date, nil},
		{"no header", "just text: with a colon\r\n\r\nmore\r\n", received + messageID + date + "\r\njust text: with a colon\r\n\r\nmore\r\n", nil},
		{"begins with a blank", " text\r\nBcc: x\r\n\r\n", received + messageID + date + "\r\n text\r\nBcc: x\r\n\r\n", nil},
		{"Bcc", "Date: x\r\nBcc: a@b\r\nMessage-ID: y\r\n\r\n", received + "Date: x\r\nMessage-ID: y\r\n\r\n", nil},
		{"folded, blank lines too", "Date: x\r\nbcc : a@b,\r\n c@d,\r\n \r\n\te@f\r\nMessage-ID: y\r\n\r\n", received + "Date: x\r\nMessage-ID: y\r\n\r\n", nil},
		{"first, last, twice, resent", "BCC:a\r\nDate: x\r\nMessage-ID: y\r\nResent-Bcc: a\r\n b\r\nBcc:\r\n\r\nbody", received + "Date: x\r\nMessage-ID: y\r\n\r\nbody", nil},
		{"only Bcc", "Bcc: x\r\n\r\nbody", received + messageID + date + "\r\nbody", nil},
		{"not quite", "Date: x\r\nMessage-ID: y\r\nX-Bcc: a\r\nBcc-X: b\r\nTo: Bcc: c\r\n\r\n", received + "Date: x\r\nMessage-ID: y\r\nX-Bcc: a\r\nBcc-X: b\r\nTo: Bcc: c\r\n\r\n", nil},
		{"Return-Path stays", "Return-Path: <a@b>\r\nDate: x\r\nMessage-ID: y\r\n\r\n", received + "Return-Path: <a@b>\r\nDate: x\r\nMessage-ID: y\r\n\r\n", nil},
		{"a line that is no field", "Date: x\r\nnothing\r\nBcc: a\r\nMessage-ID: y\r\n\r\n", received + "Date: x\r\nnothing\r\nMessage-ID: y\r\n\r\n", nil},
		{"long lines, eight bits", "Date: " + strings.Repeat("ä", 600) + "\r\nMessage-ID: y\r\n\r\n", received + "Date: " + strings.Repeat("ä", 600) + "\r\nMessage-ID: y\r\n\r\n", nil},
		{"bare LF in the header", "Date: x\nBcc: y\r\n\r\n", "", ErrOctets},
		{"bare CR in the header", "Date: x\rBcc: y\r\n\r\n", "", ErrOctets},
		{"bare LF at the beginning", "\n", "", ErrOctets},
		{"bare CR at the end", "Date: x\r\n\r\nbody\r", "", ErrOctets},
		{"two CR", "Date: x\r\n\r\nbody\r\r\n", "", ErrOctets},
		{"LF CR", "Date: x\r\n\r\nbody\n\r", "", ErrOctets},
		{"CR LF LF", "Date: x\r\n\r\nbody\r\n\n", "", ErrOctets},
		{"NUL", "Date: x\r\n\r\nbo\x00dy\r\n", "", ErrOctets},
		{"the longest header", longHeader(MaxHeader) + "\r\n", received + messageID + date + longHeader(MaxHeader) + "\r\n", nil},
		{"a longer one", longHeader(MaxHeader+1) + "\r\n", "", ErrHeader},
		{"one without an end", longHeader(2 * MaxHeader), "", ErrHeader},
	} {
		for _, splits := range [][]int{nil, {1}, {2, 3}, {7}, {4096}, {1, 1000}} {
			got, err := edit(tt.mail, splits...)
			if !errors.Is(err, tt.err) || err == nil && got != tt.want {
				t.Errorf("%s, splits %v: got %.300q, %v; want %.300q, %v", tt.name, splits, got, err, tt.want, tt.err)
			}
		}
	}
}

func longHeader(octets int) string {
	return "Subject: " + strings.Repeat("x", octets-len("Subject: \r\n")) + "\r\n"
}

func TestEditorThatIsStopped(t *testing.T) {
	t.Parallel()
	errTop := errors.New("not wanted")
	var out bytes.Buffer
	e := NewEditor(&out, func(*Header) ([]byte, error) { return nil, errTop })
	if _, err := e.Write([]byte("Date: x\r\n\r\n")); err != errTop {
		t.Errorf("got %v, want %v", err, errTop)
	}
	if _, err := e.Write([]byte("body")); err != errTop || e.Close() != errTop || out.Len() > 0 {
		t.Errorf("later: got %v, %v, %q", err, e.Close(), &out)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h := parse([]byte("Received: from a\r\n by box (Postroom 0123456789abcdef)\r\nreceived: 2\r\nResent-From: x\r\nX: (Postroom 0123456789abcdef)\r\n"))
	if h.Received != 2 || h.Resent != 1 || h.Passed("0123456789abcdef") != 1 || h.Passed("other") != 0 {
		t.Errorf("got %+v", h)
	}
	for _, tt := range []struct {
		from string
		want []string // nil: an error
	}{
		{"From: a@b.example\r\n", []string{"a@b.example"}},
		{"FROM : \"boss@x.example\" <a@b.example>\r\n", []string{"a@b.example"}},
		{"From: =?klingon?q?Qapla'?=\r\n <a@b.example>, c@d.example (x@y.example)\r\n", []string{"a@b.example", "c@d.example"}},
		{"From: team: a@b.example, c@d.example;\r\n", []string{"a@b.example", "c@d.example"}},
		{"From: a@b.example\r\nfrom: c@d.example\r\n", nil},
		{"From: a@b.example <c@d.example>\r\n", nil},
		{"From:\r\n", nil},
		{"Subject: x\r\n", nil},
		{"no header\r\nFrom: a@b.example\r\n", nil},
	} {
		got, err := parse([]byte(tt.from)).Authors()
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("%q: got %q, %v; want %q", tt.from, got, err, tt.want)
		}
	}
}

func TestReceived(t *testing.T) {
	t.Parallel()
	hidden := testTrace
	hidden.Client, hidden.TLS, hidden.With = "", "", "ESMTPA"
	want := "Received: by box (Postroom 0123456789abcdef)\r\n\twith ESMTPA id id-1;\r\n\tFri, 15 Jan 2027 08:00:00 +0000\r\n"
	if got := hidden.Received(); got != want {
		t.Errorf("hidden: got %q, want %q", got, want)
	}
	for hello, want := range map[string]string{
		"[192.0.2.1]":            "from [192.0.2.1] ([IPv6:2001:db8::1])\r\n",
		"x) by evil (y":          "from unknown (",
		"":                       "from unknown (",
		"ü":                      "from unknown (",
		strings.Repeat("x", 256): "from unknown (",
	} {
		other := testTrace
		other.Client, other.Hello = "2001:db8::1", hello
		if got := other.Received(); !strings.HasPrefix(got, "Received: "+want) {
			t.Errorf("hello %q: got %q", hello, got)
		}
	}
}

// FuzzEditor splits a mail anywhere: the outcome is the same; what comes out has the mail's own lines in order, and none
// but Bcc's are missing.
func FuzzEditor(f *testing.F) {
	for _, seed := range []string{
		"Date: x\r\nBcc: a,\r\n b\r\nMessage-ID: y\r\n\r\nbody\r\n.\r\n",
		"\r\n\r\n", "x\r\n y: z\r\n\r\n", "a:\r\n\r\r\n", "bcc:\r\n\r\n", "Bcc : \r\n\t\r\nX: y", "X: y\r\n\n", "\x00",
	} {
		f.Add(seed, 1, 3)
	}
	f.Fuzz(func(t *testing.T, mail string, a, b int) {
		whole, err := edit(mail)
		parts, partsErr := edit(mail, a, b)
		if err != partsErr || err == nil && whole != parts {
			t.Fatalf("%q split by %d, %d: got %q, %v; whole %q, %v", mail, a, b, parts, partsErr, whole, err)
		}
		bare := strings.ReplaceAll(mail, "\r\n", "")
		if refused := strings.ContainsAny(bare, "\r\n\x00"); refused != errors.Is(err, ErrOctets) && !errors.Is(err, ErrHeader) {
			t.Fatalf("%q: got %v, want refused: %v", mail, err, refused)
		}
		if err != nil {
			return
		}
		rest, ok := strings.CutPrefix(whole, received)
		if !ok {
			t.Fatalf("%q: no Received in %q", mail, whole)
		}
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, messageID), date)
		if rest == "\r\n"+mail && mail != "" {
			return // no header
		}
		for line := range strings.Lines(mail) { // with rest taken off line by line
			if after, ok := strings.CutPrefix(rest, line); ok {
				rest = after
			} else if name, _ := fieldName([]byte(line)); name != "bcc" && name != "resent-bcc" && line[0] != ' ' && line[0] != '\t' {
				t.Fatalf("%q: %q is missing in %q", mail, line, whole)
			}
		}
		if rest != "" {
			t.Fatalf("%q: %q is new in %q", mail, rest, whole)
		}
	})
}
