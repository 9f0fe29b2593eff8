package contract

import (
	"context"
	"time"

	"postroom/services/settings"

	"github.com/containerd/ttrpc"
)

// Watch gives a channel that says "look again": once at the beginning, whenever the topic may have changed,
// and after the store was away. Words that were not yet read are merged. The channel is never closed; what
// feeds it ends with ctx.
func Watch[S any](ctx context.Context, c *Client[S], topic Topic) <-chan struct{} {
	common := c.Common()
	return follow(ctx, c.conn, func(ctx context.Context, client *ttrpc.Client) (stream, error) {
		return common.bind(client).Watch(ctx, &WatchRequest{Topic: topic})
	})
}

// Work is Watch for a validator's life line.
func Work(ctx context.Context, c *Client[ValidatorClient], worker uint64) <-chan struct{} {
	return follow(ctx, c.conn, func(ctx context.Context, client *ttrpc.Client) (stream, error) {
		return c.bind(client).Work(ctx, &WorkRequest{Worker: worker})
	})
}

// Serve is Watch for a POP3 server's life line; open gives what it has open when that begins.
func Serve(ctx context.Context, c *Client[Pop3Client], server uint64, open func() []*OpenMailboxRequest) <-chan struct{} {
	return follow(ctx, c.conn, func(ctx context.Context, client *ttrpc.Client) (stream, error) {
		return c.bind(client).Serve(ctx, &ServeRequest{Server: server, Open: open()})
	})
}

type stream interface{ Recv() (*Look, error) }

// follow keeps a stream open, on a connection of its own: ttrpc has no flow control and doesn't tell the other side
// that a stream's reader has gone, so a stream ends with its connection.
func follow(ctx context.Context, c *conn, open func(context.Context, *ttrpc.Client) (stream, error)) <-chan struct{} {
	look := make(chan struct{}, 1)
	go func() {
		pause := firstPause
		for ctx.Err() == nil {
			if spoke := listen(ctx, c, open, look); spoke {
				pause = firstPause
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
				pause = min(2*pause, lastPause)
			}
		}
	}()
	return look
}

// listen passes the words of one stream on until it breaks, and tells whether there was any.
func listen(ctx context.Context, c *conn, open func(context.Context, *ttrpc.Client) (stream, error), look chan<- struct{}) (spoke bool) {
	client, err := c.dial(ctx)
	if err != nil {
		return false
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	s, err := open(ctx, client)
	if err != nil {
		return false
	}
	for {
		if _, err := s.Recv(); err != nil {
			return spoke
		}
		spoke = true
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

// GetSettings asks for the settings in force.
func GetSettings[S any](ctx context.Context, c *Client[S]) (*settings.Settings, error) {
	answer, err := Call(ctx, c.Common(), CommonClient.GetSettings, &GetSettingsRequest{})
	if err != nil {
		return nil, err
	}
	return settings.Parse("settings in force", []byte(answer.Toml))
}

// FollowSettings calls apply with the settings in force at the beginning and after each change, one call
// at a time, until ctx ends.
func FollowSettings[S any](ctx context.Context, c *Client[S], apply func(*settings.Settings)) {
	look := Watch(ctx, c, Topic_TOPIC_SETTINGS)
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
		}
		answer, err := Call(ctx, c.Common(), CommonClient.GetSettings, &GetSettingsRequest{})
		if err != nil || answer.Toml == last {
			continue // a store that is away is called again; after that the watch speaks again
		}
		s, err := settings.Parse("settings in force", []byte(answer.Toml))
		if err != nil {
			continue // the store took them with this same program's Parse
		}
		last = answer.Toml
		apply(s)
	}
}
