package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postroom/services/settings"
)

// state is what an interface has.
type state struct {
	address netip.Prefix // not valid: none
	gateway netip.Addr   // not valid: none
	servers []netip.Addr
	domain  string
}

func (s state) equal(other state) bool {
	return s.address == other.address && s.gateway == other.gateway && s.domain == other.domain &&
		slices.Equal(s.servers, other.servers)
}

// apply gives an interface a state in the place of the one that it had.
func (k *Keeper) apply(p *port, s state) {
	k.mu.Lock()
	old := k.states[p.name]
	if old.equal(s) {
		k.mu.Unlock()
		return
	}
	if err := configure(p.index, old, s); err != nil {
		k.Log.Error("network interface can't be configured", "interface", p.name, "address", s.address, "err", err)
	} else if s.address.IsValid() {
		k.Log.Info("network interface has its address", "interface", p.name, "address", s.address, "gateway", s.gateway)
	} else {
		k.Log.Warn("network interface has no address any more", "interface", p.name, "address", old.address)
	}
	k.states[p.name] = s
	k.writeNames()
	k.mu.Unlock()
	if k.OnChange != nil {
		k.OnChange()
	}
}

// forget drops what an interface had that is gone itself.
func (k *Keeper) forget(p *port) {
	k.mu.Lock()
	delete(k.states, p.name)
	if k.fixed == p.name {
		k.fixed = ""
	}
	k.writeNames()
	k.mu.Unlock()
}

// writeNames writes the file that names the DNS servers. The caller holds mu.
func (k *Keeper) writeNames() {
	if err := replaceFile(k.Resolv, resolvConf(k.names.Network.DNS, k.states)); err != nil {
		k.Log.Error("names of DNS servers can't be written", "err", err)
	}
}

// resolvConf is the file's text (resolv.conf(5)): the servers of the settings, else those of all interfaces. A server
// on another port than 53, or given by its name, can't stand in it: programs ask it by the settings.
func resolvConf(set []settings.Server, states map[string]state) string {
	var text strings.Builder
	var servers, domains []string
	for _, server := range set {
		if _, err := netip.ParseAddr(server.Host); err == nil && server.Port == 53 {
			servers = append(servers, server.Host)
		}
	}
	names := make([]string, 0, len(states))
	for name := range states {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if d := states[name].domain; d != "" && !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
		for _, server := range states[name].servers {
			if len(set) == 0 && !slices.Contains(servers, server.String()) {
				servers = append(servers, server.String())
			}
		}
	}
	if len(domains) > 0 {
		fmt.Fprintf(&text, "search %s\n", strings.Join(domains, " "))
	}
	for _, server := range servers {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	return text.String()
}

// replaceFile lets no reader see half a file. It is in memory: there is nothing to sync.
func replaceFile(name, content string) error {
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".part")
	if err := os.WriteFile(part, []byte(content), 0o644); err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}
