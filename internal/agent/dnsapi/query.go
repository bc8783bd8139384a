package dnsapi

import (
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
