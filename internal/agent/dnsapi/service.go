package dnsapi

import (
	"encoding/hex"
	"net"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/consulwire"
)

// service answers with the instances that have the tag, unless that is empty. With mesh they are those that stand for the
// service in a mesh.
func (l *lookup) service(name, tag string, mesh bool) outcome {
	if name == "" {
		return failed
	}
	var found bool
	entries := l.set.pools.of(l.view, poolKey{name, mesh})
	if l.qtype == dns.TypeSRV {
		found = l.srv(entries, tag, l.set.serviceTTL(name))
	} else {
		found = l.addresses(entries, tag, l.set.serviceTTL(name))
	}
	switch {
	case !found:
		return notFound
	case len(l.answer) == 0:
		return noData
	}
	return answered
}

// addresses adds the different addresses of the instances, and only when there are none the first name
// that one has in place of an address. It reports whether there is any instance.
func (l *lookup) addresses(entries []*entry, tag string, ttl uint32) (found bool) {
	seen := map[string]struct{}{}
	host := ""
	for e := range shuffled(entries) {
		if !e.hasTag(tag) {
			continue
		}
		found = true
		at := l.locate(e)
		if at.ip == nil {
			if host == "" && representable(at.host) {
				host = at.host
			}
			continue
		}
		record := addressRecord(l.qtype, l.name, at.ip, ttl)
		if _, repeated := seen[string(at.ip)]; record == nil || repeated {
			continue
		}
		seen[string(at.ip)] = struct{}{}
		l.answer = append(l.answer, record)
		if len(l.answer) == l.set.ARecordLimit || len(l.answer) >= l.room {
			break
		}
	}
	if len(l.answer) == 0 && host != "" {
		l.answer = append([]dns.RR{&dns.CNAME{Hdr: header(l.name, dns.TypeCNAME, ttl), Target: dns.Fqdn(host)}}, l.follow(host, ttl)...)
	}
	return found
}

// srv adds a record for each different port of the instances, with the addresses of its targets. It
// reports whether there is any instance.
func (l *lookup) srv(entries []*entry, tag string, ttl uint32) (found bool) {
	type endpoint struct {
		node, address string
		port          int
	}
	seen := map[endpoint]struct{}{}
	for e := range shuffled(entries) {
		if !e.hasTag(tag) {
			continue
		}
		found = true
		key := endpoint{e.node.Node, preferred(l.qtype, e.Address, tagged(e.TaggedAddresses)), e.Port}
		if _, repeated := seen[key]; repeated {
			continue
		}
		seen[key] = struct{}{}
		l.addSRV(e, ttl)
		if len(l.answer) >= l.room {
			break
		}
	}
	return found
}

func (l *lookup) addSRV(e *entry, ttl uint32) {
	at := l.locate(e)
	suffix := "." + l.server.cfg.Datacenter + "." + l.domain
	var target string
	switch {
	case at.ip == nil:
		target = at.host
	case at.ofNode:
		target = e.node.Node + ".node" + suffix
	default:
		target = hexAddress(at.ip) + ".addr" + suffix
	}
	if target = dns.Fqdn(target); target == "." || !representable(target) {
		return
	}
	l.answer = append(l.answer, &dns.SRV{
		Hdr: header(l.name, dns.TypeSRV, ttl), Priority: 1, Weight: e.weight,
		Port: uint16(e.Port), Target: target, //nolint:gosec // wraps around, as Consul's
	})
	if at.ip == nil {
		l.extra = append(l.extra, l.follow(at.host, ttl)...)
	} else {
		l.extra = append(l.extra, addressRecord(l.qtype, target, at.ip, ttl))
	}
	if name := e.node.Node + ".node" + suffix; !l.set.OmitNodeMeta && representable(name) {
		l.extra = append(l.extra, metaRecords(name, e.node, ttl)...)
	}
}

func hexAddress(ip net.IP) string {
	if v4 := ip.To4(); v4 != nil {
		return hex.EncodeToString(v4)
	}
	return hex.EncodeToString(ip)
}

// place is where an instance is reached: by an address, which may be its node's, or by a name.
type place struct {
	ip     net.IP // nil: by the name
	host   string
	ofNode bool
}

// locate returns where the instance is reached by those who ask for this type of record: at its own
// address, or else its node's.
func (l *lookup) locate(e *entry) place {
	address := preferred(l.qtype, e.Address, tagged(e.TaggedAddresses))
	nodeAddress := preferred(l.qtype, e.node.Address, taggedNode(e.node.TaggedAddresses))
	if address == "" {
		ip := net.ParseIP(nodeAddress)
		return place{ip: ip, host: nodeAddress, ofNode: nodeAddress == e.node.Address}
	}
	if ip := net.ParseIP(address); ip != nil {
		return place{ip: ip}
	}
	if dns.Fqdn(address) == l.name {
		// The instance is reached by the very name that is asked for: its node has the address.
		if ip := net.ParseIP(nodeAddress); ip != nil {
			return place{ip: ip, ofNode: true}
		}
	}
	return place{host: address}
}

// families are the addresses of an instance or a node for one family each; empty when it has none.
type families struct{ v4, v6 string }

const (
	lanIPv4 = "lan_ipv4"
	lanIPv6 = "lan_ipv6"
)

func tagged(addresses map[string]consulwire.ServiceAddress) families {
	return families{addresses[lanIPv4].Address, addresses[lanIPv6].Address}
}

func taggedNode(addresses map[string]string) families {
	return families{addresses[lanIPv4], addresses[lanIPv6]}
}

// preferred returns the address for those who ask for a type of record.
func preferred(qtype uint16, address string, by families) string {
	switch {
	case qtype != dns.TypeA && by.v6 != "":
		return by.v6
	case qtype != dns.TypeAAAA && by.v4 != "":
		return by.v4
	}
	return address
}
