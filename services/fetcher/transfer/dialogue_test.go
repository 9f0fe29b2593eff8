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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/internal/fakestore"
	"postroom/services/fetcher/internal/script"
	"postroom/services/fetcher/provider"
	"postroom/services/settings"
	"postroom/services/wire"

	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestDialogues plays testdata/dialogues. A file holds mails (*.eml, CRLF put for LF), sometimes how the sessions are
// configured and ledger rows that are there before, one dialogue a session, and what is expected:
//
//	-- config --
//	delete=never             (or 24h)
//	misfits=19
//	clock=bad
//	broken=3
//	-- ledger --
//	STORED a.eml:uidl        (or with another size: STORED a.eml:uidl:99)
//	HELD/SIZE a.eml:uidl:99 versions=a.eml,b.eml first=25h changed=1h accepted=true limit=100
//	-- expect --
//	session 1: stored=1 deleted=0 more=true err=…
//	put: a.eml b.eml
//	ledger: DELE_ACKED a.eml:uidl …
//
// The event "day" lets a day pass, "accept" is the owner's word, "full" and "room" are about the store's disk. In each, no
// mail may be deleted whose bytes the store hadn't answered for when the DELE came.
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
	client := store.Serve(t)
	h := &harness{t: t, store: store, account: account, config: Config{
		Store: client, Puts: contract.NewPutter(client), Account: account, Login: "u", Host: "pop.example.org", Budget: NewBudget(), Limits: Limits{Mail: 4000},
		Log: slog.New(slog.DiscardHandler), ClockGood: true,
	}}
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
		Files: map[string][]byte{},
		Events: map[string]func(){
			"full": fill(true), "room": fill(false),
			"day":    func() { store.Age(account, 25*time.Hour) },
			"accept": func() { store.Accept(account) },
		},
		Dele: h.mayDelete,
	}
	var got strings.Builder
	want := ""
	for _, f := range a.Files {
		switch {
		case strings.HasSuffix(f.Name, ".eml"):
			h.player.Files[f.Name] = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
		case f.Name == "config":
			h.configure(string(f.Data))
		case f.Name == "ledger":
			h.seed(string(f.Data))
		case strings.HasPrefix(f.Name, "session "):
			r, err := h.session(string(f.Data))
			fmt.Fprintf(&got, "%s: stored=%d deleted=%d more=%t", f.Name, r.Stored, r.Deleted, r.More)
			if r.TooLarge > 0 {
				fmt.Fprintf(&got, " large=%d", r.TooLarge)
			}
			if r.Misfits > 0 {
				fmt.Fprintf(&got, " misfits=%d", r.Misfits)
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
	for _, m := range store.Messages(account) {
		switch {
		case m.Notice:
			put = append(put, "notice")
		case m.Incomplete:
			put = append(put, h.name(sha256.Sum256(m.Body))+"/incomplete")
		default:
			put = append(put, h.name(sha256.Sum256(m.Body)))
		}
	}
	slices.Sort(put)
	for _, r := range store.Rows(account) {
		rows = append(rows, h.row(r))
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
	player  *script.Player
	config  Config
}

// row shows a ledger row.
func (h *harness) row(r *contract.LedgerRow) string {
	state := r.State.String()
	if r.Reason != contract.LedgerReason_REASON_UNSPECIFIED && r.Reason != contract.LedgerReason_TWIN {
		state += "/" + r.Reason.String()
	}
	name := h.name([32]byte(r.Sha256))
	if r.Reason == contract.LedgerReason_LARGE {
		name = "notice"
	}
	shown := fmt.Sprintf("%s %s:%s", state, name, r.Uidl)
	if len(r.Versions) > 0 {
		shown += fmt.Sprint(" versions=", len(r.Versions))
	}
	return shown
}

// configure reads the file config.
func (h *harness) configure(text string) {
	for field := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key + "=" + value {
		case "delete=never":
			h.config.Delete = Delete{Never: true}
		case "delete=at-once":
			h.config.Delete = Delete{}
		case "clock=good":
			h.config.ClockGood = true
		case "clock=bad":
			h.config.ClockGood = false
		default:
			switch key {
			case "delete":
				h.config.Delete = Delete{}
				h.config.Delete.After, err = time.ParseDuration(value)
			case "misfits":
				h.config.Misfits, err = strconv.Atoi(value)
			case "broken":
				h.config.Broken, err = strconv.Atoi(value)
			case "mails":
				h.config.Limits.Mails, err = strconv.Atoi(value)
			case "limit":
				h.config.Limits.Mail, err = strconv.ParseUint(value, 10, 64)
			default:
				err = errors.New("not understood")
			}
		}
		if err != nil {
			h.t.Fatalf("config %q: %v", field, err)
		}
	}
}

// mayDelete is the invariant: what RETR gave for this number is stored. (For TOP the dialogue itself stands.)
func (h *harness) mayDelete(number int, given string) error {
	if given == "" {
		return nil
	}
	if !h.store.Has(h.account, h.player.Files[given]) {
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
		fields := strings.Fields(line)
		state, reason, _ := strings.Cut(fields[0], "/")
		part := append(strings.Split(fields[1], ":"), "")
		file, ok := h.player.Files[part[0]]
		sum, digests := sha256.Sum256(file), fakestore.Digests(file)
		r := &contract.LedgerRow{
			State: contract.LedgerState(contract.LedgerState_value[state]), Reason: contract.LedgerReason(contract.LedgerReason_value[reason]),
			Uidl: []byte(part[1]), Size: uint64(len(file)), Sha256: sum[:], HeaderDigest: digests.Header[:], BodyDigest: digests.Body[:],
			First: timestamppb.Now(),
		}
		if part[2] != "" {
			fmt.Sscan(part[2], &r.Size)
		}
		for _, field := range fields[2:] {
			key, value, _ := strings.Cut(field, "=")
			age, _ := time.ParseDuration(value)
			switch key {
			case "versions":
				for name := range strings.SplitSeq(value, ",") {
					sum := sha256.Sum256(h.player.Files[name])
					r.Versions = append(r.Versions, sum[:])
				}
			case "first":
				r.First = timestamppb.New(time.Now().Add(-age))
			case "changed":
				r.Changed = timestamppb.New(time.Now().Add(-age))
			case "accepted":
				r.Accepted = true
			case "limit":
				fmt.Sscan(value, &r.Limit)
			case "old": // of a version that had no digest of what stands behind the header
				r.BodyDigest = nil
			default:
				h.t.Fatalf("ledger %q: %q is not understood", line, key)
			}
		}
		var held []byte
		if r.State == contract.LedgerState_HELD && r.Reason == contract.LedgerReason_SIZE {
			held, r.Octets = file, uint64(len(file))
			if len(r.Versions) == 0 {
				r.Versions = [][]byte{sum[:]}
			}
		} else if r.State == contract.LedgerState_HELD {
			r.Reason = contract.LedgerReason_TWIN
		}
		if !ok || r.State == 0 {
			h.t.Fatalf("ledger %q is not understood", line)
		}
		h.store.AddRow(h.account, r, held)
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
	r, err := Run(h.t.Context(), c, h.config)
	h.config.Misfits = r.Misfits
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
