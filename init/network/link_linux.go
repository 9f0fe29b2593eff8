package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// link is news of a network interface.
type link struct {
	name    string
	index   int
	running bool // there is a link: a cable, and something at its other end
	gone    bool
}

// watchLinks gives all Ethernet interfaces, and what becomes of them. The channel is closed when ctx ends, or when
// the kernel's news end.
func watchLinks(ctx context.Context) (<-chan link, error) {
	updates := make(chan netlink.LinkUpdate)
	err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{ListExisting: true})
	if err != nil {
		return nil, fmt.Errorf("watch network interfaces: %w", err)
	}
	links := make(chan link)
	go func() {
		defer close(links)
		for u := range updates {
			a := u.Attrs()
			if a.EncapType != "ether" || a.Flags&net.FlagLoopback != 0 {
				continue
			}
			select {
			case links <- link{a.Name, a.Index, isRunning(a), u.Header.Type == unix.RTM_DELLINK}:
			case <-ctx.Done():
			}
		}
	}()
	return links, nil
}

func isRunning(a *netlink.LinkAttrs) bool { return a.RawFlags&unix.IFF_LOWER_UP != 0 }

func linkIsUp(index int) (bool, error) {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return false, err
	}
	return isRunning(l.Attrs()), nil
}

func loopbackUp() error {
	l, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

func bringUp(index int) error {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// configure brings an interface from one state to another. What both have stays untouched.
func configure(index int, old, s state) error {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return err
	}
	var errs []error
	if s.address.IsValid() {
		if err := netlink.AddrReplace(l, &netlink.Addr{IPNet: ipNet(s.address)}); err != nil {
			errs = append(errs, fmt.Errorf("set address %s: %w", s.address, err))
		}
	}
	if old.address.IsValid() && old.address != s.address {
		if err := netlink.AddrDel(l, &netlink.Addr{IPNet: ipNet(old.address)}); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fmt.Errorf("remove address %s: %w", old.address, err))
		}
	}
	switch {
	case s.gateway.IsValid():
		if err := netlink.RouteReplace(defaultRoute(index, s)); err != nil {
			errs = append(errs, fmt.Errorf("set gateway %s: %w", s.gateway, err))
		}
	case old.gateway.IsValid():
		// With its address a route may have gone by itself.
		if err := netlink.RouteDel(defaultRoute(index, old)); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove gateway %s: %w", old.gateway, err))
		}
	}
	return errors.Join(errs...)
}

func defaultRoute(index int, s state) *netlink.Route {
	everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if s.gateway.Is6() {
		everywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	r := &netlink.Route{
		LinkIndex: index, Dst: ipNet(everywhere), Gw: s.gateway.AsSlice(),
		Priority: 100 + index, // of several, the interface that was there first
	}
	if !s.address.Contains(s.gateway) {
		r.Flags = int(netlink.FLAG_ONLINK)
	}
	return r
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
