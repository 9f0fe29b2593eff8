package provider

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxUIDL is the longest unique id that is kept, octets; RFC 1939 §7 allows 70. A longer one counts as none.
const maxUIDL = 512

// Entry is one mail in a provider's listing.
type Entry struct {
	Number int    // in this session
	Size   uint64 // octets, as LIST says
	Sized  bool   // LIST says so; else Size is 0
	UIDL   string // as sent; empty: none
	Unique bool   // the UIDL is there, and no other mail of the listing has it
}

// Listing is what a provider holds, in its order.
type Listing struct {
	Mails []Entry
	UIDLs bool // the provider answered UIDL
}

// List asks LIST and UIDL. Where they disagree each number stands for itself: one that LIST alone has comes without
// UIDL, one that UIDL alone has without size, and so does one that a reply names twice, differently. A line that
// can't be read is no number.
//
// A provider without UIDL (RFC 1939 §7: it's optional) gives entries without; one that offers it and refuses it just
// now gives an error, so that known mails aren't taken for new ones.
func (c *Conn) List() (*Listing, error) {
	l := &listing{at: map[int]int{}, named: map[int]bool{}}
	if err := c.send("LIST", "LIST", "LIST"); err != nil {
		return nil, err
	}
	ahead := c.Window() > 1
	if ahead {
		if err := c.send("UIDL", "UIDL", "UIDL"); err != nil {
			return nil, err
		}
	}
	if err := c.status(); err != nil {
		return nil, err
	}
	if err := c.table("LIST", l.size); err != nil {
		return nil, err
	}
	if len(l.mails) == 0 && !ahead {
		return &Listing{UIDLs: true}, nil // nothing is listed either way
	}
	if !ahead {
		if err := c.send("UIDL", "UIDL", "UIDL"); err != nil {
			return nil, err
		}
	}
	err := c.status()
	var refusal *Refusal
	_, offered := c.capa["UIDL"]
	if errors.As(err, &refusal) && !refusal.Temporary() && !offered {
		return l.ended(false), nil
	}
	if err != nil {
		return nil, err
	}
	if err := c.table("UIDL", l.uidl); err != nil {
		return nil, err
	}
	return l.ended(true), nil
}

// table reads a reply of numbers, each with something behind it.
func (c *Conn) table(word string, each func(number int, rest string)) error {
	read, bad := 0, ""
	err := c.lines(word, maxListing, func(line string, cut error) error {
		number, rest, ok := numbered(line)
		if !ok {
			c.log.Warn("line of a listing not understood", "answer", word, "line", showable(line))
			bad = line
			return nil
		}
		if cut != nil {
			rest = "" // it's longer than anything that is kept
		}
		read++
		each(number, rest)
		return nil
	})
	if err == nil && read == 0 && bad != "" {
		err = fmt.Errorf("line %q in the answer to %s: %w", showable(bad), word, ErrProtocol)
	}
	return err
}

// numbered splits a line of a listing: a number, a space, the rest.
func numbered(line string) (number int, rest string, ok bool) {
	digits, rest, _ := strings.Cut(line, " ")
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), rest, err == nil && n > 0
}

// listing is one that is being read.
type listing struct {
	mails []Entry
	at    map[int]int  // by number
	named map[int]bool // numbers that UIDL told something of
}

// entry gives the one of a number, and whether it's new.
func (l *listing) entry(number int) (e *Entry, added bool) {
	i, known := l.at[number]
	if !known {
		i = len(l.mails)
		l.at[number] = i
		l.mails = append(l.mails, Entry{Number: number})
	}
	return &l.mails[i], !known
}

// size takes a line of LIST; more may stand behind the size (RFC 1939 §5).
func (l *listing) size(number int, rest string) {
	octets, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	size, err := strconv.ParseUint(octets, 10, 63)
	switch e, added := l.entry(number); {
	case added && err == nil:
		e.Size, e.Sized = size, true
	case err != nil || e.Size != size:
		e.Size, e.Sized = 0, false
	}
}

// uidl takes a line of UIDL. A blank or over-long one is none.
func (l *listing) uidl(number int, rest string) {
	if len(rest) > maxUIDL || strings.TrimSpace(rest) == "" {
		rest = ""
	}
	e, _ := l.entry(number)
	if l.named[number] && e.UIDL != rest {
		rest = ""
	}
	e.UIDL, l.named[number] = rest, true
}

func (l *listing) ended(uidls bool) *Listing {
	count := map[string]int{}
	for _, m := range l.mails {
		count[m.UIDL]++
	}
	for i, m := range l.mails {
		l.mails[i].Unique = m.UIDL != "" && count[m.UIDL] == 1
	}
	return &Listing{Mails: l.mails, UIDLs: uidls}
}
