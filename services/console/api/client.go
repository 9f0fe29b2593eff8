package api

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Port is the one that a box listens on where nothing else is said.
const Port = "443"

// Timeouts of a call's parts; the whole of it is ctx's.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = time.Minute
	// AnswerTimeout is the longest that the box works on a call.
	AnswerTimeout = 2 * time.Minute
)

// ErrNoClientKey is a box's answer to a client without a certificate.
var ErrNoClientKey = errors.New("the box wants a client key")

// Client calls one box. All methods may be used from many goroutines.
type Client struct {
	host string // with port
	http *http.Client
}

// Dial gives a client of the box at host, a name or an address with or without a port, for the holder of key.
// Nothing is dialled yet. pin is called in each handshake with the fingerprint of the box's certificate, and
// refuses one by an error; KnownHosts.Pin and Pin make such functions.
func Dial(host string, key crypto.Signer, pin func(fingerprint string) error) (*Client, error) {
	host, err := WithPort(host)
	if err != nil {
		return nil, err
	}
	certificate, err := SelfSigned(key)
	if err != nil {
		return nil, err
	}
	name, _, _ := net.SplitHostPort(host)
	transport := &http.Transport{
		// Without a proxy: a box stands in the same network.
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			ServerName:   name,
			Certificates: []tls.Certificate{certificate},
			// The fingerprint says more than an authority could: which box it is.
			InsecureSkipVerify: true,
			VerifyConnection: func(state tls.ConnectionState) error {
				return pin(fingerprint(state.PeerCertificates[0].Raw))
			},
		},
		TLSHandshakeTimeout:   handshakeTimeout,
		ResponseHeaderTimeout: AnswerTimeout + 10*time.Second,
		IdleConnTimeout:       idleTimeout,
	}
	return &Client{host: host, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a box sends nobody elsewhere
		},
	}}, nil
}

// Close ends the connections that nothing is sent on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call makes one call of the contract's Admin service. errors.Is holds for the box's answer as if the store
// itself had been called.
func (c *Client) Call(ctx context.Context, method string, request, answer proto.Message) error {
	body, err := protojson.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode %s: %w", method, err)
	}
	status, text, err := c.post(ctx, method, body)
	if err != nil {
		return fmt.Errorf("call %s at %q: %w", method, c.host, explain(err))
	}
	if status != http.StatusOK {
		return c.failure(method, status, text)
	}
	// What a newer box says beyond what this program knows is left out.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the answer of %q to %s: %w", c.host, method, err)
	}
	return nil
}

func (c *Client) post(ctx context.Context, method string, body []byte) (status int, text []byte, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.host+Prefix+method, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	q.Header.Set("Content-Type", ContentType)
	// Every call may be repeated, so net/http may do it where a connection that was kept is closed meanwhile.
	// No value: the field itself is not sent.
	q.Header["Idempotency-Key"] = []string{}
	a, err := c.http.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer a.Body.Close()
	text, err = io.ReadAll(io.LimitReader(a.Body, MaxAnswer+1))
	if err == nil && len(text) > MaxAnswer {
		err = fmt.Errorf("the answer is longer than %d octets", MaxAnswer)
	}
	return a.StatusCode, text, err
}

// failure gives the error that the box answered.
func (c *Client) failure(method string, status int, text []byte) error {
	var f Failure
	if err := json.Unmarshal(text, &f); err != nil || f.Error == "" {
		return fmt.Errorf("call %s at %q: HTTP status %d: is it a box?", method, c.host, status)
	}
	return fromStatus(status, f.Error)
}

// explain puts what only TLS knows into words.
func explain(err error) error {
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" && strings.HasSuffix(alert.Error(), "certificate required") {
		return fmt.Errorf("%w: %w", ErrNoClientKey, err)
	}
	return err
}

// WithPort gives host with the port that it has, or else with Port.
func WithPort(host string) (string, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), Port
		if strings.Contains(name, ":") && net.ParseIP(name) == nil {
			return "", fmt.Errorf("host %q: %w", host, err)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if name == "" || n == 0 || err != nil || strings.ContainsAny(name, "/@?# ") {
		return "", fmt.Errorf(`host %q: write a name or an address, or with a port "name:8443"`, host)
	}
	return net.JoinHostPort(strings.ToLower(name), port), nil
}

// fingerprint is the SHA-256 of a certificate's DER, hexadecimal.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
