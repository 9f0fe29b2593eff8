// Package script plays a provider by a written dialogue, for tests: over a real connection, with every fault that a
// real provider can't be asked for.
//
//	C: text     the client sends this line; a * at its end stands for anything
//	S: text     the provider sends this line; {name} in it is the octets of that file, {x*9} nine times x
//	S< file     the provider sends the file, dot-stuffed, and the final dot
//	S^ file     the same with the file's header alone, as for TOP n 0
//	S" text"    the provider sends these octets, written as in Go
//	LOGIN       greeting, CAPA (not known), USER, PASS
//	LISTED …    LIST and UIDL of mails written number=file:uidl
//	TLS         the handshake
//	CUT         the provider ends the connection
//	! word      the event of that name
package script

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Player plays dialogues.
type Player struct {
	Files  map[string][]byte
	Events map[string]func()
	TLS    *tls.Config

	// Dele is asked before a DELE of a mail is answered, with the file that RETR gave for its number in
	// this session, or "". It may be nil.
	Dele func(number int, given string) error
}

// patience is how long the client may take for a line.
const patience = 20 * time.Second

// Play plays one connection and closes it. After the last line it expects the client to close.
func (p *Player) Play(conn net.Conn, dialogue string) error {
	s := &play{Player: p, conn: conn, in: bufio.NewReader(conn), given: map[int]string{}}
	defer func() { s.conn.Close() }()
	number := 0
	for line := range strings.Lines(dialogue) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		cut, err := s.step(line)
		if err != nil {
			return fmt.Errorf("line %d, %q: %w", number, line, err)
		}
		if cut {
			return nil
		}
	}
	s.conn.SetDeadline(time.Now().Add(patience))
	if rest, err := s.in.ReadString('\n'); err == nil {
		return fmt.Errorf("behind the end the client sent %q", rest)
	}
	return nil
}

type play struct {
	*Player
	conn  net.Conn
	in    *bufio.Reader
	last  int            // number of the last RETR or TOP
	retr  bool           // it was a RETR
	given map[int]string // what RETR gave in this session
}

const login = `S: +OK ready
C: CAPA
S: -ERR what
C: USER u
S: +OK
C: PASS p
S: +OK
`

func (s *play) step(line string) (cut bool, err error) {
	s.conn.SetDeadline(time.Now().Add(patience))
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "C:":
		return false, s.expect(rest)
	case "S:":
		return false, s.send(s.sizes(rest) + "\r\n")
	case `S"`:
		text, err := strconv.Unquote(`"` + rest)
		if err != nil {
			return false, err
		}
		return false, s.send(text)
	case "S<", "S^":
		return false, s.sendFile(rest, word == "S^")
	case "LOGIN":
		return s.all(login)
	case "LISTED":
		return s.all(s.listed(strings.Fields(rest)))
	case "TLS":
		conn := tls.Server(s.conn, s.TLS)
		if err := conn.Handshake(); err != nil {
			return true, nil // the client's to say
		}
		s.conn, s.in = conn, bufio.NewReader(conn)
		return false, nil
	case "CUT":
		return true, nil
	case "!":
		event := s.Events[rest]
		if event == nil {
			return false, fmt.Errorf("no such event")
		}
		event()
		return false, nil
	}
	return false, fmt.Errorf("not understood")
}

func (s *play) all(dialogue string) (cut bool, err error) {
	for line := range strings.Lines(dialogue) {
		if cut, err = s.step(strings.TrimSpace(line)); cut || err != nil {
			return cut, err
		}
	}
	return false, nil
}

func (s *play) listed(mails []string) string {
	list, uidl := "C: LIST\nS: +OK\n", "C: UIDL\nS: +OK\n"
	for _, mail := range mails {
		number, rest, _ := strings.Cut(mail, "=")
		file, id, _ := strings.Cut(rest, ":")
		list += "S: " + number + " {" + file + "}\n"
		uidl += "S: " + number + " " + id + "\n"
	}
	if len(mails) == 0 {
		return list + "S: .\n"
	}
	return list + "S: .\n" + uidl + "S: .\n"
}

func (s *play) send(text string) error {
	_, err := io.WriteString(s.conn, text)
	return err
}

var size = regexp.MustCompile(`\{[^}]+\}`)

func (s *play) sizes(text string) string {
	return size.ReplaceAllStringFunc(text, func(name string) string {
		name = name[1 : len(name)-1]
		if what, times, ok := strings.Cut(name, "*"); ok {
			n, _ := strconv.Atoi(times)
			return strings.Repeat(what, n)
		}
		return strconv.Itoa(len(s.Files[name]))
	})
}

func (s *play) expect(pattern string) error {
	got, err := s.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("client sent %q, then: %w", got, err)
	}
	got = strings.TrimRight(got, "\r\n")
	prefix, open := strings.CutSuffix(pattern, "*")
	if got != pattern && !(open && strings.HasPrefix(got, prefix)) {
		return fmt.Errorf("client sent %q", got)
	}
	word, rest, _ := strings.Cut(got, " ")
	number, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(number)
	switch word {
	case "RETR", "TOP":
		s.last, s.retr = n, word == "RETR"
	case "DELE":
		if s.Dele != nil {
			return s.Dele(n, s.given[n])
		}
	}
	return nil
}

func (s *play) sendFile(name string, header bool) error {
	file, ok := s.Files[name]
	if !ok {
		return fmt.Errorf("no such file")
	}
	if header {
		file = file[:bytes.Index(file, []byte("\r\n\r\n"))+4]
	} else if s.retr {
		s.given[s.last] = name
	}
	return s.send(string(Stuffed(file)))
}

// Stuffed gives a file as a multi-line reply carries it (RFC 1939 §3), the final dot included.
func Stuffed(file []byte) []byte {
	b := bytes.ReplaceAll(append([]byte("\r\n"), file...), []byte("\r\n."), []byte("\r\n.."))[2:]
	if len(b) > 0 && !bytes.HasSuffix(b, []byte("\r\n")) {
		b = append(b, "\r\n"...)
	}
	return append(b, ".\r\n"...)
}
