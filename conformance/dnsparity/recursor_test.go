package dnsparity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/dnsapi"
)

// recursor answers on UDP and TCP of one port until the test ends.
func recursor(t *testing.T, handle dns.HandlerFunc) string {
	t.Helper()
	for {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err != nil {
			_ = tcp.Close() // the port is another's for UDP
			continue
		}
		for _, server := range []*dns.Server{{Listener: tcp, Handler: handle}, {PacketConn: udp, Handler: handle, UDPSize: dns.MaxMsgSize}} {
			var running sync.WaitGroup
			started := make(chan struct{})
			server.NotifyStartedFunc = func() { close(started) }
			running.Go(func() {
				if err := server.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
			<-started
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := server.ShutdownContext(ctx); err != nil {
					t.Error(err)
				}
				running.Wait()
			})
		}
		return tcp.Addr().String()
	}
}

func write(w dns.ResponseWriter, m *dns.Msg) { _ = w.WriteMsg(m) } // a client that went away is not the recursor's

// known answers about names of example.org.
func known(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	name := r.Question[0].Name
	address := func(name string, last byte) dns.RR {
		return &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 99}, A: net.IPv4(192, 0, 2, last)}
	}
	switch first, _, _ := strings.Cut(strings.ToLower(name), "."); first {
	case "www":
		m.Answer = []dns.RR{
			&dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 99}, Target: "real.example.org."},
			address("real.example.org.", 1),
		}
	case "many":
		for n := range byte(20) {
			m.Answer = append(m.Answer, address(name, n))
		}
	case "text":
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"a", "b"}}, address(name, 1)}
	case "cut":
		m.Truncated = true
	case "refused":
		m.Rcode = dns.RcodeRefused
	case "empty":
	case "edns":
		m.Answer = []dns.RR{address(name, 2)}
		if opt := r.IsEdns0(); opt != nil {
			m.SetEdns0(opt.UDPSize(), true)
		}
	default:
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "org.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 5}, Ns: "ns.org.", Mbox: "m.org."}}
	}
	write(w, m)
}

func failing(w dns.ResponseWriter, r *dns.Msg) {
	write(w, new(dns.Msg).SetRcode(r, dns.RcodeServerFailure))
}

func TestRecursors(t *testing.T) {
	good, bad := recursor(t, known), recursor(t, failing)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	const timeout = 300 * time.Millisecond
	for name, recursors := range map[string][]string{
		"one": {good}, "second": {bad, good}, "after silence": {silent.LocalAddr().String(), good}, "none": {bad},
	} {
		t.Run(name, func(t *testing.T) {
			quoted := strings.ReplaceAll(fmt.Sprintf("%q", recursors), " ", ", ")
			p := start(t, options{
				ours:   dnsapi.Config{Options: dnsapi.Options{Recursors: recursors, RecursorTimeout: timeout, ServiceTTL: map[string]time.Duration{"*": 7 * time.Second}}},
				theirs: []string{"recursors = " + quoted, fmt.Sprintf(`dns_config { recursor_timeout = "%v" service_ttl = { "*" = "7s" } }`, timeout)},
			}, func(c *consul) {
				c.nodes()
				c.services()
				c.instance("foo", "many#1", object{"Port": 443, "Address": "many.example.org"})
				c.instance("foo", "gone#1", object{"Port": 443, "Address": "gone.example.org"})
				c.instance("foo", "text#1", object{"Port": 443, "Address": "text.example.org"})
				c.instance("foo", "cut#1", object{"Port": 443, "Address": "cut.example.org"})
				c.instance("foo", "refused#1", object{"Port": 443, "Address": "refused.example.org"})
			})
			if name == "after silence" {
				p.compare(t, each([]string{"www.example.org.", "named.service.consul."}, "A", "SRV"))
				return
			}
			queries := each([]string{
				"www.example.org.", "many.example.org.", "cut.example.org.", "refused.example.org.", "empty.example.org.",
				"edns.example.org.", "missing.example.org.", "9.9.9.10.in-addr.arpa.", "1.0.1.10.in-addr.arpa.", "consul.",
				"named.service.consul.", "many.service.consul.", "gone.service.consul.", "text.service.consul.",
				"cut.service.consul.", "refused.service.consul.", "mixed.service.consul.", "ext.service.consul.",
				"elsewhere.node.consul.", "missing.service.consul.",
			}, "A", "SRV", "ANY", "DS")
			for _, q := range queries {
				q.tcp = true
				queries = append(queries, q)
			}
			p.compare(t, append(roomy(queries), query{ask: "www.example.org. A", edit: func(m *dns.Msg) { m.RecursionDesired = false }}))
		})
	}
}
