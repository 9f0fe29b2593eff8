package process

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		err    error // of the service
		status int
		ran    bool
		want   string
	}{
		{"good", []string{"x", "--store", "s", "--quick"}, nil, 0, true, ""},
		{"its end", []string{"x", "--store", "s"}, errors.New("broken"), 1, true, ""},
		{"help", []string{"x", "--help"}, nil, 0, false, "--log-level level"},
		{"nothing given", []string{"x"}, nil, 2, false, "x: --store is missing\n"},
		{"no name", nil, nil, 2, false, "x: --store is missing\n"},
		{"an empty one", []string{"x", "--store="}, nil, 2, false, "x: --store is missing\n"},
		{"unknown", []string{"x", "--store", "s", "--nonsense"}, nil, 2, false, "nonsense"},
		{"bad level", []string{"x", "--store", "s", "--log-level", "loud"}, nil, 2, false, "loud"},
		{"no flag", []string{"x", "--store", "s", "more"}, nil, 2, false, `x: "more" is no flag` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			var store string
			p := New("x")
			p.Flags.SetOutput(&out)
			p.Require(&store, "store", "`path`")
			quick := p.Flags.Bool("quick", false, "")
			ran := false
			status := p.Main(tt.args, func(context.Context, *slog.Logger) error {
				ran = store == "s" && *quick == (tt.name == "good")
				return tt.err
			})
			said := strings.ReplaceAll(out.String(), "  -", "  --")
			if status != tt.status || ran != tt.ran || !strings.Contains(said, tt.want) {
				t.Errorf("%q: exit status %d, ran %v, %q; want %d, %v, %q", tt.args, status, ran, said, tt.status, tt.ran, tt.want)
			}
		})
	}
}

func TestBeat(t *testing.T) {
	t.Parallel()
	for interval, want := range map[time.Duration]int{0: 0, 3 * time.Second: 10, 30 * time.Second: 1} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
			defer cancel()
			n := 0
			Beat(ctx, interval, func() { n++ })
			if n != want {
				t.Errorf("interval %v: %d beats, want %d", interval, n, want)
			}
		})
	}
}
