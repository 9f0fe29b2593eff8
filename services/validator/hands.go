package validator

import (
	"context"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/process"
)

// leastSpeed is how fast the slowest machine judges a message, octets a second.
const leastSpeed = 1 << 20

// hands knows the messages that are in hand.
type hands struct {
	mu   sync.Mutex
	held map[uint64]*hand // by message id
}

// hand is one message that was taken and is neither settled nor released.
type hand struct {
	*contract.TakeResponse
	began time.Time

	judged bool // guarded by hands.mu; from here on the store is waited for
}

// take gives nil for a message that is in hand already.
func (h *hands) take(m *contract.TakeResponse, now time.Time) *hand {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = make(map[uint64]*hand)
	}
	if h.held[m.Id] != nil {
		return nil
	}
	one := &hand{TakeResponse: m, began: now}
	h.held[m.Id] = one
	return one
}

func (h *hands) judged(one *hand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one.judged = true
}

func (h *hands) leave(one *hand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, one.Id)
}

// stuck gives a message that has been judged for longer than interval and the time that its length needs.
func (h *hands) stuck(interval time.Duration, now time.Time) *hand {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.held {
		allowed := interval + time.Duration(float64(one.Body.GetLength())/leastSpeed*float64(time.Second))
		if !one.judged && now.Sub(one.began) > allowed {
			return one
		}
	}
	return nil
}

// logged gives a message's attributes.
func (one *hand) logged() slog.Attr {
	return slog.Group("", "message", one.Id, "account", hex.EncodeToString(one.Account))
}

// feedWatchdog speaks up until ctx ends, as long as every message that is judged comes to its end. While one
// doesn't, it is silent, and the supervisor kills the process: that counts against the message, and is the
// only way to end a goroutine that is stuck. To wait for a store that is away is not to be stuck.
func (v *validator) feedWatchdog(ctx context.Context) {
	var told *hand
	process.Beat(ctx, v.watchdog, func() {
		one := v.hands.stuck(v.watchdog, time.Now())
		if one == nil {
			v.tell(process.Alive)
		} else if one != told {
			told = one
			v.log.Error("message is stuck, the watchdog is not fed", one.logged(), "octets", one.Body.GetLength())
		}
	})
}
