package dnsapi

import (
	"encoding/hex"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// query is one message while it is answered.
type query struct {
	server   *Server
	set      *settings
	writer   dns.ResponseWriter
	request  *dns.Msg
	question dns.Question
}

// overTCP reports whether the client uses TCP.
func (q *query) overTCP() bool {
	_, tcp := q.writer.RemoteAddr().(*net.TCPAddr)
	return tcp
}

// reply returns an answer without records.
func (q *query) reply() *dns.Msg {
	m := new(dns.Msg).SetReply(q.request)
	m.Compress = !q.set.DisableCompression
	m.Authoritative = true
	m.RecursionAvailable = len(q.set.recursors) > 0
	return m
}

// fail answers SERVFAIL. Consul says then, whether it has recursors or not, that it could recurse.
func (q *query) fail() {
	m := q.reply()
	m.Authoritative, m.RecursionAvailable, m.Rcode = false, true, dns.RcodeServerFailure
	addEDNS(q.request, m)
	q.write(m)
}

// settled waits until what the view shows survives a crash, and reports whether it does.
func (q *query) settled(view catalog.View) bool {
	if q.server.cfg.Settle == nil {
		return true
	}
	if err := q.server.cfg.Settle(q.server.life, view.Index()); err != nil {
		q.server.cfg.Logger.Warn("DNS query not answered: the catalog is not safe on disk", "error", err)
		return false
	}
	return true
}

// write sends the answer, or SERVFAIL when it cannot be put into a message: a client that waited would ask again.
func (q *query) write(m *dns.Msg) {
	packet, err := m.Pack()
	if err != nil {
		q.server.cfg.Logger.Warn("DNS answer not representable", "name", q.question.Name, "error", err)
		packet, err = new(dns.Msg).SetRcode(q.request, dns.RcodeServerFailure).Pack()
	}
	if err == nil {
		_, err = q.writer.Write(packet)
	}
	if err != nil {
		q.server.cfg.Logger.Debug("DNS answer not sent", "client", q.writer.RemoteAddr().String(), "error", err)
	}
}

// domain answers a query for a name below one of the domains.
func (q *query) domain() {
	l := q.newLookup()
	m := q.reply()
	switch q.question.Qtype {
	case dns.TypeSOA:
		m.Answer = []dns.RR{q.soa()}
		m.Ns, m.Extra = l.nameservers()
	case dns.TypeNS:
		m.Answer, m.Extra = l.nameservers()
	case dns.TypeAXFR:
		m.Rcode = dns.RcodeNotImplemented
	default:
		outcome := l.resolve(q.question.Name)
		m.Answer, m.Extra, m.Rcode = l.answer, l.extra, outcome.rcode()
		if outcome == noData || outcome == notFound {
			m.Ns = []dns.RR{q.soa()}
		}
	}
	if !q.settled(l.view) {
		q.fail()
		return
	}
	addEDNS(q.request, m)
	q.trim(m)
	q.write(m)
}

func (q *query) newLookup() *lookup {
	return &lookup{
		server: q.server, set: q.set, view: q.server.cfg.Catalog.View(),
		name: q.question.Name, qtype: q.question.Qtype, domain: q.server.zone.of(q.question.Name),
		depth: maxDepth, room: q.room(), edns: q.request.IsEdns0() != nil, hosts: new(hosts),
	}
}

func (q *query) soa() *dns.SOA {
	domain := q.server.zone.main
	if alt := q.server.zone.alt; alt != "" && strings.HasSuffix(q.question.Name, "."+alt) {
		domain = alt
	}
	soa := q.set.soa
	return &dns.SOA{
		Hdr: header(domain, dns.TypeSOA, soa.MinTTL), Ns: "ns." + domain, Mbox: "hostmaster." + domain,
		Serial:  uint32(time.Now().Unix()), //nolint:gosec // serial numbers wrap around
		Refresh: soa.Refresh, Retry: soa.Retry, Expire: soa.Expire, Minttl: soa.MinTTL,
	}
}

// of returns the domain that a name is below, spelt as in the name.
func (z zone) of(name string) string {
	for _, domain := range []string{z.main, z.alt} {
		if at := len(name) - len(domain); domain != "" && at >= 0 && strings.EqualFold(name[at:], domain) && (at == 0 || name[at-1] == '.') {
			return name[at:]
		}
	}
	return z.main
}

// trim returns a name in lower case without its domain.
func (z zone) trim(name string) string {
	longer, shorter := z.main, z.alt
	if len(shorter) > len(longer) {
		longer, shorter = shorter, longer
	}
	name = strings.ToLower(dns.Fqdn(name))
	if short, ok := strings.CutSuffix(name, longer); ok {
		return short
	}
	return strings.TrimSuffix(name, shorter)
}

// holds reports whether a name is below one of the domains.
func (z zone) holds(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "."+z.main) || z.alt != "" && strings.HasSuffix(name, "."+z.alt)
}

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
		return l.service(serviceAndTag(parts))
	case "node":
		return l.node(strings.Join(parts, "."))
	case "virtual":
		return answered // there are no virtual addresses
	case "connect", "ingress":
		if last == "" {
			return failed
		}
		return notFound // no service mesh: there are no instances of these kinds
	default:
		return notFound // nor prepared queries
	}
}

// split cuts the labels at the last that says what kind of name it is. A SRV query may leave out "service".
func split(labels []string, qtype uint16) (kind string, parts, suffixes []string) {
	for i := len(labels) - 1; i >= 0; i-- {
		switch labels[i] {
		case "service", "connect", "virtual", "ingress", "node", "query", "addr":
			return labels[i], labels[:i], labels[i+1:]
		default:
			if qtype == dns.TypeSRV && strings.HasPrefix(labels[i], "_") {
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
