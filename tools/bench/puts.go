package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"postroom/services/contract"
)

// bodySize is a put's, in octets.
const bodySize = 4 << 10

// slice is how long one side has its turn: what else the machine does, it then does to all of them.
const slice = 100 * time.Millisecond

// benchPuts measures puts of 4 KiB, one mail a call, through the fetcher's socket from this process, beside
// the disk's own append and sync: of the batches that the store made of those puts, and of as many writers behind
// a group commit that makes its own.
func benchPuts(ctx context.Context, cfg config) (err error) {
	dir := filepath.Join(cfg.dir, "puts")
	s, err := startStore(ctx, cfg, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	results := make(map[int]*putResults)
	for round := range cfg.rounds + 1 {
		for _, n := range cfg.put {
			r, err := putRound(ctx, s, dir, n, cfg.turn)
			if err != nil {
				return err
			}
			if results[n] == nil {
				results[n] = &putResults{}
			}
			if round > 0 { // the first one warms up
				results[n].add(r)
			}
		}
	}
	t := newTable(fmt.Sprintf("Store puts, %d octets, one mail a call: medians of %d rounds, ratios round by round", bodySize, cfg.rounds),
		"writers", "puts/s", "mails a batch", "CPU a put: store", "caller",
		"same batches, bare", "ratio", "least-most", "own batches, bare", "ratio", "least-most")
	for _, n := range cfg.put {
		r := results[n]
		same, own := r.rate.over(r.same), r.rate.over(r.own)
		t.row(fmt.Sprint(n), fmt.Sprintf("%.0f", r.rate.median()), fmt.Sprintf("%.1f", r.batch.median()),
			fmt.Sprintf("%.0f µs", r.store.median()), fmt.Sprintf("%.0f µs", r.caller.median()),
			fmt.Sprintf("%.0f", r.same.median()), fmt.Sprintf("%.2f", same.median()), same.spread("%.2f"),
			fmt.Sprintf("%.0f", r.own.median()), fmt.Sprintf("%.2f", own.median()), own.spread("%.2f"))
	}
	return t.end()
}

// putResult is what one round measured.
type putResult struct {
	store, same, own pace
	batches          int
	storeCPU         time.Duration
	callerCPU        time.Duration
}

// putResults are figures of all rounds: mails a second; mails a batch; microseconds of CPU time a put.
type putResults struct{ rate, same, own, batch, store, caller series }

func (r *putResults) add(one putResult) {
	r.rate = append(r.rate, one.store.rate())
	r.same = append(r.same, one.same.rate())
	r.own = append(r.own, one.own.rate())
	puts := float64(one.store.bodies)
	r.batch = append(r.batch, puts/float64(one.batches))
	r.store = append(r.store, float64(one.storeCPU.Microseconds())/puts)
	r.caller = append(r.caller, float64(one.callerCPU.Microseconds())/puts)
}

// putRound gives each side so much time, slice by slice.
func putRound(ctx context.Context, s *storeBox, dir string, writers int, turn time.Duration) (r putResult, err error) {
	bare, err := newBareFile(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, bare.remove()) }()
	for r.store.took < turn {
		batches, err := r.put(ctx, s, writers)
		if err != nil {
			return r, err
		}
		same, err := bare.batches(ctx, batches, slice)
		if err != nil {
			return r, err
		}
		own, err := bare.writers(ctx, writers, slice)
		if err != nil {
			return r, err
		}
		r.same.add(same)
		r.own.add(own)
	}
	return r, nil
}

// put has writers put for one slice, and gives the sizes of the batches that the store made of it.
func (r *putResult) put(ctx context.Context, s *storeBox, writers int) (batches []int, err error) {
	store, caller, err := s.cpu(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	commits, err := puts(ctx, s, writers, began.Add(slice))
	if err != nil {
		return nil, err
	}
	r.store.add(pace{len(commits), time.Since(began)})
	storeNow, callerNow, err := s.cpu(ctx)
	if err != nil {
		return nil, err
	}
	r.storeCPU += storeNow - store
	r.callerCPU += callerNow - caller
	batches = batchesOf(commits)
	r.batches += len(batches)
	return batches, nil
}

// puts has writers put until the end, each one mail after the other, over one connection as the fetcher does. It gives
// each put's commit.
func puts(ctx context.Context, s *storeBox, writers int, end time.Time) (commits []uint64, err error) {
	var mu sync.Mutex // guards commits and err
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			own, failed := s.putUntil(ctx, end)
			mu.Lock()
			defer mu.Unlock()
			commits = append(commits, own...)
			err = errors.Join(err, failed)
		})
	}
	writing.Wait()
	return commits, err
}

func (b *storeBox) putUntil(ctx context.Context, end time.Time) (commits []uint64, err error) {
	digest := make([]byte, 32)
	for first := true; first || time.Now().Before(end); first = false {
		key := newKey()
		answer, err := b.puts.Put(ctx, &contract.PutRequest{
			Account: b.account,
			Mails:   []*contract.PutMail{{Key: key, Uidl: key, Size: bodySize, HeaderDigest: digest, Body: b.mail}},
		})
		if err != nil {
			return commits, err
		}
		commits = append(commits, commitOf(answer.Results[0].Id))
	}
	return commits, nil
}

// commitOf gives the commit that a message's id was made in: the store numbers ids within one by the low 20 bits.
func commitOf(id uint64) uint64 { return id >> 20 }

// batchesOf gives how many puts each commit had, in no order.
func batchesOf(commits []uint64) (batches []int) {
	count := make(map[uint64]int)
	for _, c := range commits {
		count[c]++
	}
	for _, n := range count {
		batches = append(batches, n)
	}
	return batches
}

// newKey makes a put's key as the fetcher does: time first (RFC 9562 §5.7), so that keys grow.
func newKey() []byte {
	key := make([]byte, 16)
	binary.BigEndian.PutUint64(key, uint64(time.Now().UnixNano()))
	rand.Read(key[8:]) // never fails
	return key
}
