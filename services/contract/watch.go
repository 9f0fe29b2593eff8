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

type stream interface{ Recv() (*Look, error) }

func follow(ctx context.Context, c *conn, open func(context.Context, *ttrpc.Client) (stream, error)) <-chan struct{} {
	look := make(chan struct{}, 1)
	go func() {
		pause := firstPause
		for ctx.Err() == nil {
			client, err := c.get(ctx)
			if err == nil {
				var s stream
				if s, err = open(ctx, client); err == nil {
					for {
						if _, err = s.Recv(); err != nil {
							break
						}
						pause = firstPause
						select {
						case look <- struct{}{}:
						default:
						}
					}
				}
				if !answered(err) && ctx.Err() == nil {
					c.forget(client)
				}
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
