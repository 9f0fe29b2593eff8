package main

import (
	"context"
	"errors"
	"fmt"

	"postroom/services/contract"
)

// enrol brings an account that mail is put for: a login over the store's pop3 socket, accepted at the fetcher's.
func enrol(ctx context.Context, pop3 *contract.Client[contract.Pop3Client], fetcher *contract.Client[contract.FetcherService], name string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan error, 1)
	look := contract.Watch(ctx, fetcher, contract.Topic_TOPIC_VERIFICATIONS)
	go func() { answered <- accept(ctx, fetcher, look) }()
	login, err := contract.Call(ctx, pop3, contract.Pop3Client.Login, &contract.LoginRequest{
		Name: name, Password: "bench", Address: "127.0.0.1",
	})
	cancel()
	if err := errors.Join(err, <-answered); err != nil {
		return nil, fmt.Errorf("enrol %s: %w", name, err)
	}
	if login.Outcome != contract.LoginResponse_ACCEPTED {
		return nil, fmt.Errorf("enrol %s: %s", name, login.Text)
	}
	return login.Account, nil
}

// accept accepts the first login that waits; nil when ctx ends before.
func accept(ctx context.Context, fetcher *contract.Client[contract.FetcherService], look <-chan struct{}) error {
	for {
		select {
		case <-look:
		case <-ctx.Done():
			return nil
		}
		// Its answer may come when the login's has, which ends ctx.
		v, err := contract.Call(context.WithoutCancel(ctx), fetcher, contract.FetcherService.TakeVerification, &contract.TakeVerificationRequest{})
		if err != nil {
			return err
		}
		if v.None {
			continue
		}
		_, err = contract.Call(context.WithoutCancel(ctx), fetcher, contract.FetcherService.AnswerVerification, &contract.AnswerVerificationRequest{
			Id: v.Id, Verified: contract.Verified_VERIFIED_ACCEPTED,
		})
		return err
	}
}
