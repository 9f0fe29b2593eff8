// Package nameserver is a small DNS server for tests.
package nameserver

import (
	"fmt"
	"net"
	"testing"

	"postroom/services/settings"

	"github.com/miekg/dns"
)

// Server answers from its records. Names are fully qualified, with their last dot.
type Server struct {
	Records []string       // in zone files' form
	Codes   map[string]int // by name, or "name TYPE": an answer without records, such as dns.RcodeServerFailure
}

// Listen serves on loopback until the test ends.
func (s *Server) Listen(t testing.TB) settings.Server {
	t.Helper()
	records := map[string][]dns.RR{}
	for _, text := range s.Records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		records[rr.Header().Name] = append(records[rr.Header().Name], rr)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true // else an answer without records is a lame referral
		name, kind := q.Question[0].Name, q.Question[0].Qtype
		name = dns.CanonicalName(name)
		code, ok := s.Codes[name+" "+dns.TypeToString[kind]]
		if !ok {
			code, ok = s.Codes[name]
		}
		switch {
		case ok:
			m.Rcode = code
		case records[name] == nil:
			m.Rcode = dns.RcodeNameError
		default:
			for _, rr := range records[name] {
				if rr.Header().Rrtype == kind {
					m.Answer = append(m.Answer, rr)
				}
			}
		}
		if w.RemoteAddr().Network() == "udp" {
			m.Truncate(dns.MinMsgSize)
		}
		w.WriteMsg(m)
	})
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := packets.LocalAddr().(*net.UDPAddr).Port
	streams, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: streams, Handler: handler}} {
		ready, done := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		go func() { defer close(done); server.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { server.Shutdown(); <-done })
	}
	return settings.Server{Host: "127.0.0.1", Port: uint16(port)}
}
