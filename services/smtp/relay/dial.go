// Package relay holds one conversation with the server that mail is handed to next: it connects, starts TLS, logs in, and
// sends one mail after another, with a result for each recipient.
//
// go-smtp's client speaks the commands; line mends what it lacks.
package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"postroom/services/settings"
	"postroom/services/wire"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Times are the longest waits. Zero means RFC 5321's (§4.5.3.2), which are the least that a client should have.
type Times struct {
	Connect  time.Duration // to one address: 30 s
	Command  time.Duration // for the reply to a command, the greeting, a TLS handshake: 5 minutes
	Block    time.Duration // for a piece of a mail to go out: 3 minutes
	End      time.Duration // for the reply to the end of a mail: 10 minutes
	Transfer time.Duration // for a whole mail to go out: 1 hour
}

func (t Times) orDefault() Times {
	for _, d := range []struct {
		of    *time.Duration
		least time.Duration
	}{{&t.Connect, 30 * time.Second}, {&t.Command, 5 * time.Minute}, {&t.Block, 3 * time.Minute}, {&t.End, 10 * time.Minute}, {&t.Transfer, time.Hour}} {
		if *d.of <= 0 {
			*d.of = d.least
		}
	}
	return t
}

// Target is a server, and how it's talked to.
type Target struct {
	Host      string           // its name, which its certificate has to be valid for
	Addresses []netip.AddrPort // tried in order
	TLS       settings.RelayTLS
	Name      string // that the box calls itself by
	User      string // empty: nobody logs in
	Password  wire.Secret
	Roots     *x509.CertPool // nil: the system's
	Times     Times
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
}

// Conn is a conversation behind the login. One goroutine uses it.
type Conn struct {
	host   string // with its address, for words
	line   *line
	client *smtp.Client
	times  Times
	broken bool // nothing more can be sent
}

// Open connects and logs in. The error is a *Failure. ctx bounds the opening alone.
func Open(ctx context.Context, t Target) (*Conn, error) {
	t.Times = t.Times.orDefault()
	c, err := open(ctx, t)
	var f *Failure
	if t.TLS == settings.RelayOpportunistic && errors.As(err, &f) && f.Stage == StartTLS && ctx.Err() == nil {
		t.TLS = settings.RelayPlain // a server that offers TLS and can't: this way promised nothing
		return open(ctx, t)
	}
	return c, err
}

func open(ctx context.Context, t Target) (*Conn, error) {
	nc, err := connect(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &Conn{host: t.Host + " [" + addressOf(nc) + "]", line: newLine(nc, t.Times), times: t.Times}
	stop := context.AfterFunc(ctx, c.line.interrupt)
	if f := c.begin(t); f != nil {
		stop()
		c.Close()
		return nil, f
	}
	if !stop() {
		c.Close()
		return nil, judge(Connect, c.host, context.Cause(ctx), false)
	}
	return c, nil
}

// connect dials the addresses one after another.
func connect(ctx context.Context, t Target) (net.Conn, error) {
	dial := t.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	err := errors.New("it has no address")
	host := t.Host
	for i, address := range t.Addresses {
		one, cancel := context.WithTimeout(ctx, t.Times.Connect)
		nc, e := dial(one, "tcp", address.String())
		cancel()
		if e == nil {
			return nc, nil
		}
		if i == 0 {
			err, host = e, t.Host+" ["+address.String()+"]"
		}
	}
	return nil, judge(Connect, host, err, false)
}

func addressOf(nc net.Conn) string {
	host, _, err := net.SplitHostPort(nc.RemoteAddr().String())
	if err != nil {
		return nc.RemoteAddr().String()
	}
	return host
}

// begin does what comes before the first mail.
func (c *Conn) begin(t Target) *Failure {
	config := &tls.Config{ServerName: t.Host, RootCAs: t.Roots, MinVersion: tls.VersionTLS12}
	if t.TLS == settings.RelayOpportunistic {
		// Whoever is on the way could have taken the offer away as well. Old TLS is better than none.
		config.InsecureSkipVerify, config.MinVersion = true, tls.VersionTLS10
	}
	if t.TLS == settings.RelayImplicit {
		if err := c.line.startTLS(config); err != nil {
			return judge(StartTLS, c.host, err, false)
		}
	}
	t.Name = c.called(t.Name)
	if f := c.hello(t.Name); f != nil {
		return f
	}
	if t.TLS == settings.RelayStartTLS || t.TLS == settings.RelayOpportunistic {
		if f := c.startTLS(t, config); f != nil {
			return f
		}
	}
	if t.User == "" {
		return nil
	}
	return c.logIn(t)
}

// called is what the box calls itself: a name that isn't one of the DNS is refused by many, an address is not (RFC 5321 §4.1.4).
func (c *Conn) called(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	local, err := netip.ParseAddrPort(c.line.LocalAddr().String())
	switch addr := local.Addr().Unmap(); {
	case err != nil:
		return name
	case addr.Is4():
		return "[" + addr.String() + "]"
	default:
		return "[IPv6:" + addr.WithZone("").String() + "]"
	}
}

func (c *Conn) hello(name string) *Failure {
	c.client = smtp.NewClient(c.line)
	c.client.CommandTimeout, c.client.SubmissionTimeout = c.times.Command, c.times.End
	if err := c.client.Hello(name); err != nil {
		stage := Hello
		var reply *smtp.SMTPError
		if errors.As(err, &reply) && (reply.Code == 554 || reply.Code == 421) {
			stage = Greeting // or EHLO: go-smtp doesn't tell which
		}
		return judge(stage, c.host, err, false)
	}
	return nil
}

func (c *Conn) startTLS(t Target, config *tls.Config) *Failure {
	if offered, _ := c.client.Extension("STARTTLS"); !offered {
		if t.TLS == settings.RelayOpportunistic {
			return nil
		}
		return judge(StartTLS, c.host, errors.New("it doesn't offer TLS, and without it nothing is sent there"), false)
	}
	code, text, err := c.line.askTLS()
	if err != nil {
		return judge(StartTLS, c.host, err, false)
	}
	if code != 220 {
		return judge(StartTLS, c.host, &smtp.SMTPError{Code: code, Message: text}, false)
	}
	if err := c.line.startTLS(config); err != nil {
		return judge(StartTLS, c.host, err, false)
	}
	c.line.greeting = []byte("220 -\r\n")
	return c.hello(t.Name)
}

var errNoMechanism = errors.New("it offers no login that a password could be sent by (AUTH PLAIN or LOGIN)")

func (c *Conn) logIn(t Target) *Failure {
	if _, ok := c.line.Conn.(*tls.Conn); !ok {
		return judge(Auth, c.host, errors.New("the connection isn't under TLS, and a password isn't sent without"), false)
	}
	var mechanism sasl.Client
	switch {
	case c.client.SupportsAuth(sasl.Plain):
		mechanism = sasl.NewPlainClient("", t.User, t.Password.Reveal())
	case c.client.SupportsAuth(sasl.Login):
		mechanism = sasl.NewLoginClient(t.User, t.Password.Reveal())
	default:
		return judge(Auth, c.host, errNoMechanism, false)
	}
	if err := c.client.Auth(mechanism); err != nil {
		var reply *smtp.SMTPError // which may say back what it was told
		if errors.As(err, &reply) {
			reply.Message = t.Password.Mask(reply.Message)
		} else {
			err = errors.New(t.Password.Mask(err.Error()))
		}
		return judge(Auth, c.host, err, false)
	}
	return nil
}

// Host is the server's name with its address.
func (c *Conn) Host() string { return c.host }

// Reusable tells whether another mail can be sent.
func (c *Conn) Reusable() bool { return !c.broken }

// PassesDSN tells whether the server has taken over what the sender wants to hear of (RFC 3461 §5.2).
func (c *Conn) PassesDSN() bool {
	ok, _ := c.client.Extension("DSN")
	return ok
}

// Quit ends the conversation politely, and shortly.
func (c *Conn) Quit() {
	if !c.broken {
		c.client.CommandTimeout = min(c.times.Command, 5*time.Second)
		c.client.Quit() // the mails are answered for: what comes of this makes no difference
	}
	c.Close()
}

// Close ends it at once.
func (c *Conn) Close() {
	c.broken = true
	nc := c.line.Conn
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn() // without a close_notify, which would wait
	}
	nc.Close()
}
