package pid1

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"postroom/init/manager"
	"postroom/services/contract"
)

const statusPatience = 10 * time.Second

// showStatus prints the status on the consoles, now and whenever a condition changes.
func (a *appliance) showStatus(ctx context.Context, listening <-chan []manager.Listening) {
	store := contract.NewClient(socketFolder+"/init.sock", contract.NewInitClient)
	defer store.Close()
	owner := contract.NewClient(socketFolder+"/admin.sock", contract.NewAdminClient)
	defer owner.Close()
	var list []manager.Listening // nil: nothing listens yet
	conditions := contract.Watch(ctx, store, contract.Topic_TOPIC_CONDITIONS)
	shown := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-conditions:
		case <-a.addresses:
		case list = <-listening:
			listening = a.listening
		}
		call, cancel := context.WithTimeout(ctx, statusPatience)
		status, err := contract.WholeStatus(func(q *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
			return contract.Call(call, store, contract.InitService.GetStatus, q)
		})
		var fingerprint string
		if err == nil && list != nil {
			fingerprint, err = certificate(call, owner)
		}
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				a.log.Warn("status can't be shown", "err", err)
			}
			continue
		}
		if list == nil && !storeStopped(status) {
			continue // it is printed once, with where it listens
		}
		var text strings.Builder
		printStatus(&text, status)
		printConnect(&text, list, machineAddresses(), fingerprint)
		// What changes all the time isn't worth a screen.
		if now := conditionsOf(status) + connectOf(list); now != shown {
			shown = now
			io.WriteString(a.consoles, text.String())
		}
	}
}

// storeStopped tells whether the store can't be opened: then nothing ever listens, and a person has to know.
func storeStopped(s *contract.GetStatusResponse) bool {
	return slices.ContainsFunc(s.Conditions, func(c *contract.Condition) bool { return c.Name == contract.ConditionStore })
}

// certificate gives the fingerprint of the certificate that clients see.
func certificate(ctx context.Context, owner *contract.Client[contract.AdminService]) (string, error) {
	answer, err := contract.Call(ctx, owner, contract.AdminService.GetFingerprint, &contract.GetFingerprintRequest{})
	if err != nil {
		return "", err
	}
	return answer.Sha256, nil
}

// printStatus writes what a person at the machine wants to know of it.
func printStatus(w io.Writer, s *contract.GetStatusResponse) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	ready := "not ready"
	if s.Ready {
		ready = "ready"
	}
	fmt.Fprintf(t, "\nPostroom %s: %s\n", s.Version, ready)
	for _, one := range s.Services {
		fmt.Fprintf(t, "service\t%s\t%s\t%d restarts\t%.1f MiB\n", one.Name, one.State, one.Restarts, float64(one.Memory)/(1<<20))
	}
	for _, q := range s.Queues {
		fmt.Fprintf(t, "queue\t%s\t%d messages\t%.1f MiB\t\n", q.Queue, q.Messages, float64(q.Octets)/(1<<20))
	}
	fmt.Fprintf(t, "accounts\t%d\t\t\t\n", len(s.Accounts))
	t.Flush()
	for _, c := range s.Conditions {
		fmt.Fprintf(w, "! %s", c.Name)
		if c.Subject != "" {
			fmt.Fprintf(w, " %s", c.Subject)
		}
		fmt.Fprintf(w, ": %s\n", c.Text)
	}
}

// printConnect writes how to reach the machine.
func printConnect(w io.Writer, list []manager.Listening, addresses []netip.Addr, fingerprint string) {
	for _, l := range list {
		what := l.Service
		if l.TLS {
			what += " (TLS)"
		}
		fmt.Fprintf(w, "%s: %s\n", what, strings.Join(reach(l.Address, addresses), ", "))
	}
	if len(addresses) == 0 {
		fmt.Fprintln(w, "This box has no address on a network yet.")
	}
	if fingerprint != "" {
		fmt.Fprintf(w, "SHA-256 of its certificate: %s\n", fingerprint)
	}
}

// reach gives where clients find a socket that listens at an address of the machine, or at all of them.
func reach(listening string, addresses []netip.Addr) []string {
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return []string{listening}
	}
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
		return []string{listening}
	}
	if len(addresses) == 0 {
		return []string{"port " + port}
	}
	var all []string
	for _, a := range addresses {
		all = append(all, net.JoinHostPort(a.String(), port))
	}
	return all
}

// machineAddresses gives those that others may reach the machine by.
func machineAddresses() []netip.Addr {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, one := range found {
		if p, err := netip.ParsePrefix(one.String()); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			all = append(all, p.Addr())
		}
	}
	return all
}

// conditionsOf tells apart what conditions there are, and whether the machine is ready.
func conditionsOf(s *contract.GetStatusResponse) string {
	var all strings.Builder
	fmt.Fprintln(&all, s.Ready)
	for _, c := range s.Conditions {
		fmt.Fprintf(&all, "%q %q %q\n", c.Name, c.Subject, c.Text)
	}
	return all.String()
}

func connectOf(list []manager.Listening) string {
	return fmt.Sprint(list, machineAddresses())
}
