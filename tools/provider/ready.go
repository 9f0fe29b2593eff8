package provider

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	readyTimeout = 20 * time.Second
	tries        = 5 // where a free port was taken by another meanwhile
)

var errPortTaken = errors.New("a port is taken")

// Up starts the server of a provider that is down, and returns when it accepts connections on both ports.
func (p *Provider) Up(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil && !p.process.ended() {
		return nil
	}
	wanted, wantedTLS := p.cfg.Port, p.cfg.PortTLS
	for try := 1; ; try++ {
		err := p.up(ctx)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("start provider: %w", err)
		if !errors.Is(err, errPortTaken) || try == tries || wanted != 0 && wantedTLS != 0 {
			return err
		}
		p.cfg.Port, p.cfg.PortTLS = wanted, wantedTLS
	}
}

func (p *Provider) up(ctx context.Context) error {
	for _, port := range []*uint16{&p.cfg.Port, &p.cfg.PortTLS} {
		if *port == 0 {
			free, err := freePort(ctx, p.cfg.Address)
			if err != nil {
				return err
			}
			*port = free
		}
	}
	process, err := p.launch()
	if err != nil {
		return err
	}
	if err := p.waitReady(ctx, process); err != nil {
		return errors.Join(err, process.stop())
	}
	p.process = process
	return nil
}

// freePort gives a port that was free a moment ago.
func freePort(ctx context.Context, address netip.Addr) (uint16, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	return port, l.Close()
}

func (p *Provider) waitReady(ctx context.Context, process *process) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	go func() { // what listens on the ports may be another program, which greets nobody
		select {
		case <-process.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		err := errors.Join(greets(ctx, p.Addr()), accepts(ctx, p.AddrTLS()))
		if err == nil && !process.ended() {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
			continue
		}
		text := p.Log()
		switch {
		case !process.ended():
			return fmt.Errorf("dovecot is not ready: %w: %s", errors.Join(context.Cause(ctx), err), lastLines(text))
		case strings.Contains(text, "Address already in use"):
			return fmt.Errorf("%w: %s", errPortTaken, lastLines(text))
		default:
			return fmt.Errorf("dovecot ended (%v): %s", process.err, lastLines(text))
		}
	}
}

func accepts(ctx context.Context, addr netip.AddrPort) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	return c.Close()
}

// greets returns when the server has sent its greeting: it does so once its processes know each other.
func greets(ctx context.Context, addr netip.AddrPort) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	if !strings.HasPrefix(line, "+OK") {
		return fmt.Errorf("greeting %q", line)
	}
	return nil
}

// lastLines is the end of a log, in one line.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}
