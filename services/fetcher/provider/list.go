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
	UIDL   string // as sent; empty: none
	Unique bool   // the UIDL is there, and no other mail of the listing has it
}

// Listing is what a provider holds, in its order.
type Listing struct {
	Mails []Entry
	UIDLs bool // the provider answered UIDL
}

// List asks LIST and UIDL. A provider without UIDL (RFC 1939 §7: it's optional) gives entries without; one that
// offers it and refuses it just now gives an error, so that known mails aren't taken for new ones.
func (c *Conn) List() (*Listing, error) {
	l := &Listing{}
	at := map[int]int{}
	if err := c.do("LIST", "LIST"); err != nil {
		return nil, err
	}
	err := c.lines("LIST", maxListing, func(line string) error {
		number, rest, err := numbered("LIST", line)
		if err != nil {
			return err
		}
		octets, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		size, err := strconv.ParseUint(octets, 10, 63)
		if _, twice := at[number]; err != nil || twice {
			return fmt.Errorf("line %q in the answer to LIST: %w", showable(line), ErrProtocol)
		}
		at[number] = len(l.Mails)
		l.Mails = append(l.Mails, Entry{Number: number, Size: size})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(l.Mails) == 0 {
		l.UIDLs = true // nothing is listed either way
		return l, nil
	}
	err = c.do("UIDL", "UIDL")
	var refusal *Refusal
	_, offered := c.capa["UIDL"]
	if errors.As(err, &refusal) && !refusal.Temporary() && !offered {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	l.UIDLs = true
	count := map[string]int{}
	err = c.lines("UIDL", maxListing, func(line string) error {
		number, uidl, err := numbered("UIDL", line)
		if err != nil {
			return err
		}
		if i, ok := at[number]; ok && len(uidl) <= maxUIDL && strings.TrimSpace(uidl) != "" {
			l.Mails[i].UIDL = uidl
		}
		return nil
	})
	for _, m := range l.Mails {
		count[m.UIDL]++
	}
	for i, m := range l.Mails {
		l.Mails[i].Unique = m.UIDL != "" && count[m.UIDL] == 1
	}
	return l, err
}

// numbered splits a line of a listing: a number, a space, the rest.
func numbered(word, line string) (int, string, error) {
	digits, rest, _ := strings.Cut(line, " ")
	number, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || number == 0 {
		return 0, "", fmt.Errorf("line %q in the answer to %s: %w", showable(line), word, ErrProtocol)
	}
	return int(number), rest, nil
}
