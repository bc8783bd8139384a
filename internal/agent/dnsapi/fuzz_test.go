package dnsapi

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// recorder is a client that keeps what it is sent.
type recorder struct {
	dns.ResponseWriter
	remote net.Addr
	sent   [][]byte
}

// RemoteAddr implements dns.ResponseWriter.
func (r *recorder) RemoteAddr() net.Addr { return r.remote }

// Write implements dns.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.sent = append(r.sent, p)
	return len(p), nil
}

// WriteMsg implements dns.ResponseWriter.
func (r *recorder) WriteMsg(m *dns.Msg) error {
	p, err := m.Pack()
	r.sent = append(r.sent, p)
	return err
}

// small has names of every kind, also such as do not fit into DNS.
func small(t testing.TB) *catalog.Catalog {
	t.Helper()
	c := catalog.New(1)
	err := c.Write(func(w *catalog.Writer) error {
		errs := []error{
			w.SetNode(&consulwire.Node{ID: "aa", Node: "n1", Address: "10.0.0.1", Meta: map[string]string{"a\\": "b\\12"}}),
			w.SetNode(&consulwire.Node{Node: "a..b", Address: "a..b"}),
			w.SetNode(&consulwire.Node{Node: "empty"}),
		}
		for _, address := range []string{"", "10.0.0.2", "::1", "web.service.consul", "n1.node.consul", "x..y", "\\"} {
			for _, node := range []string{"n1", "a..b", "empty"} {
				errs = append(errs, w.SetInstance(&catalog.Instance{Node: node, NodeService: consulwire.NodeService{
					ID: "web" + address, Service: "web", Address: address, Port: 70000, Tags: []string{"t"},
				}}))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzPackets holds that whatever comes is answered at most once, with what can be read and fits.
func FuzzPackets(f *testing.F) {
	server, err := New(Config{Addr: "127.0.0.1:0", Catalog: small(f), Datacenter: "dc1", AltDomain: "alt."})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	for _, name := range []string{"web.service.consul.", "t.web.service.dc1.alt.", "_web._t.consul.", "n1.node.consul.", "aa.node.consul.", "0a000001.addr.consul.", "1.0.0.10.in-addr.arpa.", "consul.", "x.query.consul.", "."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeSOA, dns.TypePTR, dns.TypeTXT} {
			m := new(dns.Msg).SetQuestion(name, kind).SetEdns0(1232, true)
			packet, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packet, false)
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		request := new(dns.Msg)
		if request.Unpack(packet) != nil || len(request.Question) != 1 {
			return // the library answers it
		}
		client := &recorder{remote: &net.UDPAddr{}}
		if tcp {
			client.remote = &net.TCPAddr{}
		}
		server.serve(client, request)
		if len(client.sent) != 1 {
			t.Fatalf("%d answers to %v", len(client.sent), request)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(client.sent[0]); err != nil || reply.Id != request.Id || !reply.Response {
			t.Fatalf("answer %v (%v) to %v", reply, err, request)
		}
		size := minUDPSize
		if opt := request.IsEdns0(); opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
		if !tcp && len(reply.Answer) > 1 && len(client.sent[0]) > size {
			t.Fatalf("%d bytes of %d to %v", len(client.sent[0]), size, request)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("key", "value")
	f.Add(" a=` ", "\\1\\123\\")
	f.Fuzz(func(t *testing.T, key, value string) {
		text := attribute(key, value)
		var joined string
		for _, part := range characterStrings(text) {
			record := &dns.TXT{Hdr: header("x.", dns.TypeTXT, 0), Txt: []string{part}}
			if _, err := dns.PackRR(record, make([]byte, 1024), 0, nil, false); err != nil {
				t.Fatalf("%q: %v", part, err)
			}
			joined += part
		}
		if joined != text {
			t.Fatalf("%q became %q", text, joined)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	const many = 1000
	c := catalog.New(1)
	err := c.Write(func(w *catalog.Writer) error {
		errs := []error{w.SetNode(&consulwire.Node{Node: "n1", Address: "10.0.0.1"})}
		for n := range many {
			id := "web" + time.Duration(n).String()
			errs = append(errs, w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{
				ID: id, Service: "web", Address: net.IPv4(10, 1, byte(n>>8), byte(n)).String(), Port: n,
			}}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		b.Fatal(err)
	}
	server, err := New(Config{Addr: "127.0.0.1:0", Catalog: c, Datacenter: "dc1"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Close() })
	for _, kind := range []string{"A", "SRV"} {
		for name, size := range map[string]uint16{"plain": 0, "EDNS1232": 1232} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				request := new(dns.Msg).SetQuestion("web.service.consul.", dns.StringToType[kind])
				if size > 0 {
					request.SetEdns0(size, false)
				}
				b.ReportAllocs()
				for b.Loop() {
					client := &recorder{remote: &net.UDPAddr{}}
					server.serve(client, request)
				}
			})
		}
	}
}
