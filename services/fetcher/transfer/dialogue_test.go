package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"postroom/services/contract"
	"postroom/services/fetcher/internal/fakestore"
	"postroom/services/fetcher/internal/script"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"
	"postroom/services/settings"
	"postroom/services/wire"

	"golang.org/x/tools/txtar"
)

// TestDialogues plays testdata/dialogues. A file holds mails (*.eml, CRLF put for LF), sometimes ledger rows that
// are there before, one dialogue a session, and what is expected:
//
//	-- ledger --
//	STORED a.eml:uidl        (or with another size: STORED a.eml:uidl:99)
//	-- expect --
//	session 1: stored=1 deleted=0 more=true err=…
//	put: a.eml b.eml
//	ledger: DELE_ACKED a.eml:uidl …
//
// In each, no mail may be deleted whose bytes the store hadn't answered for when the DELE came.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogues/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runDialogue(t, txtar.Parse(text))
		})
	}
}

func runDialogue(t *testing.T, a *txtar.Archive) {
	store := fakestore.New()
	account := store.AddAccount("u@pop.example.org", "u", "pop.example.org", "p")
	h := &harness{t: t, store: store, account: account, client: store.Serve(t)}
	var full sync.Mutex
	isFull := false
	fill := func(b bool) func() {
		return func() {
			full.Lock()
			defer full.Unlock()
			isFull = b
		}
	}
	store.PutFault = func(*contract.PutRequest) error {
		full.Lock()
		defer full.Unlock()
		if isFull {
			return fmt.Errorf("intake stopped: %w", contract.ErrFull)
		}
		return nil
	}
	h.player = &script.Player{
		Files:  map[string][]byte{},
		Events: map[string]func(){"full": fill(true), "room": fill(false)},
		Dele:   h.mayDelete,
	}
	var got strings.Builder
	want := ""
	for _, f := range a.Files {
		switch {
		case strings.HasSuffix(f.Name, ".eml"):
			h.player.Files[f.Name] = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
		case f.Name == "ledger":
			h.seed(string(f.Data))
		case strings.HasPrefix(f.Name, "session "):
			r, err := h.session(string(f.Data))
			fmt.Fprintf(&got, "%s: stored=%d deleted=%d more=%t", f.Name, r.Stored, r.Deleted, r.More)
			if r.TooLarge > 0 {
				fmt.Fprintf(&got, " large=%d", r.TooLarge)
			}
			switch {
			case errors.Is(err, contract.ErrFull):
				got.WriteString(" err=full")
			case err != nil:
				got.WriteString(" err=broken")
			}
			got.WriteString("\n")
		case f.Name == "expect":
			want = string(f.Data)
		default:
			t.Fatalf("file %q is not understood", f.Name)
		}
	}
	var put, rows []string
	for _, body := range store.Bodies(account) {
		put = append(put, h.name(sha256.Sum256(body)))
	}
	slices.Sort(put)
	for _, r := range store.Rows(account) {
		rows = append(rows, fmt.Sprintf("%v %s:%s", r.State, h.name([32]byte(r.Sha256)), r.Uidl))
	}
	slices.Sort(rows)
	fmt.Fprintf(&got, "put: %s\nledger: %s\n", strings.Join(put, " "), strings.Join(rows, ", "))
	if got.String() != want {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", a.Comment, got.String(), want)
	}
}

type harness struct {
	t       *testing.T
	store   *fakestore.Store
	account []byte
	client  Store
	player  *script.Player
}

// mayDelete is the invariant: what RETR gave for this number is stored. (For TOP the dialogue itself stands.)
func (h *harness) mayDelete(number int, given string) error {
	if given == "" {
		return nil
	}
	if !h.store.Has(h.account, sha256.Sum256(h.player.Files[given])) {
		return fmt.Errorf("DELE %d before %s is stored", number, given)
	}
	return nil
}

// name gives the first file with a hash.
func (h *harness) name(sum [32]byte) string {
	var names []string
	for name, file := range h.player.Files {
		if sha256.Sum256(file) == sum {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "unknown"
	}
	return slices.Min(names)
}

func (h *harness) seed(text string) {
	for line := range strings.Lines(text) {
		var state, rest string
		fmt.Sscan(line, &state, &rest)
		part := append(strings.Split(rest, ":"), "")
		file := h.player.Files[part[0]]
		sum := sha256.Sum256(file)
		head, err := mail.HeaderDigest(bytes.NewReader(file))
		if err != nil || file == nil {
			h.t.Fatalf("ledger %q: %v", line, err)
		}
		size := uint64(len(file))
		if part[2] != "" {
			fmt.Sscan(part[2], &size)
		}
		h.store.AddRow(h.account, &contract.LedgerRow{
			State: contract.LedgerState(contract.LedgerState_value[state]), Uidl: []byte(part[1]), Size: size,
			Sha256: sum[:], HeaderDigest: head[:],
		})
	}
}

// session plays one dialogue against one Run.
func (h *harness) session(dialogue string) (Result, error) {
	h.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	defer listener.Close()
	played := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = h.player.Play(conn, dialogue)
		}
		played <- err
	}()
	c, err := open(h.t.Context(), listener.Addr().String())
	if err != nil {
		h.t.Fatalf("login: %v; provider: %v", err, <-played)
	}
	r, err := Run(h.t.Context(), c, Config{
		Store: h.client, Account: h.account, Budget: NewBudget(), Limits: Limits{Mail: 4000}, Log: slog.New(slog.DiscardHandler),
	})
	if err := <-played; err != nil {
		h.t.Errorf("dialogue: %v", err)
	}
	return r, err
}

// open logs in at a provider at an address of the test's.
func open(ctx context.Context, address string) (*provider.Conn, error) {
	s := settings.Default()
	p := settings.DefaultProvider("pop.example.org")
	p.BuiltIn, p.TLS, p.Address = false, settings.TLSNone, netip.MustParseAddrPort(address)
	s.Providers = []settings.Provider{p}
	var d provider.Dialer
	c, err := d.Open(ctx, s, provider.Target{Host: "pop.example.org"})
	if err != nil {
		return nil, err
	}
	if err := c.Login("u", wire.NewSecret("p")); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
