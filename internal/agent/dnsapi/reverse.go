package dnsapi

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// reverse answers with the name of an address: of a node, or else of a service. Others are asked of the recursors.
func (q *query) reverse() {
	view := q.server.cfg.Catalog.View()
	name := q.server.nameOf(view, addressOf(q.question.Name))
	if name == "" {
		q.recurse()
		return
	}
	if !q.settled(view) {
		q.fail()
		return
	}
	m := q.reply()
	m.Answer = []dns.RR{&dns.PTR{Hdr: header(q.question.Name, dns.TypePTR, 0), Ptr: name}}
	if q.question.Qtype == dns.TypeSOA {
		m.Ns = []dns.RR{q.soa()}
	}
	addEDNS(q.request, m)
	q.write(m)
}

// nameOf returns the name of the node with that address, or else of the service, or "".
func (s *Server) nameOf(view catalog.View, address net.IP) string {
	if address == nil {
		return ""
	}
	suffix := "." + s.cfg.Datacenter + "." + s.zone.main
	nodes := view.Nodes()
	for _, node := range nodes {
		if name := node.Node + ".node" + suffix; address.Equal(net.ParseIP(node.Address)) && representable(name) {
			return name
		}
	}
	text := address.String()
	for _, node := range nodes {
		for _, instance := range view.NodeInstances(node.Node) {
			if name := instance.Service + ".service" + suffix; instance.Address == text && representable(name) {
				return name
			}
		}
	}
	return ""
}

// addressOf returns the address that a name of a reverse zone stands for, or nil.
func addressOf(name string) net.IP {
	name = strings.ToLower(dns.Fqdn(name))
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		parts := strings.Split(digits, ".")
		slices.Reverse(parts)
		return net.ParseIP(strings.Join(parts, ".")).To4()
	}
	digits, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if parts := strings.Split(digits, "."); ok && len(parts) == 2*net.IPv6len {
		return fromNibbles(parts)
	}
	return nil
}

// fromNibbles returns the address whose hexadecimal digits are given from the last to the first.
func fromNibbles(digits []string) net.IP {
	ip := make(net.IP, net.IPv6len)
	for i := range ip {
		last := len(digits) - 1 - 2*i
		value, err := strconv.ParseUint(digits[last]+digits[last-1], 16, 8)
		if err != nil || len(digits[last]) != 1 || len(digits[last-1]) != 1 {
			return nil
		}
		ip[i] = byte(value)
	}
	return ip
}
