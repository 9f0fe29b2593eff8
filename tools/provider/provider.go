// Package provider runs a real POP3 provider for the demo, the tests and the benchmarks: Dovecot, with a
// configuration, an authority, users and mailboxes of its own below one folder, on loopback addresses.
//
// It needs Debian's package dovecot-pop3d, of which it uses the programs alone: nothing below /etc/dovecot
// is read. It runs as root as well as for an ordinary user.
package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
)

// Config says where a provider is and what it is called. The zero value is a provider on free ports of
// 127.0.0.1, in a temporary folder.
type Config struct {
	Dir     string     // holds everything, made when it isn't there; empty: a temporary folder that Stop removes
	Address netip.Addr // a loopback address; not valid: 127.0.0.1
	Port    uint16     // plain, with STLS; 0: a free one
	PortTLS uint16     // implicit TLS; 0: a free one
	Names   []string   // host names and addresses that the certificate is for, beside Address and localhost
	Tuned   bool       // for benchmarks: as fast as it can be set up
	Program string     // the dovecot program; empty: the one in PATH or /usr/sbin
}

// Provider is a running provider. Its methods may be called from many goroutines.
type Provider struct {
	cfg       Config
	dir       string
	temporary bool // dir goes with Stop
	owner     owner
	authority *authority

	mu      sync.Mutex // guards what follows, and the files of users
	written int64      // users' files so far
	serial  int64      // number of the mail delivered last
	process *process   // nil while it is down
}

// Start starts a provider and returns when it accepts connections. Stop ends it.
func Start(ctx context.Context, cfg Config) (*Provider, error) {
	if !cfg.Address.IsValid() {
		cfg.Address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if !cfg.Address.IsLoopback() {
		return nil, fmt.Errorf("start provider: %s is no loopback address", cfg.Address)
	}
	p := &Provider{cfg: cfg}
	if err := p.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("start provider: %w", err), p.removeFolder())
	}
	if err := p.Up(ctx); err != nil {
		return nil, errors.Join(err, p.removeFolder())
	}
	return p, nil
}

// prepare makes the folder and everything in it but the configuration, which holds the ports.
func (p *Provider) prepare() (err error) {
	if p.owner, err = findOwner(); err != nil {
		return err
	}
	p.dir = p.cfg.Dir
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "postroom-provider-"); err != nil {
			return err
		}
		p.temporary = true
	}
	if p.dir, err = filepath.Abs(p.dir); err != nil {
		return err
	}
	for _, dir := range []string{p.dir, p.path("state"), p.path("mail"), p.path("users")} {
		// Dovecot's processes of other users go through them.
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
			return err
		}
	}
	if p.authority, err = newAuthority(append([]string{p.cfg.Address.String(), "localhost"}, p.cfg.Names...)); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(p.path("ca.pem"), p.authority.ca, 0o644),
		os.WriteFile(p.path("certificate.pem"), p.authority.certificate, 0o644),
		os.WriteFile(p.path("key.pem"), p.authority.key, 0o600),
	)
}

// CA is the certificate of the provider's authority, PEM: what the setting provider.ca takes.
func (p *Provider) CA() string { return string(p.authority.ca) }

// Addr is where it listens in the clear, with STLS.
func (p *Provider) Addr() netip.AddrPort { return netip.AddrPortFrom(p.cfg.Address, p.cfg.Port) }

// AddrTLS is where it listens with implicit TLS.
func (p *Provider) AddrTLS() netip.AddrPort { return netip.AddrPortFrom(p.cfg.Address, p.cfg.PortTLS) }

// Log gives what Dovecot has logged.
func (p *Provider) Log() string {
	text, err := os.ReadFile(p.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Group is the process group that all of the server's processes are in; 0 while it is down.
func (p *Provider) Group() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	return p.process.cmd.Process.Pid
}

// Down ends the server, sessions under way too: its ports refuse connections then. Users and mail stay.
func (p *Provider) Down() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return nil
	}
	err := p.process.stop()
	p.process = nil
	return err
}

// Stop ends the server for good, and removes the folder where it was a temporary one.
func (p *Provider) Stop() error { return errors.Join(p.Down(), p.removeFolder()) }

func (p *Provider) removeFolder() error {
	if !p.temporary {
		return nil
	}
	return os.RemoveAll(p.dir)
}

func (p *Provider) path(name string) string { return filepath.Join(p.dir, name) }
