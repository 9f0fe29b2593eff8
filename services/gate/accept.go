// Package gate is who a mail server lets in: connections as long as there are places, logins as long as not too many
// failed.
package gate

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Pauses after an error of accept, such as a lack of file descriptors.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// Accept gives each connection to admit, until stopping ends.
func Accept(stopping context.Context, l net.Listener, log *slog.Logger, admit func(net.Conn)) {
	defer context.AfterFunc(stopping, func() { l.Close() })()
	pause := firstPause
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = firstPause
			admit(nc)
			continue
		case stopping.Err() != nil:
			return
		}
		log.Warn("accept", "err", err)
		select {
		case <-stopping.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		}
	}
}
