package misbehave

import (
	"bufio"
	"crypto/sha256"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

const expectNothing = "-- expect --\nlost 0\nwrong 0\ndoubled 0\nprovider keeps nothing\n"

func mustParse(t *testing.T, text string) *Case {
	t.Helper()
	c, err := parse(txtar.Parse([]byte(text)), txtar.Parse([]byte("-- a --\nSubject: a\n\n.dot\n-- b --\nSubject: b\n\nbody\n")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// talk sends lines to a provider and gives all that it says until it closes.
func talk(t *testing.T, p *Provider, lines ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n")
	all, _ := io.ReadAll(bufio.NewReader(conn)) // a provider that cuts may reset, too
	return string(all)
}

func start(t *testing.T, text string) *Provider {
	t.Helper()
	p, err := Start(mustParse(t, text), []string{"TOP", "UIDL"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestProvider plays what a case doesn't say as a healthy provider does, and what it says to the octet.
func TestProvider(t *testing.T) {
	t.Parallel()
	login := []string{"USER u", "PASS " + Password}
	for _, tt := range []struct {
		name, text string
		lines      []string
		want       string
		holds      string
	}{
		{"healthy", "", []string{"CAPA", "LIST", "UIDL", "RETR 1", "TOP 2 0", "DELE 1", "LIST", "RETR 1", "QUIT"},
			"+OK\r\nTOP\r\nUIDL\r\n.\r\n+OK\r\n1 20\r\n2 20\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n+OK\r\nSubject: a\r\n\r\n..dot\r\n.\r\n+OK\r\nSubject: b\r\n\r\n.\r\n" +
				"+OK\r\n+OK\r\n2 20\r\n.\r\n-ERR what?\r\n+OK bye\r\n", "b"},
		{"QUIT that is cut", "-- session 0 --\nC: QUIT\nCUT\n", []string{"DELE 1", "QUIT"}, "+OK\r\n", "a b"},
		{"QUIT that holds, and is cut", "-- session 0 --\nC: QUIT\nDELETE\nCUT\n", []string{"DELE 1", "QUIT"}, "+OK\r\n", "b"},
		{"no QUIT", "-- session 0 --\nC: NOOP\nCUT\n", []string{"DELE 1", "NOOP"}, "+OK\r\n", "a b"},
		{"parts", "-- session 0 --\nC: RETR 1\nAS USUAL up to \"\\r\\n.\"\nC: RETR 2\nS< b but the last 3\nC: NOOP\nS< b up to octet 4\nS\" \\x00\\r\\n\"\nS: {size b}\nCUT\n",
			[]string{"RETR 1", "RETR 2", "NOOP"}, "+OK\r\nSubject: a\r\n\r\n.Subject: b\r\n\r\nbody\r\nSubj\x00\r\n20\r\n", "a b"},
		{"mailbox", "-- mail a --\nA\n-- mail b --\nBB\n-- mail c --\nCCC\n-- session 0 --\nmailbox: b becomes c\n", []string{"LIST", "UIDL", "QUIT"},
			"+OK\r\n1 3\r\n2 5\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n+OK bye\r\n", "a b"},
		{"nature", "-- provider --\nUIDLs: \"\\xff{number}-{session}\"\nsizes: {lf}\nsize of b: 7\nTOP adds: X: y\n", []string{"LIST", "UIDL", "TOP 1 0", "QUIT"},
			"+OK\r\n1 17\r\n2 7\r\n.\r\n+OK\r\n1 \xff1-0\r\n2 \xff2-0\r\n.\r\n+OK\r\nSubject: a\r\nX: y\r\n\r\n.\r\n+OK bye\r\n", "a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "It's about "+tt.name+".\n"+tt.text+expectNothing)
			got := talk(t, p, append(slices.Clone(login), tt.lines...)...)
			if want := "+OK ready\r\n+OK\r\n+OK\r\n" + tt.want; got != want {
				t.Errorf("said\n%q, want\n%q", got, want)
			}
			if holds := strings.Join(p.State().Holds, " "); holds != tt.holds {
				t.Errorf("holds %q, want %q", holds, tt.holds)
			}
			if complaints := p.Complaints(); complaints != nil {
				t.Error(complaints)
			}
		})
	}
}

// TestComplaints has scripts that don't come to pass.
func TestComplaints(t *testing.T) {
	t.Parallel()
	p := start(t, "x\n-- session 0 --\nmailbox: a is back\nC: RETR 1\nAS USUAL up to \"not there\"\nC: DELE 1\nCUT\n"+expectNothing)
	talk(t, p, "USER u", "PASS "+Password, "RETR 1")
	if got := p.Complaints(); len(got) != 3 {
		t.Errorf("got %q; want one of the mailbox, one of RETR, one of DELE", got)
	}
}

// TestCompare counts what is lost, wrong and doubled.
func TestCompare(t *testing.T) {
	t.Parallel()
	const mails = "-- mails --\na = \"A\"\nb = \"B\"\ntwin = the same as b\n"
	for _, tt := range []struct {
		name, got string
		want      Tally
	}{
		{"all", "B A B", Tally{}},
		{"still there", "", Tally{}},
		{"doubled", "A B B B A", Tally{Doubled: 2}},
		{"wrong", "A B B C C", Tally{Wrong: 2}},
	} {
		p := start(t, "x\n"+mails+expectNothing)
		if got := p.Compare(digests(tt.got)); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	p := start(t, "x\n"+mails+expectNothing)
	talk(t, p, "USER u", "PASS "+Password, "DELE 1", "DELE 3", "QUIT")
	if got, want := p.Compare(nil), (Tally{Lost: 2}); got != want {
		t.Errorf("deleted, and never got: got %+v, want %+v", got, want)
	}
	if got, want := p.Compare(digests("B")), (Tally{Lost: 1}); got != want {
		t.Errorf("one of two equal ones got, the other there still: got %+v, want %+v", got, want)
	}
}

func digests(mails string) (list []Digest) {
	for _, m := range strings.Fields(mails) {
		list = append(list, sha256.Sum256([]byte(m)))
	}
	return list
}

// TestCasesThatAreNone refuses what would show nothing.
func TestCasesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{expectNothing, "it doesn't say what the fault is"},
		{"x\n", "it doesn't say what to expect"},
		{"x\n-- session 1 --\nC: RETR 1\nEXPLODE\n" + expectNothing, `session 1: "EXPLODE": not understood`},
		{"x\n-- session 1 --\nCUT\n" + expectNothing, `session 1: "CUT": in front of the first line of the client`},
		{"x\n-- session 1 --\nC: RETR 1\nS< z\n" + expectNothing, `there is no mail "z"`},
		{"x\n-- sessions 3-1 --\nC: QUIT\nCUT\n" + expectNothing, "sessions 3-1: there are no such sessions"},
		{"x\n-- session 1 --\nC: RETR 1\nAS USUAL but the last 0\n" + expectNothing, `session 1: "AS USUAL but the last 0": a part of no octets`},
		{"x\n-- session 1 --\nC: RETR 1\nAS USUAL up to octet 99999999999999999999\n" + expectNothing,
			`session 1: "AS USUAL up to octet 99999999999999999999": strconv.Atoi: parsing "99999999999999999999": value out of range`},
		{"x\n-- session one --\n" + expectNothing, "session one: not understood"},
		{"x\n-- provider --\nis nice\n" + expectNothing, `provider: "is nice": not understood`},
		{"x\n-- expect --\nlost 0\nwrong 0\nprovider keeps nothing\n", `expect: nothing is said of "doubled"`},
		{"x\n-- expect --\nlost 1\nwrong 0\ndoubled 0\nprovider keeps nothing\n", `expect: "lost 1": a reason belongs to a count other than 0, and to no other`},
	} {
		_, err := parse(txtar.Parse([]byte(tt.text)), &txtar.Archive{})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
}
