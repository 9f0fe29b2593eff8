package queue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/smtp/mx"
	"postroom/services/smtp/relay"
	"postroom/services/smtp/report"
	"postroom/services/smtp/route"
	"postroom/services/wire"

	"github.com/google/uuid"
)

// open reaches the server that a way leads to, and logs in there with what login gave for it.
func (r *runner) open(ctx context.Context, s *settings.Settings, m *mail, w route.Way, login *contract.GetLoginResponse) (*relay.Conn, *relay.Failure) {
	t := relay.Target{TLS: w.TLS, Name: s.Appliance.Name, Roots: r.Roots, Times: r.Times, Dial: r.Dial}
	resolver := mx.Resolver{Servers: s.Network.DNS, Name: s.Appliance.Name}
	if w.Kind == route.MX {
		resolver.Own = own(s, r.PortMX)
		hosts, err := resolver.Domain(ctx, w.Domain)
		if err != nil {
			return nil, unresolved(w.Domain, err)
		}
		return r.openFirst(ctx, t, hosts)
	}
	addresses, err := resolver.Addresses(ctx, w.Server.Host)
	if err != nil {
		return nil, unresolved(w.Server.Host, err)
	}
	isOwn := own(s, w.Server.Port)
	for _, a := range addresses {
		if isOwn(a) {
			return nil, &relay.Failure{Stage: relay.Connect, Host: w.Server.String(), Text: "it is this box itself, and the mail would come back", Enhanced: "4.4.6"}
		}
		t.Addresses = append(t.Addresses, netip.AddrPortFrom(a, w.Server.Port))
	}
	t.Host = w.Server.Host
	if t.Roots == nil {
		t.Roots = roots(s, w.Server.Host)
	}
	if login != nil {
		t.User, t.Password = login.User, wire.NewSecret(login.Password)
	}
	c, err := relay.Open(ctx, t)
	var f *relay.Failure
	if errors.As(err, &f) {
		if f.Refused {
			r.refuse(ctx, s, m, w, login, f)
		}
		return nil, f
	}
	return c, nil
}

// openFirst reaches the best of a domain's servers that can be reached.
func (r *runner) openFirst(ctx context.Context, t relay.Target, hosts []mx.Host) (*relay.Conn, *relay.Failure) {
	var first *relay.Failure
	for _, host := range hosts {
		t.Host, t.Addresses = host.Name, nil
		for _, a := range host.Addresses {
			t.Addresses = append(t.Addresses, netip.AddrPortFrom(a, r.PortMX))
		}
		c, err := relay.Open(ctx, t)
		if err == nil {
			return c, nil
		}
		var f *relay.Failure
		if errors.As(err, &f) && (first == nil || first.Stage == relay.Connect && f.Stage != relay.Connect) {
			first = f // what a server said tells more than that another is away
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// login gives the login data for a way, which the store is asked for at each try: it may be another's, or nobody's, by now. nil: it
// needs none.
func (r *runner) login(ctx context.Context, m *mail, w route.Way) (*contract.GetLoginResponse, *relay.Failure) {
	q := &contract.GetLoginRequest{}
	switch w.Login {
	case route.Account:
		q.Mail = m.id
	case route.Kept:
		q.Name = w.Name
	default:
		return nil, nil
	}
	answer, err := r.Store.GetLogin(ctx, q)
	f := &relay.Failure{Stage: relay.Auth, Host: w.Server.String(), Down: true, Cause: err}
	switch {
	case errors.Is(err, contract.ErrNotFound):
		f.Text, f.Refused = fmt.Sprintf("the login %q of the transport rule isn't there; `postroom login set` gives it", w.Name), true
	case errors.Is(err, contract.ErrForbidden):
		f.Text = "the sender's account has no login data for it any more"
	case err != nil:
		f.Text = "the login data can't be had from the store"
	case answer.Refused:
		f.Refused = true
		f.Text = "this server refused the login before, and isn't asked again until the login data changes; it said: " + answer.Text
	default:
		return answer, nil
	}
	return nil, f
}

// refuse has the store keep that a relay refused login data, and tell its user.
func (r *runner) refuse(ctx context.Context, s *settings.Settings, m *mail, w route.Way, login *contract.GetLoginResponse, f *relay.Failure) {
	said := strings.TrimSpace(fmt.Sprintf("%d %s %s", f.Code, f.Enhanced, f.Text))
	q := &contract.RefuseLoginRequest{Name: w.Name, Relay: w.Server.String(), Text: said, User: login.User, Password: login.Password}
	if w.Login == route.Account {
		key := uuid.Must(uuid.NewV7())
		q.Account = []byte(m.owner)
		q.Notice = &contract.SubmitMail{
			Key: key[:], Recipients: []*contract.SubmitRecipient{{Address: m.sender}}, Account: q.Account,
			Body: report.Refused{Key: key, Host: s.Appliance.Name, Domain: s.Users.PseudoDomain, To: m.sender, Date: time.Now(), Login: login.User,
				Relay: w.Server.String(), Said: said}.Bytes(),
		}
		if m.sender == "" {
			q.Notice = nil
		}
	}
	if _, err := r.Store.RefuseLogin(ctx, q); err != nil {
		r.Log.Error("refused login not kept", "destination", w.Server.String(), "err", err)
	}
}

// unresolved is the failure to find a server.
func unresolved(name string, err error) *relay.Failure {
	f := &relay.Failure{Stage: relay.Connect, Host: name, Text: err.Error(), Cause: err, Down: true}
	var of *mx.Failure
	if errors.As(err, &of) {
		f.Enhanced, f.Permanent, f.Down = of.Status, of.Permanent, !of.Permanent
	}
	return f
}

// own tells which addresses lead back to the box on a port.
func own(s *settings.Settings, port uint16) func(netip.Addr) bool {
	listens := false
	for _, list := range [][]settings.Listen{s.SMTP.Listen, s.SMTP.ListenSubmission, s.SMTP.ListenTLS} {
		for _, l := range list {
			listens = listens || l.Port == port
		}
	}
	if !listens {
		return func(netip.Addr) bool { return false }
	}
	var mine []netip.Addr
	addresses, _ := net.InterfaceAddrs() // without them loopback is left, and Received lines count the rounds
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				mine = append(mine, addr.Unmap())
			}
		}
	}
	return func(addr netip.Addr) bool {
		if addr.IsLoopback() {
			return true
		}
		for _, one := range mine {
			if one == addr {
				return true
			}
		}
		return false
	}
}

// roots is what a relay's certificate may go back to: beside the system's, what the profile of its provider has.
func roots(s *settings.Settings, host string) *x509.CertPool {
	for _, p := range s.Providers {
		if p.CA != "" && (p.Host == host || p.Submission.Host == host) {
			return p.Roots()
		}
	}
	return nil
}
