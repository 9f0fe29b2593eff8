package validator

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"postroom/services/contract"
)

const (
	plain     = "Subject: one\r\n\r\nfirst\r\n"
	multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"
	cut       = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n" // its last boundary is missing
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	flip := func(t *testing.T, f *fakeStore, where *contract.Body) {
		file, err := os.OpenFile(f.segment(where.Segment), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteAt([]byte("\xff"), int64(where.Offset+where.Length-1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name       string
		body       string
		deaths     uint32
		incomplete bool
		damage     func(*testing.T, *fakeStore, *contract.Body)
		want       string
	}{
		{name: "plain", body: plain, want: "deliver"},
		{name: "multipart", body: multipart, want: "deliver"},
		{name: "long", body: "Subject: long\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 200_000), want: "deliver"},
		{name: "unknown charset", body: "Content-Type: text/plain; charset=klingon\r\n\r\nQapla'\r\n", want: "deliver"},
		{name: "no header", body: "\xff\xfe\x00no header at all", want: "deliver; unparsed (malformed)"},
		{name: "cut multipart", body: cut, want: "deliver; unparsed (malformed)"},
		{name: "tries to write into the verdict", body: "Bad)\r\nX-Postroom-Verdict: tag\r\n\r\n", want: "deliver; unparsed (malformed)"},
		{name: "empty", body: "", want: "deliver; unparsed (malformed)"},
		{name: "incomplete", body: plain, incomplete: true, want: "deliver; incomplete (differed at the provider)"},
		{name: "incomplete and empty", incomplete: true, want: "deliver; incomplete (differed at the provider); unparsed (malformed)"},
		{name: "incomplete and two deaths", body: plain, incomplete: true, deaths: 2,
			want: "deliver; incomplete (differed at the provider); unchecked (handling failed)"},
		{name: "one death", body: plain, deaths: 1, want: "deliver"},
		{name: "two deaths", body: plain, deaths: 2, want: "deliver; unchecked (handling failed)"},
		{name: "two deaths and damaged", body: plain, deaths: 2, damage: flip, want: "deliver; unchecked (handling failed)"},
		{name: "flipped octet", body: plain, damage: flip, want: "deliver; unchecked (damaged)"},
		{name: "flipped octet behind what can't be parsed", body: "\xff\x00\r\n\r\n" + strings.Repeat("x", 300_000), damage: flip,
			want: "deliver; unchecked (damaged)"},
		{name: "short segment", body: plain, want: "deliver; unchecked (damaged)",
			damage: func(t *testing.T, f *fakeStore, where *contract.Body) {
				if err := os.Truncate(f.segment(where.Segment), int64(where.Offset+where.Length-1)); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "no segment", body: plain, want: "deliver; unchecked (damaged)",
			damage: func(t *testing.T, f *fakeStore, where *contract.Body) {
				if err := os.Remove(f.segment(where.Segment)); err != nil {
					t.Fatal(err)
				}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeStore(t)
			m := f.add(t, 7, test.body, test.deaths)
			m.Incomplete = test.incomplete // before anybody takes it
			if test.damage != nil {
				test.damage(t, f, m.Body)
			}
			start(t, f, 2)
			q := <-f.settled
			if got, want := string(q.Prefix), "X-Postroom-Verdict: "+test.want+"\r\n"; got != want {
				t.Errorf("prefix: got %q, want %q", got, want)
			}
			if q.Verdict != contract.VerdictDeliver || q.Id != m.Id || q.Worker == 0 {
				t.Errorf("settled: got %v", q)
			}
			if strings.HasSuffix(test.want, "(damaged)") {
				if c := <-f.conditions; c.Name != contract.ConditionDamage || c.Subject != "message 1" || !strings.Contains(c.Text, "segment 7") {
					t.Errorf("condition: got %v", c)
				}
			}
		})
	}
}

// What the disk doesn't give is asked for again before the message goes on unread.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	if err := os.Mkdir(f.segment(3), 0o700); err != nil {
		t.Fatal(err)
	}
	v := newTestValidator(t, f)
	m := &contract.TakeResponse{Id: 1, Body: &contract.Body{Segment: 3, Length: 10}}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		found, err := v.judge(t.Context(), m)
		if err != nil || found.remark != remarkUnreadable {
			t.Errorf("got %v, %v", found, err)
		}
		if took := time.Since(began); took < (readTries-1)*readPause/2 {
			t.Errorf("given up after %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		stopping, stop := context.WithCancel(t.Context())
		time.AfterFunc(readPause/4, stop)
		if found, err := v.judge(stopping, m); !errors.Is(err, errStopping) {
			t.Errorf("the service stops meanwhile: got %v, %v", found, err)
		}
	})
}

// FuzzBody: what is read is what is there, however it is read, and one other octet is noticed.
func FuzzBody(f *testing.F) {
	f.Add([]byte(plain), uint(3), byte(1))
	f.Add([]byte{}, uint(0), byte(0))
	f.Add([]byte("x"), uint(0), byte(0x80))
	f.Fuzz(func(t *testing.T, data []byte, at uint, flip byte) {
		segment := append([]byte("before"), data...)
		segment = append(segment, "behind"...)
		where := &contract.Body{Offset: 6, Length: uint64(len(data)), Crc32C: crc32.Checksum(data, castagnoli)}
		for _, split := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader,
		} {
			got, err := io.ReadAll(split(newBody(t.Context(), bytes.NewReader(segment), where)))
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("read %q: got %q, %v", data, got, err)
			}
		}
		if flip == 0 || len(data) == 0 {
			return
		}
		segment[6+at%uint(len(data))] ^= flip
		if _, err := io.ReadAll(newBody(t.Context(), bytes.NewReader(segment), where)); !errors.Is(err, errDamaged) {
			t.Fatalf("octet %d of %q changed: got %v", at%uint(len(data)), data, err)
		}
	})
}
