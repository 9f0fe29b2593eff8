package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"postroom/services/contract"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	rowsPerMail  = 3   // in a queue, in the ledger, and the put's answer
	rowBody      = 512 // octets of a mail's body: rows are what counts here
	rowsPerCall  = 200 // mails, as the fetcher puts them at most
	putCallers   = 4   // calls at once
	rowPutters   = 10  // that put one mail a call, to be measured
	mailboxMails = 10_000
)

// benchRows measures the store with many rows, without a peer: puts, a large mailbox, its deletion, and starts.
func benchRows(ctx context.Context, cfg config) (err error) {
	s, err := newRowStore(cfg.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.start(ctx); err != nil {
		return err
	}
	b := &rowBench{config: cfg, rowStore: s, each: min(mailboxMails, cfg.storeRows/rowsPerMail/3)}
	t := newTable(fmt.Sprintf("The store with %d rows, without a peer", cfg.storeRows), "what", "figure", "of")
	for _, step := range []func(context.Context, table) error{b.few, b.fill, b.many, b.mailbox, b.starts} {
		if err := step(ctx, t); err != nil {
			return err
		}
	}
	return t.end()
}

type rowBench struct {
	config
	*rowStore
	each     int      // mails of an account
	accounts [][]byte // ids
	mails    int      // put so far
}

// few measures puts into a store that is as good as empty, to compare with.
func (b *rowBench) few(ctx context.Context, t table) error {
	if err := b.addAccount(ctx); err != nil {
		return err
	}
	rate, err := b.putRate(ctx)
	t.row("puts, few rows", fmt.Sprintf("%.0f/s", rate), fmt.Sprintf("%d rows", b.mails*rowsPerMail))
	return err
}

func (b *rowBench) addAccount(ctx context.Context) error {
	id, err := enrol(ctx, b.pop3, b.fetcher, fmt.Sprintf("bench%d@pop3.example.org", len(b.accounts)))
	b.accounts = append(b.accounts, id)
	return err
}

// putRate has several callers put one mail a call for two turns, and gives mails a second.
func (b *rowBench) putRate(ctx context.Context) (float64, error) {
	began := time.Now()
	counts := make([]int, rowPutters)
	var callers errgroup.Group
	for i := range rowPutters {
		callers.Go(func() error {
			for time.Since(began) < 2*b.turn {
				if err := b.put(ctx, b.accounts[0], 1); err != nil {
					return err
				}
				counts[i]++
			}
			return nil
		})
	}
	err := callers.Wait()
	took := time.Since(began)
	sum := 0
	for _, n := range counts {
		sum += n
	}
	b.mails += sum
	return float64(sum) / took.Seconds(), err
}

var rowMail = sampleMail(rowBody)

func (b *rowBench) put(ctx context.Context, account []byte, mails int) error {
	request := &contract.PutRequest{Account: account}
	for range mails {
		key := newKey()
		request.Mails = append(request.Mails, &contract.PutMail{
			Key: key, Uidl: []byte(fmt.Sprintf("%x", key)), Size: rowBody, HeaderDigest: make([]byte, 32), Body: rowMail,
		})
	}
	_, err := b.puts.Put(ctx, request)
	return err
}

// fill puts mail for one account after the other, until there are as many rows as there are to be. The first of
// these accounts has it in its Out Queue.
func (b *rowBench) fill(ctx context.Context, t table) error {
	if err := b.settleAll(ctx, b.mails); err != nil { // what few has put: so that the first account's mail is next
		return err
	}
	began, before := time.Now(), b.mails
	settled := time.Duration(0)
	for b.mails*rowsPerMail < b.storeRows {
		if err := b.addAccount(ctx); err != nil {
			return err
		}
		if err := b.putMany(ctx, b.accounts[len(b.accounts)-1], b.each); err != nil {
			return err
		}
		if len(b.accounts) == 2 {
			began := time.Now()
			if err := b.settleAll(ctx, b.each); err != nil {
				return err
			}
			settled = time.Since(began)
			t.row("In Queue to Out Queue", fmt.Sprintf("%.0f/s", float64(b.each)/settled.Seconds()), fmt.Sprintf("%d mails, %d at once", b.each, openers))
		}
	}
	took := time.Since(began) - settled
	t.row("puts, many a call", fmt.Sprintf("%.0f/s", float64(b.mails-before)/took.Seconds()), fmt.Sprintf("%d mails, %d a call", b.mails-before, rowsPerCall))
	memory, err := b.memory()
	t.row("memory of the store (PSS)", mebibytes(memory), "with its index in the page cache")
	return err
}

func (b *rowBench) putMany(ctx context.Context, account []byte, mails int) error {
	var callers errgroup.Group
	callers.SetLimit(putCallers)
	for done := 0; done < mails; done += rowsPerCall {
		callers.Go(func() error { return b.put(ctx, account, min(rowsPerCall, mails-done)) })
	}
	b.mails += mails
	return callers.Wait()
}

// settleAll is a validator that delivers what is in the In Queue: so many mails.
func (b *rowBench) settleAll(ctx context.Context, mails int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const worker = 1
	<-contract.Work(ctx, b.validator, worker) // its life line
	var callers errgroup.Group
	callers.SetLimit(openers)
	for range mails {
		m, err := contract.Call(ctx, b.validator, contract.ValidatorClient.Take, &contract.TakeRequest{Worker: worker})
		if err != nil {
			return errors.Join(err, callers.Wait())
		}
		if m.None {
			return errors.Join(errors.New("the In Queue holds less than was put"), callers.Wait())
		}
		callers.Go(func() error {
			_, err := contract.Call(ctx, b.validator, contract.ValidatorClient.Settle, &contract.SettleRequest{
				Id: m.Id, Verdict: contract.VerdictDeliver, Prefix: []byte("X-Postroom-Verdict: deliver\r\n"),
			})
			return err
		})
	}
	return callers.Wait()
}

// many measures puts with all rows there.
func (b *rowBench) many(ctx context.Context, t table) error {
	rate, err := b.putRate(ctx)
	t.row("puts, many rows", fmt.Sprintf("%.0f/s", rate), fmt.Sprintf("%d rows", b.mails*rowsPerMail))
	return err
}

// mailbox measures a large mailbox: to open it, and to delete all of it in one poll.
func (b *rowBench) mailbox(ctx context.Context, t table) error {
	account := b.accounts[1]
	var opened series
	var ids []uint64
	for range 5 {
		ids = nil
		began := time.Now()
		for more, after := true, uint64(0); more; {
			page, err := contract.Call(ctx, b.pop3, contract.Pop3Client.OpenMailbox, &contract.OpenMailboxRequest{Account: account, After: after})
			if err != nil {
				return err
			}
			for _, m := range page.Messages {
				after = m.Id
				ids = append(ids, m.Id)
			}
			more = page.More
		}
		opened = append(opened, float64(time.Since(began).Microseconds())/1000)
	}
	if len(ids) != b.each {
		return fmt.Errorf("the mailbox holds %d mails, not %d", len(ids), b.each)
	}
	t.row("open a mailbox", fmt.Sprintf("%.0f ms", opened.median()), fmt.Sprintf("%d mails", b.each))
	began := time.Now()
	_, err := contract.Call(ctx, b.pop3, contract.Pop3Client.EndPoll, &contract.EndPollRequest{Account: account, Leave: ids})
	t.row("delete all of it", fmt.Sprintf("%.0f ms", milliseconds(time.Since(began))), "one poll")
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// starts measures starts: after a clean stop, after a crash of the process, and after a cut, when the index is made
// again from the newest checkpoint and the notes behind it.
func (b *rowBench) starts(ctx context.Context, t table) error {
	took, err := b.end(unix.SIGTERM)
	if err != nil {
		return err
	}
	t.row("clean stop", fmt.Sprintf("%.0f ms", milliseconds(took)), "with a checkpoint")
	clean, err := b.start(ctx)
	if err != nil {
		return err
	}
	t.row("start after a clean stop", fmt.Sprintf("%.0f ms", milliseconds(clean)), "to the first answer")
	if _, err := b.end(unix.SIGKILL); err != nil {
		return err
	}
	crash, err := b.start(ctx)
	if err != nil {
		return err
	}
	t.row("start after a crash", fmt.Sprintf("%.0f ms", milliseconds(crash)), "in the same boot")
	bare, err := b.afterCut(ctx)
	if err != nil {
		return err
	}
	t.row("start after a cut", fmt.Sprintf("%.0f ms", milliseconds(bare)), b.index())
	behind := b.each * 10
	if err := b.putMany(ctx, b.accounts[0], behind); err != nil {
		return err
	}
	restored, err := b.afterCut(ctx)
	if err != nil {
		return err
	}
	t.row("start after a cut", fmt.Sprintf("%.0f ms", milliseconds(restored)), fmt.Sprintf("%d rows in notes behind the checkpoint", behind*rowsPerMail))
	t.row("rows restored from notes", fmt.Sprintf("%.0f/s", float64(behind*rowsPerMail)/(restored-bare).Seconds()), "the checkpoint's copy not counted")
	t.row("rows restored in all", fmt.Sprintf("%.0f/s", float64(b.mails*rowsPerMail)/restored.Seconds()), fmt.Sprintf("%d rows", b.mails*rowsPerMail))
	return nil
}

// afterCut is the median of three starts, each behind a cut of its own. None makes a checkpoint: each has the same to restore.
func (b *rowBench) afterCut(ctx context.Context) (time.Duration, error) {
	var starts series
	for range 3 {
		if err := b.cut(); err != nil {
			return 0, err
		}
		took, err := b.start(ctx)
		if err != nil {
			return 0, err
		}
		starts = append(starts, float64(took))
	}
	return time.Duration(starts.median()), nil
}

// index says how large the index is.
func (b *rowBench) index() string {
	st, err := os.Stat(filepath.Join(b.data(), "index.db"))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("nothing in notes behind the checkpoint; index of %s", mebibytes(st.Size()))
}
