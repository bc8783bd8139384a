package agentcmd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/config"
)

// nodeAddress returns the address by which others call the machine's services.
func nodeAddress(c *config.Config) (string, error) {
	bound, err := boundAddress(c)
	if err != nil {
		return "", err
	}
	if c.AdvertiseAddr != "" {
		advertised, err := expand(c.AdvertiseAddr)
		if err != nil {
			return "", err
		}
		ip, err := netip.ParseAddr(advertised)
		if err != nil {
			return "", fmt.Errorf("advertise_addr %q is not an IP address", c.AdvertiseAddr)
		}
		if ip.IsUnspecified() {
			return "", errors.New("Advertise address cannot be 0.0.0.0, :: or [::]") //nolint:staticcheck // Consul's text
		}
		return ip.String(), nil
	}
	if bound.IsUnspecified() {
		return privateAddress(bound.Is6())
	}
	return bound.String(), nil
}

// boundAddress returns the address of this machine, or the unspecified one, that the agent is bound to.
func boundAddress(c *config.Config) (netip.Addr, error) {
	bound, err := expand(c.BindAddr)
	if err != nil {
		return netip.Addr{}, err
	}
	ip, err := netip.ParseAddr(strings.Trim(bound, "[]"))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("bind_addr %q is not an IP address", c.BindAddr)
	}
	if isOfMachine(ip) {
		return ip, nil
	}
	held, err := net.Listen("tcp", netip.AddrPortFrom(ip, 0).String()) //nolint:noctx // an IP address is not looked up: nothing waits
	if err != nil {                                                    // else the system routes it here without an interface that has it
		return netip.Addr{}, fmt.Errorf("bind_addr %s is no address of this machine: pass one that it has, or none for 127.0.0.1", ip)
	}
	return ip, held.Close()
}

// isOfMachine reports whether an interface has the address, or each machine has it.
func isOfMachine(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == ip.WithZone("")
	})
}

// privateAddress returns the machine's only private address, as Consul looks for one to advertise.
func privateAddress(six bool) (string, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("find this machine's address (pass -advertise): %w", err)
	}
	var found []string
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsPrivate() && prefix.Addr().Is6() == six {
			found = append(found, prefix.Addr().String())
		}
	}
	switch len(found) {
	case 0:
		return "", errors.New("No private IPv4 address found; pass -advertise or -bind") //nolint:staticcheck // Consul's text
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("Multiple private IPv4 addresses found. Please configure one with 'bind' and/or 'advertise': %s", strings.Join(found, ", ")) //nolint:staticcheck // Consul's text
}

// listenOn returns the addresses of a protocol: its own where it has some, else those of all clients.
func listenOn(protocol, own, all string, port int) ([]string, error) {
	if port == config.Off {
		return nil, nil
	}
	key, written := "addresses."+protocol, own
	if own == "" {
		key, written = "client_addr", all
	}
	expanded, err := expand(written)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for address := range strings.FieldsSeq(expanded) {
		if strings.HasPrefix(address, "unix://") {
			addresses = append(addresses, address)
			continue
		}
		ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
		if err != nil {
			return nil, fmt.Errorf("%s: invalid ip address: %s", key, address)
		}
		addresses = append(addresses, net.JoinHostPort(ip.String(), strconv.Itoa(port)))
	}
	return addresses, nil
}

var (
	template  = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	privateIP = regexp.MustCompile(`^\{\{\s*GetPrivateIP\s*\}\}$`)
	ofNetwork = regexp.MustCompile(`^\{\{\s*GetInterfaceIP\s+"([^"]+)"\s*\}\}$`)
)

// expand replaces the two templates of Consul's that most files use, and refuses the others.
func expand(address string) (string, error) {
	var failed error
	expanded := template.ReplaceAllStringFunc(address, func(t string) string {
		value, err := expandOne(t)
		failed = errors.Join(failed, err)
		return value
	})
	return expanded, failed
}

func expandOne(t string) (string, error) {
	if privateIP.MatchString(t) {
		return privateAddress(false)
	}
	named := ofNetwork.FindStringSubmatch(t)
	if named == nil {
		return "", fmt.Errorf(`address template %s is not supported: write the address, {{ GetPrivateIP }} or {{ GetInterfaceIP "NAME" }}`, t)
	}
	network, err := net.InterfaceByName(named[1])
	if err != nil {
		return "", fmt.Errorf("address template %s: %w", t, err)
	}
	addresses, err := network.Addrs()
	if err != nil {
		return "", fmt.Errorf("address template %s: %w", t, err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			return prefix.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("address template %s: the interface has no IPv4 address", t)
}
