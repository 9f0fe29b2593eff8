package powercut

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"postroom/services/contract"
)

// Survey is all that a store shows to its callers.
type Survey struct {
	Status   *contract.GetStatusResponse
	Settings string
	Messages []Shown
	Rows     map[string][]*contract.LedgerRow // by account
	UIDLs    map[uint64]string                // of the Out Queues, by message
	Queue    []Waiting
	Problems []string // of store check
}

// Shown is a message in a queue.
type Shown struct {
	Account string
	Stage   Stage
	ID      uint64
	Octets  []byte // as it would be served, without the prefix
	Damaged error  // it can't be read
}

// Waiting is a mail in the Transport Queue.
type Waiting struct {
	*contract.TransportEntry
	Sha256  []byte
	Damaged error // it can't be read
}

// queueStages are the queues in which the messages of a survey stand; one that is held has no stage, and none is here.
var queueStages = map[string]Stage{contract.QueueIn: In, contract.QueueOut: Out, contract.QueueRetrieved: Retrieved}

// Survey asks for everything. Without full, the octets of messages whose ids are known are not asked for over the
// socket: store check has compared them on the disk, and what the mailbox and the ledger say of them is.
func (b *Box) Survey(ctx context.Context, h *History, at int, full bool) (s *Survey, err error) {
	s = &Survey{Rows: make(map[string][]*contract.LedgerRow), UIDLs: make(map[uint64]string)}
	if s.Status, err = contract.Call(ctx, b.admin, contract.AdminService.GetStatus, &contract.GetStatusRequest{}); err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	settings, err := contract.Call(ctx, b.admin, contract.AdminService.GetSettings, &contract.GetSettingsRequest{})
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	s.Settings = settings.Toml
	for check := new(contract.CheckRequest); ; {
		answer, err := contract.Call(ctx, b.admin, contract.AdminService.Check, check)
		if err != nil {
			return nil, fmt.Errorf("store check: %w", err)
		}
		s.Problems = append(s.Problems, answer.Problems...)
		if check.Cursor = answer.Cursor; len(check.Cursor) == 0 {
			break
		}
	}
	for _, a := range h.Accounts {
		if !by(a.Acked, at) {
			continue
		}
		byID := make(map[uint64]*Mail)
		if !full {
			byID = h.byID()
		}
		if err := s.account(ctx, b, a, byID); err != nil {
			return nil, fmt.Errorf("account %s: %w", a.Name, err)
		}
	}
	queue, err := b.queue(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range queue {
		shown, err := contract.Call(ctx, b.admin, contract.AdminService.ShowQueued, &contract.QueuedRequest{Id: entry.Id})
		if err != nil && !errors.Is(err, contract.ErrDamaged) {
			return nil, fmt.Errorf("show mail %d of the Transport Queue: %w", entry.Id, err)
		}
		s.Queue = append(s.Queue, Waiting{entry, shown.GetMail().GetBody().GetSha256(), err})
	}
	return s, nil
}

func (s *Survey) account(ctx context.Context, b *Box, a *Account, byID map[uint64]*Mail) error {
	sums := make(map[uint64][]byte) // of the Out Queue and the ledger, by message
	mailbox, err := b.mailbox(ctx, a.ID)
	if err != nil {
		return err
	}
	for q := (&contract.ListLedgerRequest{Account: a.ID}); ; {
		answer, err := contract.Call(ctx, b.fetcher, contract.FetcherService.ListLedger, q)
		if err != nil {
			return err
		}
		s.Rows[a.Name] = append(s.Rows[a.Name], answer.Rows...)
		for _, row := range answer.Rows {
			sums[row.Id] = row.Sha256
		}
		if !answer.More {
			break
		}
		q.After = answer.Rows[len(answer.Rows)-1].Id
	}
	for _, m := range mailbox {
		s.UIDLs[m.Id] = m.Uidl
		sums[m.Id] = m.Body.Sha256
	}
	for q := (&contract.ListMessagesRequest{Name: a.Name}); ; {
		list, err := contract.Call(ctx, b.admin, contract.AdminService.ListMessages, q)
		if err != nil {
			return err
		}
		for _, m := range list.Messages {
			shown := Shown{Account: a.Name, Stage: queueStages[m.Queue], ID: m.Id}
			if known := byID[m.Id]; known != nil && bytes.Equal(sums[m.Id], known.sum()) && len(s.Problems) == 0 {
				shown.Octets = known.Octets
			} else if shown.Octets, shown.Damaged = b.read(ctx, a.Name, m); shown.Damaged != nil && !errors.Is(shown.Damaged, contract.ErrDamaged) {
				return shown.Damaged
			}
			s.Messages = append(s.Messages, shown)
		}
		if !list.More {
			return nil
		}
		q.Queue, q.After = list.Queue, list.After
	}
}

// read gives a message's octets without its prefix.
func (b *Box) read(ctx context.Context, account string, m *contract.HeldMessage) (octets []byte, err error) {
	for uint64(len(octets)) < m.Octets {
		part, err := contract.Call(ctx, b.admin, contract.AdminService.ReadMessage, &contract.ReadMessageRequest{
			Name: account, Queue: m.Queue, Id: m.Id, Offset: uint64(len(octets)),
		})
		if err != nil {
			return nil, err
		}
		if len(part.Octets) == 0 {
			break
		}
		octets = append(octets, part.Octets...)
	}
	return bytes.TrimPrefix(octets, []byte(prefix)), nil
}
