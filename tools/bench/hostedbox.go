package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"postroom/init/manager"
	"postroom/init/supervisor"
	"postroom/services/contract"
)

// hostedBox is a whole box in hosted mode; its services are processes of this program.
type hostedBox struct {
	dir, run string
	cancel   context.CancelFunc
	ended    chan error
	reaper   *supervisor.Reaper

	plain, tls string // where its pop3 listens
	smtp       string // and its smtp, without TLS
}

// startBox starts a box in a folder, with a settings file, and returns when all of it is ready.
func startBox(ctx context.Context, cfg config, dir, settings string) (b *hostedBox, err error) {
	b = &hostedBox{dir: dir, ended: make(chan error, 1)}
	file := filepath.Join(dir, "postroom.toml")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(file, []byte(settings), 0o600)); err != nil {
		return nil, err
	}
	// A Unix socket's path has 107 octets at most: the folder to measure may be too deep.
	if b.run, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	b.reaper = supervisor.NewReaper(false)
	ready := make(chan struct{})
	listening := make(chan []manager.Listening, 1)
	// Not ctx's end: the box ends behind those who ask it.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.cancel = cancel
	go func() {
		b.ended <- manager.Run(running, manager.Config{
			Hosted: true, Run: b.run, Store: filepath.Join(dir, "store"), KeyFile: filepath.Join(dir, "key", "machine.key"),
			ClientKeys: filepath.Join(dir, "key", "client-keys.pem"), Version: "bench",
			Settings: file, Source: "bench", Reaper: b.reaper, Env: cfg.environment(),
			Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			LogLevel: slog.LevelWarn,
			OnListening: func(sockets []manager.Listening) {
				select {
				case listening <- sockets:
				default:
				}
			},
			OnReady: func() { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-b.ended:
		b.ended <- err
		return nil, errors.Join(errors.New("the box ended before it was ready"), b.stop())
	case <-time.After(startTimeout):
		return nil, errors.Join(fmt.Errorf("the box is not ready after %v", startTimeout), b.stop())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), b.stop())
	}
	for _, l := range <-listening {
		switch l.Setting {
		case "pop3.listen":
			b.plain = l.Address
		case "pop3.listen_tls":
			b.tls = l.Address
		case "smtp.listen":
			b.smtp = l.Address
		}
	}
	return b, nil
}

func (b *hostedBox) stop() error {
	b.cancel()
	err := <-b.ended
	b.reaper.Close()
	return errors.Join(err, os.RemoveAll(b.run))
}

// waitMail returns when so many messages wait in each of the accounts' Out Queues.
func (b *hostedBox) waitMail(ctx context.Context, accounts, each int) error {
	return b.waitStatus(ctx, func(status *contract.GetStatusResponse) bool {
		full := 0
		for _, a := range status.Accounts {
			if a.Waiting == uint64(each) {
				full++
			}
		}
		return full == accounts
	})
}

// waitStatus returns when the box's status is as it should be; it is looked at when a queue changes.
func (b *hostedBox) waitStatus(ctx context.Context, good func(*contract.GetStatusResponse) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	// The connection goes with its watch: one that nobody reads any more would hold up the store.
	admin := contract.NewClient(filepath.Join(b.run, "admin.sock"), contract.NewAdminClient)
	defer admin.Close()
	look := contract.Watch(ctx, admin, contract.Topic_TOPIC_QUEUES)
	for {
		select {
		case <-look:
		case <-ctx.Done():
			return fmt.Errorf("wait for mail: %w", context.Cause(ctx))
		}
		status, err := contract.Call(ctx, admin, contract.AdminService.GetStatus, &contract.GetStatusRequest{})
		if err != nil {
			return err
		}
		if good(status) {
			return nil
		}
	}
}
