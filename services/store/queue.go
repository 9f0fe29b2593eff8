package store

import (
	"encoding/binary"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// accountID is an account's 128 random bits.
type accountID [16]byte

// parseAccount reads the account of a call.
func parseAccount(b []byte) (accountID, error) {
	if len(b) != len(accountID{}) {
		return accountID{}, fmt.Errorf("%w: account id of %d octets", contract.ErrInvalid, len(b))
	}
	return accountID(b), nil
}

// queues are the buckets of messages. Being in one is a row; to leave is to change it.
var queues = []struct {
	bucket engine.Bucket
	name   string
}{
	{engine.Held, contract.QueueHeld},
	{engine.In, contract.QueueIn},
	{engine.Out, contract.QueueOut},
	{engine.Retrieved, contract.QueueRetrieved},
}

func idKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// messageKey is a message's key: the In Queue is one for all accounts, in the order of coming.
func messageKey(queue engine.Bucket, account accountID, id uint64) []byte {
	if queue == engine.In {
		return idKey(id)
	}
	return binary.BigEndian.AppendUint64(account[:], id)
}

func idOfKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// octetsOf is what a message counts: its prefix, its body, and the CRLF that RETR adds to a body without one.
func octetsOf(m *rows.Message) uint64 {
	n := uint64(len(m.Prefix)) + m.Body.Length
	if m.Body.OpenEnd {
		n += 2
	}
	return n
}

// enter puts a message in a queue.
func enter(t *engine.Txn, queue engine.Bucket, id uint64, m *rows.Message) error {
	account, err := parseAccount(m.Account)
	if err != nil {
		return err
	}
	t.Save(queue, messageKey(queue, account, id), m)
	return count(t, queue, account, m, +1)
}

// leave takes a message out of a queue; nil when it isn't there.
func leave(t *engine.Txn, queue engine.Bucket, account accountID, id uint64) (*rows.Message, error) {
	m := &rows.Message{}
	key := messageKey(queue, account, id)
	found, err := t.Load(queue, key, m)
	if err != nil || !found {
		return nil, err
	}
	if accountID(m.Account) != account {
		return nil, fmt.Errorf("%w: message %d is another account's", contract.ErrInvalid, id)
	}
	t.Delete(queue, key)
	return m, count(t, queue, account, m, -1)
}

// totalKey is the key of a queue's total, for one account where it is given.
func totalKey(queue engine.Bucket, account []byte) []byte {
	return append([]byte{byte(queue)}, account...)
}

// count keeps the totals that status shows, for the queue and for the account.
func count(t *engine.Txn, queue engine.Bucket, account accountID, m *rows.Message, sign int) error {
	for _, key := range [][]byte{totalKey(queue, nil), totalKey(queue, account[:])} {
		var total rows.Total
		if _, err := t.Load(engine.Totals, key, &total); err != nil {
			return err
		}
		if sign > 0 {
			total.Messages++
			total.Octets += octetsOf(m)
		} else {
			total.Messages--
			total.Octets -= octetsOf(m)
		}
		if total.Messages == 0 {
			t.Delete(engine.Totals, key)
		} else {
			t.Save(engine.Totals, key, &total)
		}
	}
	return nil
}
