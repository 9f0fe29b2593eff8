package pop3

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"postroom/services/contract"
)

const (
	endWait  = 30 * time.Second // the commit at QUIT
	dropWait = 5 * time.Second  // the report that a session was dropped
)

var quitWord = []byte("QUIT")

func isQuit(line []byte) bool { return bytes.EqualFold(bytes.TrimRight(line, " "), quitWord) }

// quit is QUIT (RFC 1939 §4, §6). In TRANSACTION it enters UPDATE: what was deleted or, by the account's
// policy, retrieved leaves the Out Queue in one commit. The mailbox is free before the reply: a client may log in again as soon as it
// has read it.
func (s *session) quit(ctx context.Context, _ []byte) error {
	s.over = true
	if s.state == authorization {
		return s.ok("bye")
	}
	// A retrieved message leaves, so it has to be sent before.
	if err := s.conn.Flush(); err != nil {
		return fmt.Errorf("send what was asked for before QUIT: %w", err)
	}
	s.state = update
	if err := s.commit(ctx); err != nil {
		return &refusal{
			code:  codeTemp,
			text:  "the end of this session was not stored, messages may come again",
			cause: fmt.Errorf("commit the poll: %w", err),
		}
	}
	messages, octets := s.mailbox.delivered()
	s.log.Info("delivered", "messages", messages, "octets", octets, "took", time.Since(s.began))
	s.closeMailbox()
	return s.ok("bye")
}

// commit ends the poll with what leaves.
func (s *session) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	leave, retrieved := s.mailbox.leaving()
	_, err := s.server.store.EndPoll(ctx, &contract.EndPollRequest{
		Account: s.mailbox.account, Session: s.mailbox.session, Leave: leave, Retrieved: retrieved,
	})
	return err
}

// dropMailbox ends the poll of a session that gave no QUIT: nothing leaves (RFC 1939 §3). The store hears of
// it in the background: for it a poll was made, and a fetch is due.
func (s *session) dropMailbox(ctx context.Context) {
	if s.mailbox == nil {
		return
	}
	end := &contract.EndPollRequest{Account: s.mailbox.account, Session: s.mailbox.session}
	s.closeMailbox()
	s.log.Info("dropped without QUIT", "took", time.Since(s.began))
	s.server.background(ctx, dropWait, func(ctx context.Context) {
		if _, err := s.server.store.EndPoll(ctx, end); err != nil {
			s.log.Warn("end of a dropped poll not reported", "err", err)
		}
	})
}

// closeMailbox gives the account's lock back.
func (s *session) closeMailbox() {
	s.mailbox.release()
	s.mailbox = nil
}

// noop is NOOP (RFC 1939 §5).
func (s *session) noop(context.Context, []byte) error { return s.ok("still here") }
