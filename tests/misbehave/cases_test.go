package misbehave

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"postroom/tests/hosted"
)

var only = flag.String("case", "", "regular expression: play only the cases whose names it matches")

const (
	patience = 3 * time.Minute // for a case
	atOnce   = 64              // cases
)

// TestCases plays every case through the whole path, all in one box: from a provider that misbehaves to a client that polls.
func TestCases(t *testing.T) {
	t.Parallel()
	roles := roles(t)
	blocks := ""
	for i, r := range roles {
		r.host = fmt.Sprintf("pop3-%d.example.org", i)
		certificate, own, err := Certificate(r.host)
		if err != nil {
			t.Fatal(err)
		}
		if r.provider, err = Start(r.Case, r.Offers()[r.way()], certificate); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.provider.Close)
		blocks += fmt.Sprintf("\n[[provider]]\nhost = %q\naddress = %q\ntls = %q\nmin_interval = \"0s\"\n", r.host, r.provider.Addr(), r.provider.TLS())
		if r.provider.TLS() != "none" {
			blocks += "ca = '''\n" + own + "'''\n"
		}
	}
	box := hosted.Start(t, settings+blocks)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	free := make(chan struct{}, atOnce) // holds one for each case that is played
	var playing sync.WaitGroup
	for _, r := range roles {
		r.box = box
		free <- struct{}{}
		playing.Go(func() {
			defer func() { <-free }()
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			r.play(ctx)
		})
	}
	playing.Wait()

	known := knownLimits(t)
	for _, r := range roles {
		t.Run(r.title, func(t *testing.T) { r.report(t, known) })
	}
	t.Logf("%d dialogues:\n%s", len(roles), table(roles))
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

// settings are those of the box. Fetches come of polls alone; what fails is tried again soon.
const settings = `
[pop3]
listen = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]
plaintext_login = "always"

[smtp]
listen = []
listen_submission = []
listen_tls = []

[console]
listen = ["127.0.0.1:0"]

[fetch]
schedule = "0s"
parallel = 500
connect_timeout = "20s"
command_timeout = "20s"
retry_first = "1s"
retry_longest = "2s"
`

// roles gives the cases to be played, each in each of its ways.
func roles(t *testing.T) (list []*role) {
	t.Helper()
	cases, err := Load(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		ways := c.Offers()
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			if title := strings.TrimSuffix(c.Name+" "+way, " "); wanted.MatchString(title) {
				list = append(list, &role{Case: c, title: title})
			}
		}
	}
	return list
}

func (r *role) way() string { return strings.TrimPrefix(strings.TrimPrefix(r.title, r.Name), " ") }

// report says what is otherwise than the case expects.
func (r *role) report(t *testing.T, known []byte) {
	t.Helper()
	if r.err != nil {
		t.Error(r.err)
	}
	for _, complaint := range r.provider.Complaints() {
		t.Error(complaint)
	}
	want := Tally{r.Expect.Lost, r.Expect.Wrong, r.Expect.Doubled}
	if r.result != want {
		t.Errorf("got %+v, want %+v", r.result, want)
	}
	if r.marked != r.Expect.Marked || len(r.own) != r.Expect.Notices {
		t.Errorf("got %d mails marked and %d notices, want %d and %d", r.marked, len(r.own), r.Expect.Marked, r.Expect.Notices)
	}
	for _, reason := range r.Expect.Reasons {
		if !bytes.Contains(known, []byte(reason)) {
			t.Errorf("ARCHITECTURE.md doesn't say that it can't be known: %q", reason)
		}
	}
	if t.Failed() {
		t.Log(r.About)
	}
}

// knownLimits is ARCHITECTURE.md, its line ends as spaces.
func knownLimits(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join(bytes.Fields(b), []byte(" "))
}

func table(roles []*role) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tlost\twrong\tdoubled\tsessions\tseconds")
	for _, r := range roles {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.1f\n", r.title, r.result.Lost, r.result.Wrong, r.result.Doubled, r.provider.State().Begun, r.took.Seconds())
	}
	w.Flush()
	return b.String()
}
