package pid1

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"postroom/init/manager"
	"postroom/init/supervisor"
	"postroom/services/contract"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestMachineKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "postroom", "machine.key")
	changes := 0
	change := func(f func() error) error { changes++; return f() }
	first, err := machineKey(file, change, quiet)
	if err != nil || len(first) != machineKeySize {
		t.Fatalf("first boot: %d octets, %v", len(first), err)
	}
	again, err := machineKey(file, change, quiet)
	if err != nil || !bytes.Equal(again, first) || changes != 1 {
		t.Errorf("second boot: the same key %v, %v, disk changed %d times", bytes.Equal(again, first), err, changes)
	}
	if err := os.WriteFile(file, first[:5], 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := machineKey(file, change, quiet)
	if err != nil || len(third) != machineKeySize || bytes.Equal(third, first) {
		t.Errorf("after damage: %d octets, %v", len(third), err)
	}
	if aside, err := os.ReadFile(file + ".damaged"); err != nil || !bytes.Equal(aside, first[:5]) {
		t.Errorf("damaged key aside: %v, %v", aside, err)
	}
}

func TestMachineKeyOfAFullPartition(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	_, err := machineKey(filepath.Join(t.TempDir(), "machine.key"), func(func() error) error { return full }, quiet)
	if !errors.Is(err, full) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestLoaderString(t *testing.T) {
	t.Parallel()
	utf16 := func(text string) []byte {
		b := []byte{6, 0, 0, 0}
		for _, c := range []byte(text) {
			b = append(b, c, 0)
		}
		return append(b, 0, 0)
	}
	const id = "35CBB502-93DE-8241-9D73-A9573EAEED11"
	for _, c := range []struct {
		name     string
		variable []byte
		want     string
	}{
		{"a GUID", utf16(id), id},
		{"without an end", utf16(id)[:4+72], id},
		{"not ASCII", []byte{6, 0, 0, 0, 0xac, 0x20, 0, 0}, ""},
		{"nothing", nil, ""},
	} {
		if got := loaderString(c.variable); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestConfine(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, uid := range users {
		s := supervisor.Service{Name: name}
		confine(&s, 200*mib)
		if s.UID != uid || s.GID != uid || s.UID == 0 || s.Folders == nil || s.Memory == 0 || s.Memory > 100*mib || s.Tasks == 0 || len(s.Env) != 1 {
			t.Errorf("service %s: %+v", name, s)
		}
		if writes := s.Folders.Write; len(writes) > 0 && name != "store" {
			t.Errorf("service %s may write to %q", name, writes)
		}
	}
	stranger := supervisor.Service{Name: "stranger"}
	confine(&stranger, 200*mib)
	if stranger.UID == 0 || stranger.Folders == nil || len(stranger.Folders.Read) > 0 {
		t.Errorf("unknown service: %+v", stranger)
	}
}

func TestSocketOwner(t *testing.T) {
	t.Parallel()
	for caller, want := range map[string]int{"pop3": 101, "console": 105, "admin": 0, "init": 0} {
		if got := socketOwner(caller); got != want {
			t.Errorf("socket of %s belongs to %d, want %d", caller, got, want)
		}
	}
}

func TestTerminalShowsNoCommands(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	text := "Grüße\t\x1b[2J\x9b\x00\xff done\r\n"
	if n, err := (terminal{&got}).Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if want := "Grüße\t?[2J??? done?\n"; got.String() != want {
		t.Errorf("terminal got %q, want %q", got.String(), want)
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	addresses := []netip.Addr{netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("fd00::5")}
	for _, c := range []struct {
		listening string
		addresses []netip.Addr
		want      []string
	}{
		{"[::]:995", addresses, []string{"192.168.1.5:995", "[fd00::5]:995"}},
		{"[::]:995", nil, []string{"port 995"}},
		{"192.168.1.5:110", addresses, []string{"192.168.1.5:110"}},
	} {
		if got := reach(c.listening, c.addresses); !reflect.DeepEqual(got, c.want) {
			t.Errorf("reach(%q, %v) = %q, want %q", c.listening, c.addresses, got, c.want)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	printStatus(&got, &contract.GetStatusResponse{
		Ready: true, Version: "1.2",
		Services:   []*contract.ServiceStatus{{Name: "store", State: "ready", Memory: 3 << 20}},
		Queues:     []*contract.QueueStatus{{Queue: "out", Messages: 2, Octets: 1 << 20}},
		Conditions: []*contract.Condition{{Name: "disk-full", Text: "fetching stops"}, {Name: "service", Subject: "pop3", Text: "ended"}},
	})
	printConnect(&got, []manager.Listening{{Service: "pop3", TLS: true, Address: "[::]:995"}}, nil, "abc")
	for _, want := range []string{"Postroom 1.2: ready\n", "store", "3.0 MiB", "2 messages", "! disk-full: fetching stops\n",
		"! service pop3: ended\n", "pop3 (TLS): port 995\n", "no address on a network yet", "SHA-256 of its certificate: abc\n"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("status has no %q:\n%s", want, got.String())
		}
	}
}

func TestLatestHoldsTheNewest(t *testing.T) {
	t.Parallel()
	l := newLatest[int]()
	for i := range 5 {
		l.put(i)
	}
	if got := <-l; got != 4 {
		t.Errorf("got %d, want 4", got)
	}
}
