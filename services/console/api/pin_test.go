package api

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var (
	printA = strings.Repeat("a1", 32)
	printB = strings.Repeat("b2", 32)
)

func TestPin(t *testing.T) {
	t.Parallel()
	for _, known := range []string{printA, strings.ToUpper(printA), strings.Repeat("A1:", 31) + "a1"} {
		pin, err := Pin("box", known)
		if err != nil {
			t.Fatalf("%q: %v", known, err)
		}
		if err := pin(printA); err != nil {
			t.Errorf("%q: %v", known, err)
		}
		var mismatch *Mismatch
		if err := pin(printB); !errors.As(err, &mismatch) || mismatch.Got != printB || mismatch.Known != printA {
			t.Errorf("%q: got %v", known, err)
		}
	}
	for _, known := range []string{"", "a1", printA + "a1", strings.Repeat("x", 64)} {
		if _, err := Pin("box", known); err == nil {
			t.Errorf("%q was taken", known)
		}
	}
}

func TestKnownHosts(t *testing.T) {
	t.Parallel()
	refusal := errors.New("no")
	for _, test := range []struct {
		name   string
		before string
		host   string
		shown  string
		tell   error
		told   bool
		want   string // in the error; empty: none
		after  string // of before
	}{
		{name: "first", host: "Box", shown: printA, told: true, after: "box:443 sha256:" + printA + "\n"},
		{name: "another port is another box", before: "box:443 sha256:" + printA + "\n", host: "box:8443", shown: printB, told: true,
			after: "box:8443 sha256:" + printB + "\n"},
		{name: "behind a line without an end", before: "# mine", host: "box", shown: printA, told: true, after: "\nbox:443 sha256:" + printA + "\n"},
		{name: "known", before: "\n# mine\nbox:443 sha256:" + strings.ToUpper(printA), host: "box", shown: printA},
		{name: "known by its first line", before: "box:443 sha256:" + printA + "\nbox:443 sha256:" + printB, host: "box", shown: printA},
		{name: "another", before: "# mine\nbox:443 sha256:" + printA + "\n", host: "box", shown: printB, want: "remove line 2 of "},
		{name: "refused", host: "box", shown: printA, tell: refusal, told: true, want: "no"},
		{name: "bad line", before: "box:443\n", host: "box", shown: printA, want: "line 1: want"},
		{name: "bad line of another", before: "box:443 sha256:" + printA + "\nbox2 sha256:77\n", host: "third", shown: printA, want: "line 2: want"},
		{name: "bad host", host: "a b", shown: printA, want: `host "a b"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config", "known-hosts")
			if test.before != "" {
				if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			told := false
			known := &KnownHosts{Path: path, Tell: func(_, fingerprint string) error {
				told = fingerprint == test.shown
				return test.tell
			}}
			err := known.Pin(test.host)(test.shown)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if told != test.told {
				t.Errorf("told: %v", told)
			}
			after, err := os.ReadFile(path)
			if string(after) != test.before+test.after || err != nil && test.before+test.after != "" {
				t.Errorf("file: got %q, %v; want %q", after, err, test.before+test.after)
			}
			if test.want == "" {
				quiet := &KnownHosts{Path: path}
				if err := quiet.Pin(test.host)(test.shown); err != nil {
					t.Errorf("the second time: %v", err)
				}
			}
		})
	}
}

func FuzzKnownHosts(f *testing.F) {
	f.Add("box:443 sha256:" + printA + "\n")
	f.Add("# mine")
	f.Add("\n\nbox:443 sha256:" + printB)
	f.Fuzz(func(t *testing.T, before string) {
		path := filepath.Join(t.TempDir(), "known-hosts")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		known := &KnownHosts{Path: path}
		if known.Pin("box")(printA) != nil {
			return
		}
		if err := known.Pin("box")(printA); err != nil {
			t.Fatalf("%q: accepted, then %v", before, err)
		}
		if known.Pin("box")(printB) == nil {
			t.Fatalf("%q: two certificates are accepted", before)
		}
	})
}
