package consul

import (
	"net"
	"strings"
)

// Addresses returns where the agents are asked, in the order of Config.Addresses: host:port,
// or unix:// and a path.
func (r *Registry) Addresses() []string {
	addresses := make([]string, 0, len(r.agents))
	for _, a := range r.agents {
		addresses = append(addresses, a.name)
	}
	return addresses
}

// Hosts returns the names and IP addresses of the agents that are reached over a network, an IPv6 address without
// brackets. A service tells from them under which of its own addresses the registry's side can reach it.
func (r *Registry) Hosts() []string {
	hosts := make([]string, 0, len(r.agents))
	for _, a := range r.agents {
		if a.socket == "" {
			hosts = append(hosts, a.hostname())
		}
	}
	return hosts
}

func (e *endpoint) hostname() string {
	if host, _, err := net.SplitHostPort(e.host); err == nil {
		return host
	}
	return strings.Trim(e.host, "[]")
}
