package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Client calls the store through one of its sockets. It dials when it is needed and again after the store
// went away; all methods may be used from many goroutines.
type Client[S any] struct {
	*conn
	bind func(*ttrpc.Client) S
}

// conn is one connection, remade when it broke.
type conn struct {
	path string

	mu     sync.Mutex
	client *ttrpc.Client // nil: dial at the next call
}

// NewClient gives a client of the service that bind makes (NewPop3Client, …) on the Unix socket at path.
// Nothing is dialled yet. Close ends it.
func NewClient[S any](path string, bind func(*ttrpc.Client) S) *Client[S] {
	return &Client[S]{conn: &conn{path: path}, bind: bind}
}

// Common is the part of the contract that every socket offers, on c's connection.
func (c *Client[S]) Common() *Client[CommonClient] {
	return &Client[CommonClient]{conn: c.conn, bind: NewCommonClient}
}

// Close ends the connection; calls under way fail.
func (c *conn) Close() error {
	c.mu.Lock()
	client := c.client
	c.client = nil
	c.mu.Unlock()
	if client == nil {
		return nil
	}
	return client.Close()
}

func (c *conn) get(ctx context.Context) (*ttrpc.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	var client *ttrpc.Client // guarded by mu until it is c.client: OnClose may come before dial returns
	client, err := c.dial(ctx, ttrpc.WithOnClose(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.client == client {
			c.client = nil
		}
	}))
	if err != nil {
		return nil, err
	}
	c.client = client
	return client, nil
}

// dial makes a connection.
func (c *conn) dial(ctx context.Context, options ...ttrpc.ClientOpts) (*ttrpc.Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", c.path)
	if err != nil {
		return nil, err
	}
	log.L.Logger.SetOutput(io.Discard) // ttrpc's own log, past ours
	return ttrpc.NewClient(newFramed(nc), options...), nil
}

// forget ends a connection that broke, so that the next call dials anew.
func (c *conn) forget(broken *ttrpc.Client) {
	c.mu.Lock()
	if c.client == broken {
		c.client = nil
	}
	c.mu.Unlock()
	broken.Close() // it broke already: what closing says is nothing new
}

// Pauses between tries to reach a store that is away.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// Call makes one call of the contract, such as
//
//	contract.Call(ctx, store, contract.FetcherService.MarkLedger, &contract.MarkLedgerRequest{…})
//
// When the connection breaks before the answer, the call is repeated on a new one until ctx ends: every
// call of the contract may be repeated. The error is ctx's, or the store's answer.
func Call[S, Q, A any](ctx context.Context, c *Client[S], method func(S, context.Context, *Q) (*A, error), request *Q) (*A, error) {
	pause := firstPause
	for {
		client, err := c.get(ctx)
		if err == nil {
			var answer *A
			answer, err = method(c.bind(client), ctx, request)
			if err == nil {
				return answer, nil
			}
			if answered(err) {
				return nil, FromStatus(err)
			}
			if errors.Is(err, proto.Error) {
				return nil, fmt.Errorf("%w: call: %w", ErrInvalid, err) // nothing was sent: a text isn't UTF-8
			}
			if ctx.Err() == nil {
				c.forget(client)
			}
		}
		if ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), err)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// answered tells an answer of the store from a connection that broke.
func answered(err error) bool {
	if errors.Is(err, ttrpc.ErrClosed) {
		return false
	}
	_, ok := status.FromError(err)
	return ok
}
