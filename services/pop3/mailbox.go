package pop3

import (
	"bytes"
	"context"
	"strconv"

	"postroom/services/bodies"
	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/wire"
)

var errNoMessage = &refusal{text: "no such message"}

// A mailbox is the Out Queue of an account as it was at the login: one snapshot for the whole session
// (RFC 1939 §4). Its session has the account's lock.
type mailbox struct {
	account  []byte
	session  uint64             // names the store's lease
	policy   settings.Retrieved // when what is retrieved leaves
	messages []message          // number n of the dialogue is messages[n-1]
	release  func()             // gives the lock back
}

type message struct {
	// Set once.
	number int // in this session, from 1
	id     uint64
	uidl   string
	prefix []byte
	body   bodies.Body
	octets int64 // what RETR sends, stuffing not counted

	before bool // it was retrieved in an earlier session

	deleted   bool // marked by DELE
	retrieved bool // sent by RETR to its final dot
}

// load takes the snapshot, once the account's lock is held.
func (b *mailbox) load(ctx context.Context, s *server) error {
	for after := uint64(0); ; {
		page, err := s.store.OpenMailbox(ctx, &contract.OpenMailboxRequest{
			Account: b.account, After: after, Server: s.id, Session: b.session,
		})
		if err != nil {
			return err
		}
		b.policy = settings.Retrieved(page.Retrieved)
		for _, m := range page.Messages {
			b.messages = append(b.messages, newMessage(len(b.messages)+1, m))
			after = m.Id
		}
		if !page.More || len(page.Messages) == 0 {
			return nil
		}
	}
}

func newMessage(number int, m *contract.MailboxMessage) message {
	b := m.GetBody()
	return message{
		number: number,
		id:     m.Id,
		uidl:   m.Uidl,
		prefix: m.Prefix,
		body:   bodies.Of(b),
		before: m.Retrieved,
		octets: int64(len(m.Prefix)) + wire.Octets(int64(b.GetLength()), !b.GetOpenEnd()),
	}
}

// message gives the message whose number a client wrote. One that is marked as deleted is not there.
func (b *mailbox) message(argument []byte) (*message, error) {
	n, err := strconv.ParseUint(string(bytes.TrimRight(argument, " ")), 10, 32)
	if err != nil {
		return nil, errBadArgument
	}
	if n == 0 || n > uint64(len(b.messages)) || b.messages[n-1].deleted {
		return nil, errNoMessage
	}
	return &b.messages[n-1], nil
}

// total counts what isn't marked as deleted.
func (b *mailbox) total() (messages int, octets int64) {
	for i := range b.messages {
		if m := &b.messages[i]; !m.deleted {
			messages++
			octets += m.octets
		}
	}
	return messages, octets
}

// delivered counts what was retrieved.
func (b *mailbox) delivered() (messages int, octets int64) {
	for i := range b.messages {
		if m := &b.messages[i]; m.retrieved {
			messages++
			octets += m.octets
		}
	}
	return messages, octets
}

// leaving gives the ids of what leaves the Out Queue at QUIT, and of what was retrieved first and stays.
func (b *mailbox) leaving() (leave, retrieved []uint64) {
	for i := range b.messages {
		switch m := &b.messages[i]; {
		case m.deleted, m.retrieved && b.policy == settings.RetrievedExpire:
			leave = append(leave, m.id)
		case m.retrieved && !m.before:
			retrieved = append(retrieved, m.id)
		}
	}
	return leave, retrieved
}

func (b *mailbox) reset() {
	for i := range b.messages {
		b.messages[i].deleted, b.messages[i].retrieved = false, false
	}
}
