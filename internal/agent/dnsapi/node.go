package dnsapi

import (
	"encoding/hex"
	"net"
	"strings"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// ofNodes reports whether nodes have records of the type that is asked for.
func (l *lookup) ofNodes() bool {
	switch l.qtype {
	case dns.TypeANY, dns.TypeA, dns.TypeAAAA, dns.TypeTXT:
		return true
	default:
		return false
	}
}

// node answers with the address of a node and its meta.
func (l *lookup) node(name string) outcome {
	node := findNode(l.view, name)
	if node == nil {
		return notFound
	}
	if l.qtype != dns.TypeTXT {
		l.answer = append(l.answer, l.nodeRecords(node, l.qtype, l.name)...)
	}
	switch {
	case l.qtype == dns.TypeTXT || l.qtype == dns.TypeANY:
		l.answer = append(l.answer, metaRecords(l.name, node, l.set.nodeTTL)...)
	case !l.set.OmitNodeMeta:
		l.extra = append(l.extra, metaRecords(l.name, node, l.set.nodeTTL)...)
	}
	return answered
}

// findNode returns the node of that name, or the only one whose ID begins with it, or nil.
func findNode(view catalog.View, name string) *consulwire.Node {
	if node := view.Node(name); node != nil {
		return node
	}
	prefix, ok := idPrefix(name)
	if !ok {
		return nil
	}
	var found *consulwire.Node
	for _, node := range view.Nodes() {
		if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(node.ID), "-", ""), prefix) {
			if found != nil {
				return nil
			}
			found = node
		}
	}
	return found
}

// idPrefix returns the name as the beginning of an ID: whole bytes in hexadecimal, without dashes.
func idPrefix(name string) (string, bool) {
	const wholeBytes = 2
	name = name[:len(name)-len(name)%wholeBytes]
	prefix := strings.ReplaceAll(name, "-", "")
	_, err := hex.DecodeString(prefix)
	return prefix, err == nil && prefix != ""
}

// nodeRecords returns the address of a node, or its other name with what that leads to.
func (l *lookup) nodeRecords(node *consulwire.Node, qtype uint16, name string) []dns.RR {
	address := preferred(qtype, node.Address, taggedNode(node.TaggedAddresses))
	if ip := net.ParseIP(address); ip != nil {
		if record := addressRecord(qtype, name, ip, l.set.nodeTTL); record != nil {
			return []dns.RR{record}
		}
		return nil
	}
	target := dns.Fqdn(node.Address)
	if !representable(target) {
		return nil
	}
	records := []dns.RR{&dns.CNAME{Hdr: header(name, dns.TypeCNAME, l.set.nodeTTL), Target: target}}
	return append(records, l.resolveHost(target)...)
}

// maxNameservers is how many servers an answer names.
const maxNameservers = 3

// nameservers returns servers of the domain, which are the healthy instances of "consul", with their addresses.
func (l *lookup) nameservers() (servers, addresses []dns.RR) {
	for e := range shuffled(l.set.pools.of(l.view, poolKey{service: "consul"})) {
		name := strings.ToLower(e.node.Node + ".node." + l.server.cfg.Datacenter + "." + l.domain)
		if !plainName(e.node.Node) || !representable(name) {
			continue
		}
		servers = append(servers, &dns.NS{Hdr: header(l.domain, dns.TypeNS, l.set.nodeTTL), Ns: name})
		addresses = append(addresses, l.nodeRecords(e.node, dns.TypeANY, name)...)
		if len(servers) == maxNameservers {
			break
		}
	}
	return servers, addresses
}

// plainName reports whether a node's name is one label of letters, digits and dashes.
func plainName(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) < 0
}
