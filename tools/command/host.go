package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"postroom/services/console/api"
	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
)

// hostBox is a box in the network, by its console's API.
type hostBox struct {
	*api.Client
	host, key string // where, and the file of the client key
}

// openHost prepares to call the box at host. The user's client key is made when there is none; the
// fingerprint of a box that is met for the first time is told on notes.
func openHost(host string, notes io.Writer) (box, error) {
	where, err := api.WithPort(host)
	if err != nil {
		return nil, usagef("--host: %v", err)
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("find the folder of the client key: %w", err)
	}
	name := filepath.Join(folder, "postroom", "client.key")
	key, err := api.LoadOrMakeKey(name)
	if err != nil {
		return nil, err
	}
	known := &api.KnownHosts{
		Path: filepath.Join(folder, "postroom", "known-hosts"),
		Tell: func(host, fingerprint string) error {
			_, err := fmt.Fprintf(notes, "postroom: %s is met for the first time; its certificate's SHA-256 is %s\n", host, fingerprint)
			return err
		},
	}
	client, err := api.Dial(host, key, known.Pin(host))
	if err != nil {
		return nil, err
	}
	return hostBox{client, where, name}, nil
}

func (b hostBox) Call(ctx context.Context, method string, request, answer proto.Message) error {
	whole, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := b.Client.Call(whole, method, request, answer)
	var mismatch *api.Mismatch
	var transport *url.Error
	switch {
	case errors.As(err, &mismatch):
		return mismatch
	case errors.Is(err, api.ErrNoClientKey):
		return &unreachable{where: "https://" + b.host, err: api.ErrNoClientKey, advice: b.keyAdvice()}
	case errors.Is(err, contract.ErrForbidden):
		return fmt.Errorf("%w; %s", err, b.keyAdvice())
	case errors.As(err, &transport) && ctx.Err() == nil:
		return &unreachable{
			where: "https://" + b.host, err: transport.Err,
			advice: "is it on, and is its name right?",
		}
	}
	return err
}

func (b hostBox) keyAdvice() string {
	return fmt.Sprintf("the output of `openssl pkey -in %s -pubout` belongs into the box's file client-keys.pem", b.key)
}
