package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
)

// timed begins a dialogue in a bubble, where time passes when all wait.
func timed(t *testing.T, f *fakeStore, address string, run func(*piped)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := pipeTo(t, f, newTestServer(f), address)
		defer p.end()
		p.ask("EHLO pc", "250 ")
		run(p)
	})
}

func took(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(began); got != want {
		t.Errorf("it took %v, want %v", got, want)
	}
}

// RFC 5321 §4.5.3.2: five minutes for a command, whole, and between two pieces of a mail.
func TestIdle(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*piped){
		"a command":    func(p *piped) {},
		"half of one":  func(p *piped) { p.send("NO") },
		"DATA":         func(p *piped) { p.envelope(); p.ask("DATA", "354 "); p.send("Subject: x\r\n") },
		"BDAT":         func(p *piped) { p.envelope(); p.send("BDAT 10 LAST\r\nSub") },
		"behind chunk": func(p *piped) { p.envelope(); p.ask("BDAT 0", "250 ") },
	} {
		f := newFakeStore(t)
		timed(t, f, inside, func(p *piped) {
			begin(p)
			synctest.Wait()
			began := time.Now()
			if got := p.wantClosed(); !strings.HasPrefix(got, "421 4.4.2 ") {
				t.Errorf("%s: got %q", name, got)
			}
			took(t, began, idle)
		})
		if len(f.mails()) > 0 {
			t.Errorf("%s: a mail was taken", name)
		}
	}
}

// A mail that trickles in ends after an hour, in chunks too.
func TestTransferIsBounded(t *testing.T) {
	t.Parallel()
	for name, piece := range map[string]string{"DATA": "x: y\r\n", "BDAT": "BDAT 6\r\nx: y\r\n"} {
		f := newFakeStore(t)
		timed(t, f, inside, func(p *piped) {
			p.envelope()
			if name == "DATA" {
				p.ask("DATA", "354 ")
			}
			began := time.Now()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for {
					if _, err := fmt.Fprint(p.nc, piece); err != nil {
						return
					}
					time.Sleep(time.Minute + time.Second)
				}
			}()
			p.wantClosed()
			if got := time.Since(began); got < transfer || got > transfer+2*time.Minute {
				t.Errorf("%s: it took %v, want %v", name, got, transfer)
			}
			p.nc.Close()
			<-sent
		})
	}
}

// A stranger has ten minutes to log in, whatever it does.
func TestStrangersTime(t *testing.T) {
	t.Parallel()
	timed(t, newFakeStore(t), outside, func(p *piped) {
		began := time.Now()
		for range 10 {
			p.ask("NOOP", "250 ")
			time.Sleep(59 * time.Second)
		}
		p.wantClosed()
		took(t, began, strangerTime)
	})
}

// What brings no mail may be said a hundred times.
func TestIdleCommands(t *testing.T) {
	t.Parallel()
	timed(t, newFakeStore(t), inside, func(p *piped) {
		for range maxIdle - 2 {
			p.ask("NOOP", "250 ")
		}
		p.mail("\r\n") // begins anew
		for range maxIdle {
			p.ask("RSET", "250 ")
		}
		p.want("421 4.7.0 too many commands")
		p.wantClosed()
	})
}

// A mail is offered under one key for a minute while the store can't take it.
func TestSubmitIsRepeated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		away time.Duration
		want string
		took time.Duration // at most
	}{
		{"for a moment", time.Second, "250 2.0.0 ", 3 * time.Second},
		{"nearly too long", 55 * time.Second, "250 2.0.0 ", 58 * time.Second},
		{"too long", 2 * time.Minute, "451 4.3.0 ", submitWait},
	} {
		f := newFakeStore(t)
		var keys []string
		timed(t, f, inside, func(p *piped) {
			began := time.Now()
			f.submit = func(_ context.Context, m *contract.SubmitMail) error {
				keys = append(keys, string(m.Key))
				if time.Since(began) < tt.away {
					return fmt.Errorf("sync: %w", contract.ErrUnavailable)
				}
				return nil
			}
			if got := p.mail("\r\n"); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
			if got := time.Since(began); got > tt.took {
				t.Errorf("%s: it took %v", tt.name, got)
			}
		})
		for _, key := range keys {
			if key != keys[0] || len(key) != 16 {
				t.Errorf("%s: keys %x", tt.name, keys)
			}
		}
	}
}

// What the store says of a mail, and when.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{contract.ErrFull, "452 4.3.1 "},
		{contract.ErrInvalid, "451 4.3.0 "},
		{contract.ErrNotFound, "451 4.3.0 "},
		{errors.New("x"), "451 4.3.0 "},
	} {
		f := newFakeStore(t)
		f.submit = func(context.Context, *contract.SubmitMail) error { return tt.err }
		f.upload = func(context.Context) error { return tt.err }
		timed(t, f, inside, func(p *piped) {
			began := time.Now()
			if got := p.mail("\r\n"); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
			}
			if got := p.mail(strings.Repeat("a: b\r\n", 10) + "\r\n" + strings.Repeat("0123456789abcde\r\n", 100_000)); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%v of a long one: got %q, want %q", tt.err, got, tt.want)
			}
			took(t, began, 0)
		})
	}
}

// So many mails a minute, of an address or of an account.
func TestMailsPerMinute(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.SMTP.MailsPerMinute = 2
	timed(t, f, inside, func(p *piped) {
		p.mail("\r\n")
		p.mail("\r\n")
		p.ask("MAIL FROM:<a@example.org>", "450 4.7.1 ")
		other := pipeTo(p.t.(*testing.T), f, p.server, "127.0.0.2:1")
		other.ask("EHLO pc", "250 ")
		other.mail("\r\n")
		other.nc.Close()
		<-other.ended
		other.stop()
		time.Sleep(30 * time.Second)
		p.mail("\r\n")
		p.ask("MAIL FROM:<a@example.org>", "450 4.7.1 ")
	})
}

// When the service stops, who is idle is let go, and a mail that is under way is finished.
func TestStop(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	timed(t, f, inside, func(p *piped) {
		p.stop()
		p.wantClosed()
	})
	timed(t, f, inside, func(p *piped) {
		p.envelope()
		p.stop()
		time.Sleep(finishPause - time.Second)
		p.ask("DATA", "354 ")
		time.Sleep(time.Minute)
		p.send("\r\n.\r\n")
		p.want("250 ")
		if got := p.wantClosed(); !strings.HasPrefix(got, "421 4.3.2 ") {
			t.Errorf("got %q", got)
		}
	})
	timed(t, f, inside, func(p *piped) {
		p.envelope()
		p.stop()
		began := time.Now()
		p.wantClosed()
		took(t, began, finishPause)
	})
	if n := len(f.mails()); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}
