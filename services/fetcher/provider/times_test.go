package provider

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/settings"
	"postroom/services/wire"
)

// TestTimes: a provider that falls silent holds a session for as long as the settings say, and no longer.
func TestTimes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		tls   settings.TLSMode
		serve func(net.Conn) // nil: never connected
		took  time.Duration
		want  string
	}{
		{"no connection", settings.TLSNone, nil, 3 * time.Second, `no connection to "pop.example.org": 127.0.0.1:995: no answer in time`},
		{"silent in TLS", settings.TLSImplicit, func(c net.Conn) { io.Copy(io.Discard, c) }, 3 * time.Second,
			`no connection to "pop.example.org": pipe: no answer in time`},
		{"no greeting", settings.TLSNone, func(c net.Conn) { io.Copy(io.Discard, c) }, 7 * time.Second, `the session with "pop.example.org" broke off: no answer in time`},
		{"no answer", settings.TLSNone, func(c net.Conn) {
			io.WriteString(c, "+OK ready\r\n")
			io.Copy(io.Discard, c)
		}, 7 * time.Second, `the session with "pop.example.org" broke off: no answer in time`},
		{"an answer that doesn't end", settings.TLSNone, func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for _, err := io.WriteString(c, "+OK "); err == nil; _, err = io.WriteString(c, "x") {
				time.Sleep(6 * time.Second)
			}
		}, 7 * time.Second, `the session with "pop.example.org" broke off: no answer in time`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := settings.Default()
				s.Fetch.ConnectTimeout, s.Fetch.CommandTimeout = 3*time.Second, 7*time.Second
				p := settings.DefaultProvider(testHost)
				p.BuiltIn, p.TLS, p.Address = false, c.tls, netip.MustParseAddrPort("127.0.0.1:995")
				s.Providers = []settings.Provider{p}
				var serving sync.WaitGroup
				defer serving.Wait()
				d := Dialer{Connect: func(ctx context.Context, _, _ string) (net.Conn, error) {
					if c.serve == nil {
						<-ctx.Done()
						return nil, fmt.Errorf("dial: %w", ctx.Err())
					}
					ours, theirs := net.Pipe()
					serving.Go(func() {
						defer theirs.Close()
						c.serve(theirs)
					})
					return ours, nil
				}}
				began := time.Now()
				conn, err := d.Open(t.Context(), s, Target{Host: testHost})
				if err == nil {
					err = conn.Login("u", wire.NewSecret("p"))
					conn.Close()
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("gave up after %v, want %v", took, c.took)
				}
				if got := Explain(testHost, err); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		})
	}
}
