package store

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
)

// A file of notes of a version that is not known stops the store: the owner is told, the others wait, and nothing of
// it is touched.
func TestNotesOfANewerVersionStopTheStoreWithACondition(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	b.put(account, mailOf(1))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(b.cfg.Dir, "notes", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	name := logs[len(logs)-1]
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	newer := append([]byte(nil), before...)
	newer[4]++
	binary.LittleEndian.PutUint32(newer[24:], crc32.Checksum(newer[:24], crc32.MakeTable(crc32.Castagnoli)))
	write := func(octets []byte) {
		t.Helper()
		if err := os.WriteFile(name, octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(newer)

	dir, err := os.MkdirTemp("", "stopped-") // t.TempDir's names are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listeners := make(map[string][]net.Listener)
	for name := range kinds {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		listeners[name] = []net.Listener{l}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	cfg := b.cfg
	cfg.Boot = "two"
	go func() { ended <- run(ctx, cfg, listeners) }()

	owner := contract.NewClient(filepath.Join(dir, "admin"), contract.NewAdminClient)
	defer owner.Close()
	supervisor := contract.NewClient(filepath.Join(dir, "init"), contract.NewInitClient)
	defer supervisor.Close()
	select {
	case <-contract.Watch(ctx, supervisor, contract.Topic_TOPIC_CONDITIONS): // has its first word
	case err := <-ended:
		t.Fatal(err)
	}
	report := &contract.ReportServicesRequest{Services: []*contract.ServiceStatus{{Name: "store", State: "starting"}}}
	if _, err := contract.Call(ctx, supervisor, contract.InitService.ReportServices, report); err != nil {
		t.Fatal(err)
	}
	const want = "written by a newer version of Postroom"
	for name, call := range map[string]func() (*contract.GetStatusResponse, error){
		"owner": func() (*contract.GetStatusResponse, error) {
			return contract.Call(ctx, owner, contract.AdminService.GetStatus, &contract.GetStatusRequest{})
		},
		"supervisor": func() (*contract.GetStatusResponse, error) {
			return contract.Call(ctx, supervisor, contract.InitService.GetStatus, &contract.GetStatusRequest{})
		},
	} {
		got, err := call()
		if err != nil {
			t.Fatal(err)
		}
		if got.Ready || got.Version != "test" || len(got.Conditions) != 1 || got.Conditions[0].Name != contract.ConditionStore ||
			!strings.Contains(got.Conditions[0].Text, want) || len(got.Services) != 1 {
			t.Errorf("%s: got %v", name, got)
		}
	}
	_, err = contract.Call(ctx, owner, contract.AdminService.ShowAccount, &contract.ShowAccountRequest{Name: heldName})
	if !errors.Is(err, contract.ErrUnavailable) || !strings.Contains(err.Error(), want) {
		t.Errorf("another command: got %v", err)
	}
	// No answer is no refusal: who starts the services waits, as for a store that is away.
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = contract.Call(soon, supervisor, contract.InitService.ApplyFile, &contract.ApplyFileRequest{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a settings file: got %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != string(newer) {
		t.Errorf("the file of notes was changed: %v", err)
	}
	write(before)
	b.cfg.Boot = "three"
	b.open()
	b.validate()
	if got := len(b.mailbox(account)); got != 1 {
		t.Errorf("%d mails, want 1", got)
	}
}
