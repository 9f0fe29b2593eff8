package validator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/process"
)

// Pauses before a call is made again that the store answered with an error.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Minute
)

// take hands out what the store has, in the store's order, until stopping ends.
func (v *validator) take(ctx, stopping context.Context, judging *sync.WaitGroup) {
	look := contract.Work(ctx, v.client, v.worker)
	ready := false
	again := time.NewTimer(0)
	again.Stop()
	pause := firstPause
	for {
		select {
		case <-stopping.Done():
			return
		case <-look:
		case <-again.C:
		}
		// Only behind the first word: what is taken without a life line would never come back.
		if !ready {
			ready = true
			v.tell(process.Ready)
		}
		if err := v.takeAll(ctx, stopping, judging); err != nil {
			v.log.Warn("nothing taken", "err", err)
			again.Reset(jitter(pause))
			pause = min(2*pause, lastPause)
			continue
		}
		pause = firstPause
	}
}

// takeAll takes until the In Queue holds nothing to take, or stopping ends.
func (v *validator) takeAll(ctx, stopping context.Context, judging *sync.WaitGroup) error {
	for {
		select {
		case <-stopping.Done():
			return nil
		case v.places <- struct{}{}:
		}
		m, err := contract.Call(ctx, v.client, contract.ValidatorClient.Take, &contract.TakeRequest{Worker: v.worker})
		if err != nil || m.None {
			<-v.places
			return err
		}
		h := v.hands.take(m, time.Now())
		if h == nil {
			// The life line broke and the store, which couldn't know that we live, gave the message out again.
			<-v.places
			continue
		}
		judging.Go(func() {
			defer func() { <-v.places }()
			v.handle(ctx, stopping, h)
		})
	}
}

// jitter gives between a half and all of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// wait waits for about d; false once ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(jitter(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
