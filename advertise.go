package panda

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/discovery"
)

// advertised is the address under which others reach the service, and why that one.
type advertised struct {
	host   string
	port   int
	reason string
}

// network is what the choice of an address asks of the machine; tests answer in its place.
type network struct {
	// interfaces returns the addresses of the interfaces that are up.
	interfaces func() ([]netip.Addr, error)
	// source returns the local address from which packets to host leave; nothing is sent.
	source func(host string) (netip.Addr, error)
}

func machine() network { return network{interfaces: interfaceAddresses, source: sourceAddress} }

// registryHosts returns the hosts that the registry is asked at, and whether all are on this machine's
// loopback. A registry that does not tell is taken for one that is elsewhere; one without hosts is
// reached without a network.
func registryHosts(r discovery.Registry) (hosts []string, loopback bool) {
	known, ok := r.(interface{ Hosts() []string })
	if !ok {
		return nil, false
	}
	hosts = known.Hosts()
	return hosts, !slices.ContainsFunc(hosts, func(host string) bool { return !isLoopback(host) })
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// defaultAddress is where a service listens when nobody says: others can only need to reach it from
// outside when its registry is outside.
func defaultAddress(registryOnLoopback bool) string {
	if registryOnLoopback {
		return "127.0.0.1:0"
	}
	return ":0"
}

// chooseAdvertised returns the address to register for a service that listens on listen. What was
// configured wins; else the listening address itself if it is one that others can use; else, when the
// service listens on every interface, the address that packets to the registry come from, or that of
// the first interface. It is never loopback or unspecified unless the registry is on loopback too.
func chooseAdvertised(listen netip.AddrPort, configured string, hosts []string, registryOnLoopback bool, n network) (advertised, error) {
	ip, port := listen.Addr().Unmap(), int(listen.Port())
	if configured != "" {
		return configuredAddress(configured, port)
	}
	if ip.IsLoopback() && !registryOnLoopback {
		return advertised{}, fmt.Errorf("advertise address: the service listens on %s, where only this machine reaches it, "+
			"but its registry (%s) is elsewhere; set PANDA_ADDR to an address that others reach, or PANDA_ADVERTISE to the one that leads here",
			listen, strings.Join(hosts, ", "))
	}
	if !ip.IsUnspecified() {
		return advertised{ip.String(), port, "it listens there"}, nil
	}
	if !registryOnLoopback {
		for _, host := range hosts {
			if source, err := n.source(host); err == nil && usableAddress(source) {
				return advertised{source.Unmap().String(), port, "packets to the registry at " + host + " leave from it"}, nil
			}
		}
	}
	return interfaceAddress(port, registryOnLoopback, n)
}

// configuredAddress parses host or host:port, an IPv6 address with or without brackets.
func configuredAddress(value string, port int) (advertised, error) {
	host := value
	if _, err := netip.ParseAddr(strings.Trim(value, "[]")); err == nil {
		host = strings.Trim(value, "[]")
	} else if h, p, err := net.SplitHostPort(value); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return advertised{}, fmt.Errorf("advertise address %q: port %q is not a number from 1 to 65535", value, p)
		}
		host, port = h, int(n)
	}
	ip, err := netip.ParseAddr(host)
	if host == "" || strings.ContainsAny(host, " /:") && err != nil || err == nil && ip.IsUnspecified() {
		return advertised{}, fmt.Errorf("advertise address %q: want the host, or host:port, under which others reach the service", value)
	}
	return advertised{host, port, "it was configured"}, nil
}

// interfaceAddress takes the first private address, then the first public one, then loopback where that
// will do.
func interfaceAddress(port int, loopbackWillDo bool, n network) (advertised, error) {
	addresses, err := n.interfaces()
	if err != nil {
		return advertised{}, fmt.Errorf("advertise address: list this machine's interfaces: %w", err)
	}
	var public netip.Addr
	for _, ip := range addresses {
		switch {
		case !usableAddress(ip):
		case ip.IsPrivate():
			return advertised{ip.String(), port, "it listens on every interface, and this is the first private address"}, nil
		case !public.IsValid():
			public = ip
		}
	}
	if public.IsValid() {
		return advertised{public.String(), port, "it listens on every interface, and this is the first address"}, nil
	}
	if loopbackWillDo {
		return advertised{"127.0.0.1", port, "this machine has no other address, and the registry is on loopback too"}, nil
	}
	return advertised{}, errors.New("advertise address: this machine has none that others can reach; set PANDA_ADVERTISE to the one that leads here")
}

// usableAddress leaves out loopback, unspecified, multicast and link-local addresses; the last need a
// zone that means nothing on another machine.
func usableAddress(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsLoopback()
}

func interfaceAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // the interface went away in between
		}
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				found = append(found, prefix.Addr().Unmap())
			}
		}
	}
	return found, nil
}

// sourceAddress connects a UDP socket, which sends nothing but makes the kernel choose a route.
func sourceAddress(host string) (netip.Addr, error) {
	conn, err := net.Dial("udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, fmt.Errorf("route to %s: no local address", host)
	}
	return local.AddrPort().Addr(), nil
}
