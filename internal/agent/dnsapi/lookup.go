package dnsapi

import (
	"encoding/hex"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// outcome is what became of a lookup.
type outcome int

const (
	answered outcome = iota // perhaps with nothing
	noData                  // the name exists, without records of that type
	notFound
	failed
)

func (o outcome) rcode() int {
	switch o {
	case notFound:
		return dns.RcodeNameError
	case failed:
		return dns.RcodeServerFailure
	default:
		return dns.RcodeSuccess
	}
}

// maxDepth is how many names one answer may follow that lead to another one of the domain.
const maxDepth = 3

// lookup resolves one name in one view of the catalog.
type lookup struct {
	server *Server
	set    *settings
	view   catalog.View

	name   string // of the question, as it was spelt
	qtype  uint16
	domain string // that answers are spelt with
	depth  int    // how many further names may be followed
	room   int    // how many answers are worth making: more do not fit
	edns   bool

	answer, extra []dns.RR
	hosts         *hosts // shared with the lookups of names that this one follows
}

// resolve finds the records of the name, which is below one of the domains.
func (l *lookup) resolve(name string) outcome {
	short := l.server.zone.trim(name)
	kind, parts, suffixes := split(dns.SplitDomainName(short), l.qtype)
	if len(parts) == 0 {
		return notFound
	}
	last := parts[len(parts)-1]
	if kind == "addr" {
		return l.address(short, parts)
	}
	if len(suffixes) > 1 {
		return notFound
	}
	if kind == "node" && !l.ofNodes() {
		return answered // wherever the node were
	}
	if len(suffixes) == 1 && suffixes[0] != l.server.cfg.Datacenter {
		return notFound
	}
	switch kind {
	case "service":
		service, tag := serviceAndTag(parts)
		return l.service(service, tag, false)
	case "connect":
		return l.service(last, "", true)
	case "node":
		return l.node(strings.Join(parts, "."))
	case "virtual":
		return answered // there are no virtual addresses
	case "ingress":
		if last == "" {
			return failed
		}
		return notFound // there are no gateways in front of services
	default:
		return notFound // nor prepared queries
	}
}

// split cuts the labels at the last that says what kind of name it is. A SRV query may leave out "service".
func split(labels []string, qtype uint16) (kind string, parts, suffixes []string) {
	for i, label := range slices.Backward(labels) {
		switch label {
		case "service", "connect", "virtual", "ingress", "node", "query", "addr":
			return label, labels[:i], labels[i+1:]
		default:
			if qtype == dns.TypeSRV && strings.HasPrefix(label, "_") {
				return "service", labels[:i+1], labels[i+1:]
			}
		}
	}
	return "", nil, nil
}

// serviceAndTag reads "[tag.]name" and "_name._tag" of RFC 2782, where the tag "tcp" stands for none.
func serviceAndTag(parts []string) (service, tag string) {
	n := len(parts) - 1
	if n == 1 && strings.HasPrefix(parts[0], "_") && strings.HasPrefix(parts[1], "_") {
		if tag = parts[1][1:]; tag == "tcp" {
			tag = ""
		}
		return parts[0][1:], tag
	}
	return parts[n], strings.Join(parts[:n], ".")
}

// address answers "HEX.addr": an address that is written in its own name.
func (l *lookup) address(short string, parts []string) outcome {
	if len(parts) != 1 {
		return notFound
	}
	size := len(parts[0]) / 2
	if size != net.IPv4len && size != net.IPv6len {
		return answered
	}
	ip, err := hex.DecodeString(parts[0])
	if err != nil {
		return notFound
	}
	name := short + l.domain
	var record dns.RR = &dns.A{Hdr: header(name, dns.TypeA, l.set.nodeTTL), A: ip}
	if size == net.IPv6len {
		record = &dns.AAAA{Hdr: header(name, dns.TypeAAAA, l.set.nodeTTL), AAAA: ip}
	}
	if l.qtype == dns.TypeANY || l.qtype == record.Header().Rrtype {
		l.answer = append(l.answer, record)
	} else {
		l.extra = append(l.extra, record)
	}
	return answered
}
