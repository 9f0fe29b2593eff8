package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"postroom/services/contract"
)

// bodySize is a put's, in octets.
const bodySize = 4 << 10

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
	bare, err := bareDir(dir)
	if err != nil {
		return err
	}
	results := make(map[int]*putResults)
	for round := range cfg.rounds + 1 {
		for _, n := range cfg.put {
			r, err := putRound(ctx, s, bare, n, cfg.turn)
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
		"writers", "puts/s", "mails a batch", "same batches, bare", "ratio", "least-most", "own batches, bare", "ratio", "least-most")
	for _, n := range cfg.put {
		r := results[n]
		same, own := r.rate.over(r.same), r.rate.over(r.own)
		t.row(fmt.Sprint(n), fmt.Sprintf("%.0f", r.rate.median()), fmt.Sprintf("%.1f", r.batch.median()),
			fmt.Sprintf("%.0f", r.same.median()), fmt.Sprintf("%.2f", same.median()), same.spread("%.2f"),
			fmt.Sprintf("%.0f", r.own.median()), fmt.Sprintf("%.2f", own.median()), own.spread("%.2f"))
	}
	return t.end()
}

// putResult is what one round measured: mails a second, but for batch.
type putResult struct {
	rate      float64
	batch     float64 // mails a batch
	same, own float64
}

type putResults struct{ rate, batch, same, own series }

func (r *putResults) add(one putResult) {
	r.rate = append(r.rate, one.rate)
	r.batch = append(r.batch, one.batch)
	r.same = append(r.same, one.same)
	r.own = append(r.own, one.own)
}

func putRound(ctx context.Context, s *storeBox, dir string, writers int, turn time.Duration) (r putResult, err error) {
	commits, took, err := puts(ctx, s, writers, turn)
	if err != nil {
		return r, err
	}
	batches := batchesOf(commits)
	r.rate = float64(len(commits)) / took.Seconds()
	r.batch = float64(len(commits)) / float64(len(batches))
	if r.same, err = bareBatches(ctx, dir, batches, turn); err != nil {
		return r, err
	}
	r.own, err = bareWriters(ctx, dir, writers, turn)
	return r, err
}

// puts has writers put for one turn, and gives each put's commit.
func puts(ctx context.Context, s *storeBox, writers int, turn time.Duration) (commits []uint64, took time.Duration, err error) {
	var mu sync.Mutex // guards commits and err
	var writing sync.WaitGroup
	begin := time.Now()
	end := begin.Add(turn)
	for range writers {
		writing.Go(func() {
			own, failed := putUntil(ctx, s, end)
			mu.Lock()
			defer mu.Unlock()
			commits = append(commits, own...)
			err = errors.Join(err, failed)
		})
	}
	writing.Wait()
	return commits, time.Since(begin), err
}

func putUntil(ctx context.Context, s *storeBox, end time.Time) (commits []uint64, err error) {
	body := sampleMail(bodySize)
	digest := make([]byte, 32)
	for time.Now().Before(end) {
		key := newKey()
		answer, err := contract.Call(ctx, s.fetcher, contract.FetcherService.Put, &contract.PutRequest{
			Account: s.account,
			Mails:   []*contract.PutMail{{Key: key, Uidl: key, Size: bodySize, HeaderDigest: digest, Body: body}},
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

// batchesOf gives how many puts each commit had, in the order of commits.
func batchesOf(commits []uint64) []int {
	count := make(map[uint64]int)
	for _, c := range commits {
		count[c]++
	}
	var batches []int
	for _, c := range slices.Sorted(maps.Keys(count)) {
		batches = append(batches, count[c])
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
