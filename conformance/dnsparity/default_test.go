package dnsparity

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestDefaults(t *testing.T) {
	p := start(t, options{}, func(c *consul) { c.nodes(); c.services(); c.maintained() })
	for name, queries := range map[string][]query{
		"services": serviceQueries(), "nodes": nodeQueries(), "others": otherQueries(), "reverse": reverseQueries(),
		"messages": messageQueries(), "packets": packetQueries(),
	} {
		t.Run(name, func(t *testing.T) { p.compare(t, queries) })
	}
}

func each(names []string, types ...string) []query {
	var queries []query
	for _, name := range names {
		for _, kind := range types {
			queries = append(queries, query{ask: name + " " + kind})
		}
	}
	return queries
}

func serviceQueries() []query {
	queries := each([]string{
		"web.service.consul.", "WEB.Service.CONSUL.", "web.service.dc1.consul.", "web.service.DC1.consul.",
		"web.service.dc2.consul.", "web.service.dc1.more.consul.", "v1.web.service.consul.", "blue.web.service.consul.",
		"a.b.web.service.consul.", "none.web.service.consul.", "v1.web.service.dc1.consul.", "_web._tcp.service.consul.",
		"_web._v1.service.consul.", "_web._tcp.service.dc1.consul.", "_web._udp.service.consul.", "_web._tcp.consul.",
		"_web._v1.dc1.consul.", "_web.service.consul.", "_._tcp.service.consul.", "_web._.service.consul.",
		"x._web._tcp.service.consul.", "down.service.consul.", "warned.service.consul.", "nothing.service.consul.",
		"dots.service.consul.", "under_score.service.consul.", "under_tag.under_score.service.consul.",
		"spaced.service.consul.", "ext.service.consul.", "mixed.service.consul.", "named.service.consul.",
		"inner.service.consul.", "innernode.service.consul.", "myself.service.consul.", "ping.service.consul.",
		"pong.service.consul.", "tagged.service.consul.", "same.service.consul.", "noport.service.consul.",
		"upper.service.consul.", "up.upper.service.consul.", "_tcp._tcp.service.consul.", "_tcp._udp.service.consul.",
		"udp.tcp.service.consul.", "zero.service.consul.", "rest.service.consul.", "consul.service.consul.",
		"service.consul.", "web.service.service.consul.", `we\098.service.consul.`, `web\.x.service.consul.`,
		"foo.node.service.consul.",
	}, "A", "AAAA", "SRV", "ANY", "TXT", "MX", "CNAME", "PTR", "DS")
	return append(roomy(queries, "web", "inner.", `we\098`),
		query{ask: "onlong.service.consul. A"},
		query{ask: "onlong.service.consul. SRV", silent: true, differs: "the name of the node does not fit into a label: Consul sends nothing, and we leave the instance out"},
		query{ask: "broken.service.consul. A", silent: true, differs: "the address cannot be a name: Consul sends nothing, and we leave the instance out"},
		query{ask: "broken.service.consul. SRV", silent: true, differs: "the address cannot be a name: Consul sends nothing, and we leave the instance out"},
	)
}

// roomy asks for everything with EDNS, and without it too unless a name has one of the parts: an answer without EDNS
// has three of what there is, by chance.
func roomy(queries []query, large ...string) []query {
	const size = 4096
	for n, q := range queries {
		if !slices.ContainsFunc(large, func(part string) bool { return strings.Contains(strings.ToLower(q.ask), part) }) {
			queries = append(queries, q)
		}
		queries[n].edns = size
	}
	return queries
}

func nodeQueries() []query {
	queries := each([]string{
		"n1.node.consul.", "foo.node.consul.", "FOO.Node.Consul.", "foo.node.dc1.consul.", "foo.node.dc2.consul.",
		"foo.node.dc1.x.consul.", "six.node.consul.", "both.node.consul.", "host.with.dots.node.consul.",
		"under_score.node.consul.", "elsewhere.node.consul.", "within.node.consul.", "within2.node.consul.",
		"itself.node.consul.", `with\032space.node.consul.`, "node.consul.", "missing.node.consul.",
		"aabbccdd.node.consul.", "aabbccd.node.consul.", "aabbccdd-0000-4000-8000-000000000001.node.consul.",
		"aa.node.consul.", "a.node.consul.", "meta.node.consul.", "_foo.node.consul.",
	}, "A", "AAAA", "ANY", "TXT", "SRV", "MX", "NS", "SOA")
	queries = roomy(queries, "foo", "aa", "within")
	for _, kind := range []string{"A", "TXT", "ANY"} {
		queries = append(queries, query{
			ask: "longmeta.node.consul. " + kind, silent: true,
			differs: "a text is longer than a string of a TXT record can be: Consul sends nothing, and we cut it into several",
		})
	}
	return append(queries, query{
		ask: "badaddress.node.consul. A", silent: true,
		differs: "the address cannot be a name: Consul sends nothing, and we leave it out",
	})
}

func otherQueries() []query {
	queries := each([]string{
		"consul.", "CONSUL.", "x.consul.", "dc1.consul.", "web.consul.", "web.connect.consul.", "connect.consul.",
		"meshed.connect.consul.", "MESHED.Connect.dc1.consul.", "v1.meshed.connect.consul.", "native.connect.consul.", "front.connect.consul.", "front.service.consul.",
		"web.connect.dc2.consul.", "web.ingress.consul.", "web.ingress.dc2.consul.", "web.virtual.consul.",
		"web.virtual.dc2.consul.", "virtual.consul.", "web.query.consul.", "web.query.dc2.consul.", "query.consul.",
		"a.b.query.dc1.consul.", "web.query.dc1.x.consul.",
		"0a010001.addr.consul.", "0a010001.addr.dc1.consul.", "0A010001.ADDR.dc9.Consul.", "0a01000.addr.consul.",
		"0a0100012.addr.consul.", "zz010001.addr.consul.", "x.0a010001.addr.consul.", "addr.consul.",
		"20010db8000000000000000000000006.addr.consul.", "2001.addr.consul.", "0a010001.addr.dc1.x.y.consul.",
		"example.org.", "org.", "consul.example.org.", "notconsul.", ".",
	}, "A", "AAAA", "SRV", "ANY", "TXT", "NS", "SOA", "AXFR", "IXFR", "DS")
	return queries
}

func reverseQueries() []query {
	six, err := dns.ReverseAddr("2001:db8::6")
	if err != nil {
		panic(err)
	}
	seven, err := dns.ReverseAddr("2001:db8::7")
	if err != nil {
		panic(err)
	}
	return each([]string{
		"1.0.1.10.in-addr.arpa.", "1.0.0.127.in-addr.arpa.", "1.0.2.10.IN-ADDR.arpa.", "2.0.2.10.in-addr.arpa.",
		"9.9.9.10.in-addr.arpa.", "10.in-addr.arpa.", "arpa.", "x.arpa.", "1.0.0.1.10.in-addr.arpa.", "256.0.1.10.in-addr.arpa.",
		six, seven, "6.ip6.arpa.", "4.0.1.10.in-addr.arpa.", "6.0.1.10.in-addr.arpa.", "in-addr.arpa.",
	}, "PTR", "A", "ANY", "SOA", "NS")
}

func messageQueries() []query {
	edit := func(f func(*dns.Msg)) query { return query{ask: "mixed.service.consul. SRV", edit: f} }
	subnet := func(m *dns.Msg) {
		m.SetEdns0(1232, true)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
			Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(192, 0, 2, 0).To4(),
		}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})
	}
	queries := []query{
		edit(func(m *dns.Msg) { m.RecursionDesired = false }),
		edit(func(m *dns.Msg) { m.CheckingDisabled, m.AuthenticatedData, m.Zero = true, true, true }),
		edit(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }),
		edit(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }),
		edit(func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }),
		edit(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }),
		edit(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }),
		edit(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }),
		edit(func(m *dns.Msg) { m.Question = nil }),
		edit(func(m *dns.Msg) {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeA, Class: 1}, A: net.IPv4(1, 2, 3, 4)}}
		}),
		edit(func(m *dns.Msg) { m.SetEdns0(100, false) }),
		edit(func(m *dns.Msg) { m.SetEdns0(4096, true); m.IsEdns0().SetVersion(1) }),
		edit(func(m *dns.Msg) { m.SetEdns0(4096, false); m.SetEdns0(4096, false) }),
		edit(func(m *dns.Msg) { m.SetEdns0(4096, false); m.SetEdns0(4096, false); m.SetEdns0(4096, false) }),
		edit(subnet),
		{ask: "missing.service.consul. A", edit: subnet},
		{ask: "web.query.consul. A", edit: subnet},
		{ask: "1.0.1.10.in-addr.arpa. PTR", edit: subnet},
		{ask: "9.9.9.10.in-addr.arpa. PTR", edit: subnet},
		{ask: "example.org. A", edit: subnet},
		{ask: "consul. SOA", edit: subnet},
		{ask: "consul. AXFR", edit: subnet},
	}
	var both []query
	for _, q := range queries {
		over := q
		over.tcp = true
		both = append(both, q, over)
	}
	for _, kind := range []string{"A", "AAAA", "SRV", "ANY"} {
		both = append(both, query{ask: "web.service.consul. " + kind, edns: 1232}, query{ask: "web.service.consul. " + kind, tcp: true})
	}
	return both
}

func packetQueries() []query {
	m := new(dns.Msg).SetQuestion("web.service.consul.", dns.TypeA)
	m.Id = 7
	good, err := m.Pack()
	if err != nil {
		panic(err)
	}
	with := func(at int, value ...byte) []byte {
		changed := append([]byte{}, good...)
		copy(changed[at:], value)
		return changed
	}
	return []query{
		{ask: "cut name", raw: good[:20]},
		{ask: "cut type", raw: good[:len(good)-3]},
		{ask: "header alone", raw: good[:12]},
		{ask: "short header", raw: good[:11], silent: true},
		{ask: "one byte", raw: good[:1], silent: true},
		{ask: "an answer", raw: with(2, 0x81), silent: true},
		{ask: "loop of pointers", raw: with(12, 0xc0, 0x0c)},
		{ask: "pointer beyond", raw: with(12, 0xff, 0xff)},
		{ask: "reserved label", raw: with(12, 0x80)},
		{ask: "bytes behind", raw: append(with(0), 1, 2, 3)},
		{ask: "counts too high", raw: with(4, 0, 1, 0xff, 0xff)},
		{ask: "many additional", raw: with(10, 0, 3)},
		{ask: "missing additional", raw: with(10, 0, 1)},
		{ask: "name of other bytes", raw: with(13, 0xff, 0x00, '.')},
	}
}
