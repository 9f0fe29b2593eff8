package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"postroom/services/contract"
)

// refusing is a store that can't keep a settings file so many times.
type refusing struct {
	contract.InitService // no other call comes
	times                int
	err                  error
	got                  int
}

func (r *refusing) ApplyFile(context.Context, *contract.ApplyFileRequest) (*contract.ApplyFileResponse, error) {
	r.got++
	if r.got <= r.times {
		return nil, r.err
	}
	return &contract.ApplyFileResponse{Applied: true}, nil
}

func TestApplyFileThatTheStoreCannotKeepYet(t *testing.T) {
	t.Parallel()
	unavailable, invalid := fmt.Errorf("%w: input/output error", contract.ErrUnavailable), fmt.Errorf("%w: no", contract.ErrInvalid)
	for _, test := range []struct {
		name  string
		store refusing
		asked int
		want  error
	}{
		{"unavailable twice", refusing{times: 2, err: unavailable}, 3, nil},
		{"refused for good", refusing{times: 2, err: invalid}, 1, contract.ErrInvalid},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "postroom.toml")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, "init.sock"))
		if err != nil {
			t.Fatal(err)
		}
		server, err := contract.NewServer()
		if err != nil {
			t.Fatal(err)
		}
		contract.RegisterInitService(server, &test.store)
		ended := make(chan error)
		go func() { ended <- server.Serve(context.Background(), contract.Listener(l)) }()
		m := &Manager{cfg: Config{Settings: file, Log: slog.New(slog.DiscardHandler)}, store: contract.NewClient(l.Addr().String(), contract.NewInitClient)}
		if err := m.applyFile(t.Context()); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
		if err := errors.Join(m.store.Close(), server.Close()); err != nil {
			t.Error(err)
		}
		<-ended
		if test.store.got != test.asked {
			t.Errorf("%s: asked %d times, want %d", test.name, test.store.got, test.asked)
		}
	}
}
