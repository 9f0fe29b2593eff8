// Package network keeps the appliance on its network: addresses, the way out, and whom to ask for names. IPv6 by
// router advertisement is the kernel's own work.
package network

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"postroom/services/settings"
)

// Wanted is what the settings say.
type Wanted struct {
	Name    string // of this machine, for DHCP servers
	Network settings.Network
}

func (w Wanted) equal(other Wanted) bool {
	return w.Name == other.Name && w.Network.Address == other.Network.Address &&
		w.Network.Gateway == other.Network.Gateway && slices.Equal(w.Network.DNS, other.Network.DNS)
}

// A Keeper does the work. Log and Resolv must be set.
type Keeper struct {
	Log    *slog.Logger
	Resolv string // file to name the DNS servers in, resolv.conf(5)
	// OnChange is called after an address or a DNS server came, changed or went; nil: nobody wants to know.
	OnChange func()

	// Owned by the goroutine of Run.
	ports  map[string]*port
	wanted *Wanted

	mu     sync.Mutex // guards what follows, what the kernel has of it, and the file
	names  Wanted     // what is wanted, for the file
	states map[string]state
	fixed  string // the interface that has the fixed address
}

// A port is a network interface with a task that keeps it.
type port struct {
	name    string
	index   int
	running chan bool // holds the newest word: is there a link?

	cancel context.CancelFunc
	done   chan struct{}
}

// tell leaves the newest word for the task.
func (p *port) tell(running bool) {
	select {
	case <-p.running:
	default:
	}
	p.running <- running
}

// end ends the task; what it configured stays.
func (p *port) end() {
	if p.cancel != nil {
		p.cancel()
		<-p.done
		p.cancel = nil
	}
}

// Run does what comes on wanted, from the first on, until ctx ends. What is configured then stays.
func (k *Keeper) Run(ctx context.Context, wanted <-chan Wanted) error {
	k.ports, k.states = make(map[string]*port), make(map[string]state)
	if err := loopbackUp(); err != nil {
		k.Log.Error("loopback can't be brought up", "err", err)
	}
	links, err := watchLinks(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range k.ports {
			p.end()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-wanted:
			if k.wanted == nil || !k.wanted.equal(w) {
				k.want(ctx, w)
			}
		case l, ok := <-links:
			if !ok {
				if ctx.Err() != nil {
					return nil
				}
				return errors.New("the kernel's news of network interfaces ended")
			}
			k.hear(ctx, l)
		}
	}
}

// want begins anew with what is wanted now.
func (k *Keeper) want(ctx context.Context, w Wanted) {
	for _, p := range k.ports {
		p.end()
	}
	k.wanted = &w
	k.mu.Lock()
	k.names, k.fixed = w, ""
	k.writeNames()
	k.mu.Unlock()
	for _, p := range k.ports {
		k.begin(ctx, p)
	}
}

// hear takes news of an interface.
func (k *Keeper) hear(ctx context.Context, l link) {
	p := k.ports[l.name]
	if l.gone {
		if p != nil {
			p.end()
			delete(k.ports, l.name)
			k.forget(p)
		}
		return
	}
	if p == nil {
		p = &port{name: l.name, index: l.index, running: make(chan bool, 1)}
		k.ports[l.name] = p
		if err := bringUp(l.index); err != nil {
			k.Log.Warn("network interface can't be brought up", "interface", l.name, "err", err)
		}
		k.begin(ctx, p)
	}
	p.tell(l.running)
}

// begin begins the task of a port, once it is known what is wanted.
func (k *Keeper) begin(ctx context.Context, p *port) {
	if k.wanted == nil {
		return
	}
	w := *k.wanted
	ctx, p.cancel = context.WithCancel(ctx)
	p.done = make(chan struct{})
	link, err := linkIsUp(p.index)
	if err == nil && link {
		p.tell(true)
	}
	go func() {
		defer close(p.done)
		if w.Network.DHCP() {
			k.lease(ctx, p, w.Name)
		} else {
			k.fix(ctx, p, w.Network)
		}
	}()
}

// fix gives the fixed address to the first interface that has a link, and takes what others had.
func (k *Keeper) fix(ctx context.Context, p *port, n settings.Network) {
	for running := false; !running; {
		select {
		case <-ctx.Done():
			return
		case running = <-p.running:
		}
	}
	k.mu.Lock()
	mine := k.fixed == "" || k.fixed == p.name
	if mine {
		k.fixed = p.name
	}
	k.mu.Unlock()
	if !mine {
		k.apply(p, state{})
		return
	}
	k.apply(p, state{address: n.Address, gateway: n.Gateway})
}
