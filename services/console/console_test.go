package console

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"postroom/services/console/api"
	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	f := &fakeStore{octets: bytes.Repeat([]byte("\x00\xffab"), contract.MaxPut/4)}
	b := start(t, f)
	key := newKey(t)
	b.allow(t, newKey(t), key)
	c := b.dial(t, key)

	status := &contract.GetStatusResponse{}
	if err := c.Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, status); err != nil {
		t.Fatal(err)
	}
	if !status.Ready || status.Version != "1.2.3" || len(status.Accounts) != 1 {
		t.Errorf("GetStatus: got %v", status)
	}
	if err := c.Call(t.Context(), "PauseAccount", &contract.AccountRequest{Name: "a@b@c"}, &contract.AccountResponse{}); err != nil {
		t.Error(err)
	}
	if got, _ := f.asked.Load("PauseAccount"); got != "a@b@c" {
		t.Errorf("PauseAccount: the store got %v", got)
	}
	message := &contract.ReadMessageResponse{}
	if err := c.Call(t.Context(), "ReadMessage", &contract.ReadMessageRequest{Id: 1}, message); err != nil || !bytes.Equal(message.Octets, f.octets) {
		t.Errorf("ReadMessage: got %d octets, %v", len(message.Octets), err)
	}
	applied := &contract.ApplySettingsResponse{}
	if err := c.Call(t.Context(), "ApplySettings", &contract.ApplySettingsRequest{Text: make([]byte, 1<<20)}, applied); err != nil || applied.Problem != "line 7: wrong" {
		t.Errorf("ApplySettings: got %v, %v", applied, err)
	}
	if log := b.log.String(); strings.Count(log, "level=INFO msg=\"call made\"") != 2 {
		t.Errorf("who changed something is logged once: %s", log)
	}
}

// Every method of the contract can be called, by its name.
func TestEveryMethod(t *testing.T) {
	t.Parallel()
	service := reflect.TypeFor[contract.AdminService]()
	for m := range service.Methods() {
		if methods[m.Name].call == nil {
			t.Errorf("%s can't be called", m.Name)
		}
	}
	if len(methods) != service.NumMethod() {
		t.Errorf("%d methods, the contract has %d", len(methods), service.NumMethod())
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	b := start(t, &fakeStore{})
	right, wrong := newKey(t), newKey(t)
	call := func(key crypto.Signer) error {
		return b.dial(t, key).Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, &contract.GetStatusResponse{})
	}
	refused := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, contract.ErrForbidden) || !strings.Contains(err.Error(), wordsKey) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	refused("no file", call(right))
	b.allow(t)
	refused("no keys", call(right))
	b.allow(t, right)
	if err := call(right); err != nil {
		t.Errorf("right key: %v", err)
	}
	refused("wrong key", call(wrong))
	text, err := os.ReadFile(b.keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.keys, append(text, "-----BEGIN PUBLIC KEY-----\nAAAA"...), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("damaged file", call(right))

	standing := b.dial(t, right)
	ask := func() error {
		return standing.Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, &contract.GetStatusResponse{})
	}
	b.allow(t, wrong, right)
	if err := ask(); err != nil {
		t.Error(err)
	}
	b.allow(t, wrong)
	refused("key taken out while its connection stands", ask())
	if log := b.log.String(); !strings.Contains(log, "client key refused") {
		t.Errorf("log: %s", log)
	}
}

func TestNoCertificate(t *testing.T) {
	t.Parallel()
	b := start(t, &fakeStore{})
	for _, test := range []struct {
		name   string
		config *tls.Config
		want   string
	}{
		{"none", &tls.Config{}, "certificate required"},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, "protocol version"},
	} {
		test.config.InsecureSkipVerify = true
		c, err := tls.Dial("tcp", b.addr, test.config)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// The requests that the client never makes.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	b := start(t, &fakeStore{})
	key := newKey(t)
	b.allow(t, key)
	certificate, err := api.SelfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}}}
	t.Cleanup(transport.CloseIdleConnections)
	for _, test := range []struct {
		name, method, path, kind, body string
		status                         int
		want                           string
	}{
		{"good", "POST", "/v1/GetStatus", "application/json", "{}", 200, `{"ready":true,"version":"1.2.3","services":[],"accounts":[{"account":"me@pop3.example.org","user":"","state":"active","provider_text":"","waiting":"0"}],"queues":[],"conditions":[],"cursor":""}`},
		{"good, with charset and without a body", "POST", "/v1/GetStatus", "application/json; charset=utf-8", "", 200, `{"ready":true`},
		{"camel case", "POST", "/v1/RemoveAccount", "application/json", `{"withMail": 1}`, 400, "withMail"},
		{"unknown method", "POST", "/v1/DropAll", "application/json", "{}", 404, `{"error":"not found: there is no method \"DropAll\""}`},
		{"no method", "POST", "/v1/", "application/json", "{}", 404, `no method \"\"`},
		{"method in a folder", "POST", "/v1/x/GetStatus", "application/json", "{}", 404, "no method"},
		{"other path", "POST", "/v2/GetStatus", "application/json", "{}", 404, wordsNothing},
		{"GET", "GET", "/v1/GetStatus", "", "", 404, wordsNothing},
		{"GET of the root", "GET", "/", "", "", 404, wordsNothing},
		{"PUT", "PUT", "/v1/GetStatus", "application/json", "{}", 404, wordsNothing},
		{"form", "POST", "/v1/GetStatus", "application/x-www-form-urlencoded", "{}", 415, wordsType},
		{"plain text", "POST", "/v1/GetStatus", "text/plain", "{}", 415, wordsType},
		{"no type", "POST", "/v1/GetStatus", "", "{}", 415, wordsType},
		{"no JSON", "POST", "/v1/GetStatus", "application/json", "ready?", 400, "invalid: the request is not the JSON of a GetStatusRequest: syntax error (line 1:1)"},
		{"cut JSON", "POST", "/v1/PauseAccount", "application/json", `{"name": "a`, 400, "invalid: "},
		{"list", "POST", "/v1/PauseAccount", "application/json", `[]`, 400, "invalid: "},
		{"unknown field", "POST", "/v1/PauseAccount", "application/json", `{"nmae": "a"}`, 400, `unknown field \"nmae\"`},
		{"field twice", "POST", "/v1/PauseAccount", "application/json", `{"name": "a", "name": "b"}`, 400, "duplicate field"},
		{"wrong type", "POST", "/v1/PauseAccount", "application/json", `{"name": 7}`, 400, "invalid value for string"},
		{"two values", "POST", "/v1/PauseAccount", "application/json", `{} {}`, 400, "invalid: "},
		{"deep", "POST", "/v1/PauseAccount", "application/json", strings.Repeat(`{"name":`, 100_000), 400, "invalid: "},
		{"too long", "POST", "/v1/ApplySettings", "application/json", strings.Repeat(" ", api.MaxRequest+1), 413, wordsTooLong},
		{"as long as it may be", "POST", "/v1/PauseAccount", "application/json", "{}" + strings.Repeat(" ", api.MaxRequest-2), 200, "{}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			q, err := http.NewRequestWithContext(t.Context(), test.method, "https://"+b.addr+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.kind != "" {
				q.Header.Set("Content-Type", test.kind)
			}
			a, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			text, err := io.ReadAll(a.Body)
			if err != nil || a.StatusCode != test.status || !strings.Contains(string(text), test.want) {
				t.Errorf("got %d %q, %v; want %d %q", a.StatusCode, text, err, test.status, test.want)
			}
			if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("header: got %v", a.Header)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	f := &fakeStore{}
	b := start(t, f)
	key := newKey(t)
	b.allow(t, key)
	c := b.dial(t, key)
	kinds := []error{contract.ErrInvalid, contract.ErrNotFound, contract.ErrConflict, contract.ErrForbidden, contract.ErrUnavailable, contract.ErrFull}
	for _, kind := range append(kinds, errors.New("bucket is gone"), contract.ErrDamaged) {
		f.mu.Lock()
		f.problem = fmt.Errorf("account %q: %w", "a@b", kind)
		f.mu.Unlock()
		err := c.Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, &contract.GetStatusResponse{})
		if err == nil || !strings.HasSuffix(err.Error(), `account "a@b": `+kind.Error()) {
			t.Errorf("%v: the text is lost: got %v", kind, err)
		}
		for _, other := range kinds {
			if errors.Is(err, other) != (other == kind) {
				t.Errorf("%v came over as %v", kind, err)
			}
		}
	}
	var none proto.Message = &contract.GetStatusResponse{}
	if err := c.Call(t.Context(), "DropAll", &contract.GetStatusRequest{}, none); !errors.Is(err, contract.ErrNotFound) {
		t.Errorf("unknown method: got %v", err)
	}
	if err := c.Call(t.Context(), "ApplySettings", &contract.ApplySettingsRequest{Text: make([]byte, 2<<20)}, none); !errors.Is(err, contract.ErrInvalid) || !strings.Contains(err.Error(), wordsTooLong) {
		t.Errorf("too long: got %v", err)
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	f := &fakeStore{}
	b := start(t, f)
	key := newKey(t)
	b.allow(t, key)
	met := 0
	known := &api.KnownHosts{Path: b.keys + ".known-hosts", Tell: func(host, fingerprint string) error {
		met++
		if host != b.addr || len(fingerprint) != 64 {
			t.Errorf("told: %q, %q", host, fingerprint)
		}
		return nil
	}}
	call := func() error {
		c, err := api.Dial(b.addr, key, known.Pin(b.addr))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, &contract.GetStatusResponse{})
	}
	for range 2 {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	if met != 1 {
		t.Errorf("told %d times", met)
	}
	// The store gives the new certificate after the change, and the console shows it once it has it.
	<-f.served
	f.rename(t, "other")
	<-f.served
	var mismatch *api.Mismatch
	for err := call(); !errors.As(err, &mismatch); err = call() {
		if err != nil {
			t.Fatalf("another certificate: got %v", err)
		}
	}
	if mismatch.Host != b.addr || mismatch.Got == mismatch.Known || mismatch.Line != 1 || mismatch.File != known.Path {
		t.Errorf("got %v", mismatch)
	}
	if met != 1 {
		t.Errorf("told %d times", met)
	}
}

// SIGTERM waits for the call that is under way.
func TestDrain(t *testing.T) {
	t.Parallel()
	f := &fakeStore{hold: make(chan struct{}), holds: make(chan struct{})}
	b := start(t, f)
	key := newKey(t)
	b.allow(t, key)
	c := b.dial(t, key)
	answered := make(chan error, 1)
	go func() {
		answered <- c.Call(context.Background(), "PauseAccount", &contract.AccountRequest{Name: "a"}, &contract.AccountResponse{})
	}()
	<-f.holds
	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	close(f.hold)
	if err := <-answered; err != nil {
		t.Errorf("call under way: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := c.Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, &contract.GetStatusResponse{}); err == nil {
		t.Error("a call after the end was answered")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","with_mail":true}`))
	f.Add([]byte(`{"withMail":true}`))
	f.Add([]byte(`{"name":1}`))
	f.Add([]byte(" "))
	f.Fuzz(func(t *testing.T, text []byte) {
		var q, again contract.RemoveAccountRequest
		if err := decode(text, &q); err != nil {
			if !errors.Is(err, contract.ErrInvalid) {
				t.Fatalf("%q: got %v", text, err)
			}
			return
		}
		written, err := encode(&q)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := decode(written, &again); err != nil || !proto.Equal(&q, &again) {
			t.Fatalf("%q came back as %q, %v", text, written, err)
		}
	})
}
