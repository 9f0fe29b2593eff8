package queue

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/resolver/nameserver"
	"postroom/services/settings"
	"postroom/services/smtp/internal/fakestore"
	"postroom/services/smtp/internal/host"

	"github.com/emersion/go-smtp"
)

// sink is go-smtp's server, which keeps what it takes.
type sink struct {
	mu    sync.Mutex
	mails []taken
}

type taken struct {
	sender, recipient, text string
	options                 smtp.MailOptions
	secure                  bool
}

func (s *sink) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	return &sinkSession{sink: s, secure: secure}, nil
}

type sinkSession struct {
	*sink
	secure     bool
	sender     string
	options    smtp.MailOptions
	recipients []string
}

func (s *sinkSession) Reset()        { s.recipients = nil }
func (s *sinkSession) Logout() error { return nil }
func (s *sinkSession) Mail(from string, o *smtp.MailOptions) error {
	s.sender, s.options = from, *o
	return nil
}
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "no@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.recipients = append(s.recipients, to)
	return nil
}
func (s *sinkSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range s.recipients {
		s.mails = append(s.mails, taken{s.sender, to, string(text), s.options, s.secure})
	}
	return nil
}

// listen serves go-smtp's server at an address, under TLS where there is a certificate.
func (s *sink) listen(t *testing.T, address string, change func(*smtp.Server)) (port uint16) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(s)
	server.Domain, server.EnableDSN, server.EnableSMTPUTF8 = "sink.example", true, true
	server.MaxLineLength = 10_000
	change(server)
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) })
	t.Cleanup(func() { server.Close(); serving.Wait() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// deliverTo runs the queue until it has nothing left to do at once, against real servers that a real name server names.
func deliverTo(t *testing.T, port uint16, zone []string, add func(*fakestore.Store)) *fakestore.Store {
	t.Helper()
	names := (&nameserver.Server{Records: zone}).Listen(t)
	store := fakestore.New(t)
	store.Users["me@example.org"] = "me!pop3.example.org"
	add(store)
	s := parse(t, fmt.Sprintf("[appliance]\nname = \"box.example\"\n[network]\ndns = [%q]\n", names))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Store: store, Bodies: store.Folder, Settings: func() *settings.Settings { return s }, Log: slog.New(slog.DiscardHandler), PortMX: port})
	}()
	settled := store.Until(ctx, func() bool {
		begun, end := store.Calls()
		return begun > 0 && end >= begun && store.Tried()
	})
	cancel()
	if err := <-done; err != nil || !settled {
		t.Errorf("settled %v, %v", settled, err)
	}
	return store
}

// The MX way, to go-smtp's server: any certificate will do, a better server that is away is passed over, and a null MX, a missing
// domain and a refused recipient are told to the sender.
func TestMX(t *testing.T) {
	t.Parallel()
	for name, certificate := range map[string]struct {
		ends  time.Duration
		names []string
	}{
		"good": {time.Hour, []string{"sink.example"}}, "expired": {-time.Hour, []string{"sink.example"}}, "another's": {time.Hour, []string{"other.example"}}, "none": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			port := s.listen(t, "127.0.0.2:0", func(server *smtp.Server) {
				if certificate.names != nil {
					server.TLSConfig, _ = host.Certificate(t, time.Now().Add(certificate.ends), certificate.names...)
				}
			})
			text := "Subject: Grüße\r\n\r\n.\r\n..\r\n.x\r\n" + strings.Repeat("x", 2000) + "\r\n"
			var ids []uint64
			store := deliverTo(t, port, []string{
				"c.example. MX 10 away.example.", "c.example. MX 20 sink.example.", "away.example. A 127.0.0.99", "sink.example. A 127.0.0.2",
				"null.example. MX 0 .", "lone.example. A 127.0.0.2",
			}, func(store *fakestore.Store) {
				for _, to := range []string{"you@c.example", "no@c.example", "you@null.example", "you@nowhere.example", "you@lone.example", "you@[127.0.0.2]"} {
					ids = append(ids, store.Add("", "192.0.2.77", "me@example.org", text, to))
				}
			})
			want := []string{"DELIVERED ", "FAILED 550 5.1.1", "FAILED takes no mail", "FAILED there is no domain", "DELIVERED ", "DELIVERED "}
			for i, id := range ids {
				r := store.Mail(id).Recipients[0]
				state, words, _ := strings.Cut(want[i], " ")
				if r.State.String() != state || !strings.Contains(r.Text, words) {
					t.Errorf("%s: %v: %s", r.Address, r.State, r.Text)
				}
			}
			if n := len(store.Local("me!pop3.example.org")); n != 3 {
				t.Errorf("%d reports came to the sender", n)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.mails) != 3 {
				t.Fatalf("%d mails taken", len(s.mails))
			}
			for _, m := range s.mails {
				if m.text != text || m.sender != "me@example.org" || m.secure != (certificate.names != nil) {
					t.Errorf("%s: TLS %v, from %s, %d octets", m.recipient, m.secure, m.sender, len(m.text))
				}
			}
		})
	}
}
