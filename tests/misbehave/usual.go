package misbehave

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// usual gives what a healthy provider of this nature answers to a line, and does what it stands for. The error is errEnd
// behind QUIT.
func (s *session) usual(line string) (reply []byte, err error) {
	word, rest, _ := strings.Cut(line, " ")
	n := &s.p.c.nature
	switch word {
	case "":
		return say("+OK ready"), nil
	case "CAPA":
		return s.capa(), nil
	case "STLS":
		if s.conn != s.raw || n.tls != "STLS" {
			break
		}
		return say("+OK go on"), nil
	case "USER", "NOOP":
		return say("+OK"), nil
	case "PASS":
		return s.pass(rest), nil
	case "LIST":
		return s.list(func(m *mail, number int) []byte { return fmt.Appendf(nil, "%d %s", number, n.size(m)) }), nil
	case "UIDL":
		if n.uidls == "none" {
			break
		}
		return s.list(func(m *mail, number int) []byte {
			return fmt.Appendf(nil, "%d %s", number, n.uidl(m, number, s.number))
		}), nil
	case "TOP":
		if m, ok := s.at(rest); ok {
			return s.body(header(adorned(s.box[m-1].octets, n.topAdds))), nil
		}
	case "RETR":
		if m, ok := s.at(rest); ok {
			if n.hides {
				s.p.mu.Lock()
				s.box[m-1].held.hidden = true
				s.p.mu.Unlock()
			}
			return s.body(adorned(s.box[m-1].octets, strings.ReplaceAll(n.retrAdds, "{session}", strconv.Itoa(s.number)))), nil
		}
	case "DELE":
		if m, ok := s.at(rest); ok {
			s.deleted[m] = true
			return say("+OK"), nil
		}
	case "QUIT":
		s.update()
		return say("+OK bye"), errEnd
	}
	return say("-ERR what?"), nil
}

func say(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func (s *session) body(octets []byte) []byte {
	return append([]byte("+OK\r\n"), onWire(octets, !s.p.c.nature.noStuff)...)
}

// adorned puts a line behind the header's others.
func adorned(octets []byte, line string) []byte {
	if line == "" {
		return octets
	}
	return bytes.Replace(octets, []byte("\r\n\r\n"), []byte("\r\n"+line+"\r\n\r\n"), 1)
}

func (s *session) capa() []byte {
	offers := slices.Clone(s.p.offers)
	if s.p.c.nature.tls == "STLS" && s.conn == s.raw {
		offers = append(offers, "STLS")
	}
	if len(offers) == 0 {
		return say("-ERR what?")
	}
	return say(slices.Concat([]string{"+OK"}, offers, []string{"."})...)
}

func (s *session) pass(password string) []byte {
	if password != Password {
		return say("-ERR [AUTH] wrong password")
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.box = nil
	for _, h := range s.p.box {
		if !h.hidden {
			s.box = append(s.box, listed{h.mail, h})
		}
	}
	return say("+OK")
}

func (s *session) list(line func(*mail, int) []byte) []byte {
	reply := []byte("+OK\r\n")
	for i, m := range s.box {
		if !s.deleted[i+1] {
			reply = append(append(reply, line(m.mail, i+1)...), "\r\n"...)
		}
	}
	return append(reply, ".\r\n"...)
}

// at gives the number that a command names, where it's that of a mail that isn't marked.
func (s *session) at(arguments string) (number int, ok bool) {
	digits, _, _ := strings.Cut(arguments, " ")
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 1 && n <= len(s.box) && !s.deleted[n]
}

// update deletes what is marked (RFC 1939 §6).
func (s *session) update() {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for n := range s.deleted {
		s.p.box = slices.DeleteFunc(s.p.box, func(h *held) bool { return h == s.box[n-1].held })
	}
	clear(s.deleted)
}
