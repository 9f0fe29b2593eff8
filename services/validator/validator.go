// Package validator takes each message from the In Queue, reads it once from end to end, and has the store
// move it to the Out Queue with a verdict.
//
// One goroutine takes (take.go); each message that was taken is in hand (hands.go) of a goroutine that
// judges it (judge.go) and settles it (settle.go).
//
// Nothing here recovers from a panic, and nothing may: what kills this process while it has a message in hand
// is counted by the store against that message, and one that did so twice is delivered unread. A panic that
// is caught, or a message that is kept for good, would hide it and stall the queue.
package validator

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/process"
)

// maxInHand bounds the messages that are judged at once: the work is the processor's.
const maxInHand = 4

// drain is how long the store has to answer once the service stops: what isn't settled or released by then
// stays taken until the life line ends with the process.
const drain = 8 * time.Second

// validator is the service.
type validator struct {
	client   *contract.Client[contract.ValidatorClient]
	bodies   *os.Root // the folder of segments
	watchdog time.Duration
	log      *slog.Logger
	tell     func(word string) // to the supervisor

	worker uint64 // by which the store knows this process
	hands  hands
	places chan struct{} // holds one for each message in hand
}

func newValidator(client *contract.Client[contract.ValidatorClient], bodies *os.Root, watchdog time.Duration, log *slog.Logger) *validator {
	return &validator{
		client:   client,
		bodies:   bodies,
		watchdog: watchdog,
		log:      log,
		tell:     func(string) {},
		worker:   rand.Uint64(),
		places:   make(chan struct{}, min(runtime.NumCPU(), maxInHand)),
	}
}

// serve works until stopping ends, and returns when nothing is in hand any more.
func (v *validator) serve(stopping context.Context) {
	// The life line and the calls outlast stopping: a word to the store that is cut off half-way could leave a
	// message taken, and the end of the life line would count a death in its handling.
	ctx, cut := context.WithCancel(context.WithoutCancel(stopping))
	defer cut()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(drain, cut) })()

	working, idle := context.WithCancel(ctx)
	var beating, judging sync.WaitGroup
	beating.Go(func() { v.feedWatchdog(working) })
	v.take(ctx, stopping, &judging)
	v.tell(process.Stopping)
	judging.Wait()
	idle()
	beating.Wait()
}
