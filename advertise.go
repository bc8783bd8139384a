package panda

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
)

// advertised is the address under which others reach the service, and why that one.
type advertised struct {
	host   string
	port   int // 0 when the service does not listen there yet
	reason string
}

// String returns host:port.
func (a advertised) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// network is what the choice of an address asks of the machine; tests answer in its place.
type network struct {
	// interfaces returns the addresses of the interfaces that are up.
	interfaces func() ([]netip.Addr, error)
	// source returns the local address from which packets to host leave; nothing is sent but a question to DNS.
	source func(ctx context.Context, host string) (netip.Addr, error)
}

func machine() network { return network{interfaces: interfaceAddresses, source: sourceAddress} }

// surroundings is where the callers of a service are, as far as its registry tells.
type surroundings struct {
	hosts    []string // those that packets to the registry's side of the network go to
	loopback bool     // no caller is on another machine
	beside   bool     // the registry is asked on loopback, but its agent belongs to a cluster of machines
	unknown  error    // why the agent has not told yet whether it does
}

// survey asks a registry that is on loopback for its agent's own address: the agent may be the sidecar of this container,
// or the client of a cluster of machines, and then callers are elsewhere although the registry is not. A registry that
// does not tell its hosts is taken for one that is elsewhere; one without hosts is reached without a network.
func survey(ctx context.Context, r discovery.Registry) surroundings {
	hosts, loopback := registryHosts(r)
	agent, tells := r.(interface {
		Node(ctx context.Context) (string, error)
	})
	if !loopback || !tells {
		return surroundings{hosts: hosts, loopback: loopback}
	}
	node, err := agent.Node(ctx)
	switch {
	case err != nil:
		return surroundings{hosts: hosts, loopback: true, unknown: err}
	case isLoopback(node):
		return surroundings{hosts: hosts, loopback: true}
	}
	return surroundings{hosts: []string{node}, beside: true}
}

// registryHosts returns the hosts that the registry is asked at, and whether all are on this machine's loopback.
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
// outside when its registry, or its registry's cluster, is outside.
func defaultAddress(noOtherMachine bool) string {
	if noOtherMachine {
		return "127.0.0.1:0"
	}
	return ":0"
}

// undecidedError says that the address cannot be chosen before the registry answers, or its name has an address.
type undecidedError struct{ cause error }

func (e *undecidedError) Error() string { return e.cause.Error() }
func (e *undecidedError) Unwrap() error { return e.cause }

// chooseAdvertised returns the address to register for a service that listens on listen. What was configured wins; else the
// listening address itself if it is one that others can use; else, when the service listens on every interface, or on
// loopback for want of knowing better, the address that packets to the registry come from, or that of the first
// interface. It is never unspecified, and loopback only when no caller is on another machine.
func chooseAdvertised(ctx context.Context, listen netip.AddrPort, byDefault bool, configured string, where surroundings, n network) (advertised, error) {
	ip, port := listen.Addr().Unmap(), int(listen.Port())
	switch {
	case configured != "":
		return configuredAddress(configured, port)
	case ip.IsLinkLocalUnicast() && ip.Is6():
		return advertised{}, fmt.Errorf("advertise address: the service listens on %s, whose zone means nothing on another machine; "+
			"set PANDA_ADDR to an address without one, or to :%d for all", listen, port)
	case !ip.IsUnspecified() && !ip.IsLoopback():
		return advertised{ip.String(), port, "it listens there"}, nil
	case where.unknown != nil:
		return advertised{}, &undecidedError{where.unknown}
	case ip.IsLoopback() && where.loopback:
		return advertised{ip.String(), port, "it listens there"}, nil
	case ip.IsLoopback() && !byDefault:
		return advertised{}, unreachable(listen, where)
	case ip.IsLoopback():
		port, ip = 0, netip.IPv6Unspecified()
	}
	if where.loopback {
		return interfaceAddress(ctx, port, ip.Is4(), true, n)
	}
	return routedAddress(ctx, port, ip.Is4(), where, n)
}

func unreachable(listen netip.AddrPort, where surroundings) error {
	why := fmt.Sprintf("its registry (%s) is elsewhere", strings.Join(where.hosts, ", "))
	if where.beside {
		why = fmt.Sprintf("its registry's agent is %s to others", strings.Join(where.hosts, ", "))
	}
	return fmt.Errorf("advertise address: the service listens on %s, where only this machine reaches it, but %s; "+
		"set PANDA_ADDR to an address that others reach, or PANDA_ADVERTISE to the one that leads here", listen, why)
}

// routedAddress takes the address that packets to the registry leave from. When the registry's name does not lead anywhere yet,
// and there are several addresses to choose from, it has to wait: the service cannot be registered before that anyway.
func routedAddress(ctx context.Context, port int, only4 bool, where surroundings, n network) (advertised, error) {
	what := "the registry at "
	if where.beside {
		what = "the registry's agent at "
	}
	var failed error
	for _, host := range where.hosts {
		source, err := n.source(ctx, host)
		if err != nil {
			failed = err
		} else if usableAddress(source, only4) {
			return advertised{source.Unmap().String(), port, "packets to " + what + host + " leave from it"}, nil
		}
	}
	addresses, err := n.interfaces()
	if err != nil {
		return advertised{}, fmt.Errorf("advertise address: list this machine's interfaces: %w", err)
	}
	addresses = slices.DeleteFunc(addresses, func(ip netip.Addr) bool { return !usableAddress(ip, only4) })
	if failed != nil && len(addresses) > 1 {
		return advertised{}, &undecidedError{fmt.Errorf("choose one of this machine's addresses by the way to the registry: %w", failed)}
	}
	return interfaceAddress(ctx, port, only4, false, n)
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

// Addresses for documentation, which nobody has: the way to them is that to the world.
const (
	anywhere4 = "192.0.2.1"
	anywhere6 = "2001:db8::1"
)

// interfaceAddress takes the address that packets to the world leave from; without one, the first private address, then the
// first public one, then loopback where that will do.
func interfaceAddress(ctx context.Context, port int, only4, loopbackWillDo bool, n network) (advertised, error) {
	for _, host := range []string{anywhere4, anywhere6} {
		if source, err := n.source(ctx, host); err == nil && usableAddress(source, only4) {
			return advertised{source.Unmap().String(), port, "it listens on every interface, and packets to the world leave from this address"}, nil
		}
	}
	addresses, err := n.interfaces()
	if err != nil {
		return advertised{}, fmt.Errorf("advertise address: list this machine's interfaces: %w", err)
	}
	var public netip.Addr
	for _, ip := range addresses {
		switch {
		case !usableAddress(ip, only4):
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
// zone that means nothing on another machine. A service that listens on IPv4 alone has no use for the others.
func usableAddress(ip netip.Addr, only4 bool) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsLoopback() && (ip.Is4() || !only4)
}

func interfaceAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 { // a bridge without a container is up and leads nowhere
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

// routeTimeout bounds what DNS may think about the registry's name.
const routeTimeout = 2 * time.Second

// sourceAddress connects a UDP socket, which sends nothing but makes the kernel choose a route.
func sourceAddress(ctx context.Context, host string) (netip.Addr, error) {
	dialer := net.Dialer{Timeout: routeTimeout}
	conn, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(host, "9"))
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
