package supervisor

import (
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseMessage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		datagram string
		want     message
	}{
		{"", message{}},
		{"READY=1", message{ready: true}},
		{"READY=1\nSTATUS=serving\n", message{ready: true, status: "serving", hasStatus: true}},
		{"READY=0\nWATCHDOG=1", message{watchdog: true}},
		{"STOPPING=1", message{stopping: true}},
		{"WATCHDOG=trigger", message{}},
		{"EXTEND_TIMEOUT_USEC=1500000", message{extend: 1500 * time.Millisecond}},
		{"EXTEND_TIMEOUT_USEC=99999999999999999", message{extend: time.Hour}},
		{"EXTEND_TIMEOUT_USEC=-1", message{}},
		{"STATUS=", message{hasStatus: true}},
		{"STATUS=a\x1b[2Jb=c", message{status: "a.[2Jb=c", hasStatus: true}},
		{"MAINPID=1\nFDSTORE=1", message{}},
	} {
		if got := parseMessage([]byte(test.datagram)); got != test.want {
			t.Errorf("%q: %+v, want %+v", test.datagram, got, test.want)
		}
	}
}

// A datagram's lines mean the same together as one by one.
func FuzzParseMessage(f *testing.F) {
	f.Add("READY=1\nSTATUS=x", "WATCHDOG=1")
	f.Add("EXTEND_TIMEOUT_USEC=5", "STATUS=\xff\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		first, second := parseMessage([]byte(a)), parseMessage([]byte(b))
		both := parseMessage([]byte(a + "\n" + b))
		if both.ready != (first.ready || second.ready) || both.stopping != (first.stopping || second.stopping) ||
			both.watchdog != (first.watchdog || second.watchdog) {
			t.Errorf("%q and %q: %+v and %+v, together %+v", a, b, first, second, both)
		}
		if len(both.status) > maxStatus || !utf8.ValidString(both.status) || both.extend < 0 || both.extend > maxExtend {
			t.Errorf("%q: %+v", a+"\n"+b, both)
		}
	})
}

func TestParsePSS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"00400000-7ffe ---p 00000000 00:00 0 [rollup]\nRss:   5000 kB\nPss:    3512 kB\nPss_Dirty:  7 kB\n": 3512 << 10,
		"Pss: many kB\n": 0,
		"Pss: 1\n":       0,
		"":               0,
	} {
		if got := parsePSS([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
