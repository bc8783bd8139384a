package dnsapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/dnsapi"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestAnswers(t *testing.T) {
	s := start(t, dnsapi.Config{Options: dnsapi.Options{NodeTTL: 9 * time.Second, ServiceTTL: map[string]time.Duration{"w*": time.Minute, "db": time.Second}}})
	for question, want := range map[string]string{
		"web.service.consul. A":              "NOERROR: web.service.consul. 60 A 10.0.0.1, web.service.consul. 60 A 10.9.0.2",
		"web.service.consul. AAAA":           "NOERROR: web.service.consul. 60 AAAA 2001:db8::2",
		"WEB.service.dc1.CONSUL. AAAA":       "NOERROR: WEB.service.dc1.CONSUL. 60 AAAA 2001:db8::2",
		"v2.web.service.consul. SRV":         "NOERROR: v2.web.service.consul. 60 SRV 1 2 81 0a090002.addr.dc1.consul. |  | 0a090002.addr.dc1.consul. 60 A 10.9.0.2, n1.node.dc1.consul. 60 TXT \"zone=a\"",
		"_web._v1.service.consul. SRV":       "NOERROR: _web._v1.service.consul. 60 SRV 1 7 80 n1.node.dc1.consul. |  | n1.node.dc1.consul. 60 A 10.0.0.1, n1.node.dc1.consul. 60 TXT \"zone=a\"",
		"_web._v1.consul. SRV":               "NOERROR: _web._v1.consul. 60 SRV 1 7 80 n1.node.dc1.consul. |  | n1.node.dc1.consul. 60 A 10.0.0.1, n1.node.dc1.consul. 60 TXT \"zone=a\"",
		"web.service.consul. MX":             "NOERROR:  | SOA",
		"db.service.consul. A":               "NOERROR: db.service.consul. 1 CNAME db.example.org.",
		"loop.service.consul. A":             "NOERROR: loop.service.consul. 0 CNAME loop2.service.consul., loop.service.consul. 0 CNAME loop2.service.consul., loop2.service.consul. 0 CNAME loop.service.consul.",
		"nothing.service.consul. A":          "NXDOMAIN:  | SOA",
		"web.service.dc2.consul. A":          "NXDOMAIN:  | SOA",
		"v3.web.service.consul. A":           "NXDOMAIN:  | SOA",
		"_._tcp.service.consul. SRV":         "SERVFAIL:",
		"n1.node.consul. A":                  "NOERROR: n1.node.consul. 9 A 10.0.0.1 |  | n1.node.consul. 9 TXT \"zone=a\"",
		"n1.node.consul. TXT":                "NOERROR: n1.node.consul. 9 TXT \"zone=a\"",
		"n2.rack.node.dc1.consul. AAAA":      "NOERROR: n2.rack.node.dc1.consul. 9 AAAA 2001:db8::2",
		"aa11.node.consul. A":                "NOERROR: aa11.node.consul. 9 A 10.0.0.1 |  | aa11.node.consul. 9 TXT \"zone=a\"",
		"n3.node.consul. A":                  "NXDOMAIN:  | SOA",
		"7f000001.addr.consul. A":            "NOERROR: 7f000001.addr.consul. 9 A 127.0.0.1",
		"1.0.0.10.in-addr.arpa. PTR":         "NOERROR: 1.0.0.10.in-addr.arpa. 0 PTR n1.node.dc1.consul.",
		"2.0.9.10.in-addr.arpa. PTR":         "NOERROR: 2.0.9.10.in-addr.arpa. 0 PTR web.service.dc1.consul.",
		"1.1.1.1.in-addr.arpa. PTR":          "SERVFAIL:",
		"consul. NS":                         "NOERROR: consul. 9 NS n1.node.dc1.consul. |  | n1.node.dc1.consul. 9 A 10.0.0.1",
		"consul. SOA":                        "NOERROR: SOA | consul. 9 NS n1.node.dc1.consul. | n1.node.dc1.consul. 9 A 10.0.0.1",
		"consul. AXFR":                       "NOTIMP:",
		"web.connect.consul. A":              "NXDOMAIN:  | SOA",
		"web.virtual.consul. A":              "NOERROR:",
		"example.org. A":                     "REFUSED:",
		strings.Repeat("a.", 120) + ". A":    "REFUSED:",
		"no.such.kind.of.name.consul. A":     "NXDOMAIN:  | SOA",
		"1.2.in-addr.arpa. PTR":              "SERVFAIL:",
		"0.0.0.0.0.0.0.0.ip6.arpa. PTR":      "SERVFAIL:",
		"zz.2.ip6.arpa. PTR":                 "SERVFAIL:",
		reverseOf(t, "2001:db8::2") + " PTR": "NOERROR: " + reverseOf(t, "2001:db8::2") + " 0 PTR N2.rack.node.dc1.consul.",
	} {
		network := "udp"
		if strings.Contains(question, "AXFR") {
			network = "tcp"
		}
		question = strings.Replace(question, ".. ", ". ", 1)
		if got := summary(s.ask(t, network, question)); got != want {
			t.Errorf("%s\n got %s\nwant %s", question, got, want)
		}
	}
}

func reverseOf(t *testing.T, address string) string {
	t.Helper()
	name, err := dns.ReverseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestChangesShow holds that an answer is of the catalog as it is now, whatever was answered before.
func TestChangesShow(t *testing.T) {
	s := start(t, dnsapi.Config{})
	answers := func() int { return len(s.ask(t, "tcp", "web.service.consul. SRV").Answer) }
	for n, step := range []struct {
		change func(*catalog.Writer) error
		want   int
	}{
		{func(*catalog.Writer) error { return nil }, 3},
		{func(w *catalog.Writer) error { return w.SetInstance(instance("n1", "web#9", "10.9.0.9", 89)) }, 4},
		{func(w *catalog.Writer) error { return w.SetCheck(checked("n1", "web#9", consulwire.Critical)) }, 3},
		{func(w *catalog.Writer) error { w.SetStatus("n1", "service:web#9", "passing", ""); return nil }, 4},
		{func(w *catalog.Writer) error {
			return w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "N2.rack", CheckID: "_node_maintenance", Status: consulwire.Critical}})
		}, 3},
		{func(w *catalog.Writer) error { w.DeleteNode("N2.rack"); return nil }, 3},
		{func(w *catalog.Writer) error { w.DeleteNode("n1"); return nil }, 0},
		{func(w *catalog.Writer) error {
			return errors.Join(w.SetNode(&consulwire.Node{Node: "n1", Address: "10.0.0.1"}), w.SetInstance(instance("n1", "web#1", "", 80)))
		}, 1},
	} {
		change(t, s.catalog, step.change)
		if got := answers(); got != step.want {
			t.Errorf("step %d: %d answers, want %d", n, got, step.want)
		}
	}
}

func TestOptionsChangeWhileItRuns(t *testing.T) {
	s := start(t, dnsapi.Config{})
	if err := s.SetOptions(dnsapi.Options{ServiceTTL: map[string]time.Duration{"web": -1}}); err == nil {
		t.Error("a TTL below 0 is accepted")
	}
	if got := len(s.ask(t, "udp", "web.service.consul. A").Answer); got != 2 {
		t.Errorf("%d answers", got)
	}
	if err := s.SetOptions(dnsapi.Options{OnlyPassing: true, ARecordLimit: 1, ServiceTTL: map[string]time.Duration{"web": time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if got := summary(s.ask(t, "udp", "web.service.consul. A")); got != "NOERROR: web.service.consul. 3600 A 10.0.0.1" {
		t.Error(got)
	}
}

// crowd adds count instances of the service "many" with different addresses.
func crowd(t testing.TB, c *catalog.Catalog, count int) {
	t.Helper()
	change(t, c, func(w *catalog.Writer) error {
		var errs []error
		for n := range count {
			id := fmt.Sprintf("many#%d", n)
			errs = append(errs, w.SetInstance(instance("n1", id, fmt.Sprintf("10.50.%d.%d", n/250, n%250), 1000+n)), w.SetCheck(checked("n1", id, "passing")))
		}
		return errors.Join(errs...)
	})
}

func TestAnswersFit(t *testing.T) {
	s := start(t, dnsapi.Config{Options: dnsapi.Options{EnableTruncate: true}})
	crowd(t, s.catalog, 5000)
	for _, test := range []struct {
		network, question string
		size              uint16
		atMost, atLeast   int // bytes, answers
	}{
		{"udp", "many.service.consul. A", 0, 512, 3},
		{"udp", "many.service.consul. SRV", 0, 512, 3},
		{"udp", "many.service.consul. A", 1232, 1232, 70},
		{"udp", "many.service.consul. SRV", 1232, 1232, 10},
		{"udp", "many.service.consul. A", 65535, 65507, 4000},
		{"tcp", "many.service.consul. A", 0, 65535, 4000},
		{"tcp", "many.service.consul. SRV", 0, 65535, 700},
	} {
		var edit []func(*dns.Msg)
		if test.size > 0 {
			edit = append(edit, edns(test.size))
		}
		reply := s.ask(t, test.network, test.question, edit...)
		reply.Compress = true
		if size := reply.Len(); size > test.atMost || len(reply.Answer) < test.atLeast {
			t.Errorf("%s %s with EDNS %d: %d bytes, %d answers", test.network, test.question, test.size, size, len(reply.Answer))
		}
		if !reply.Truncated {
			t.Errorf("%s %s with EDNS %d: not truncated", test.network, test.question, test.size)
		}
		addresses := map[string]bool{}
		for _, record := range reply.Extra {
			addresses[record.Header().Name] = true
		}
		for _, record := range reply.Answer {
			if srv, ok := record.(*dns.SRV); ok && !addresses[srv.Target] {
				t.Errorf("%s: no address of %s", test.question, srv.Target)
			}
		}
	}
}

// TestOrderIsRandom looks at which address comes first, until each has.
func TestOrderIsRandom(t *testing.T) {
	s := start(t, dnsapi.Config{})
	const most = 1000 // all the same by chance: less likely than a broken machine
	first := map[string]bool{}
	for range most {
		if first[s.ask(t, "udp", "web.service.consul. A").Answer[0].String()] = true; len(first) == 2 {
			return
		}
	}
	t.Errorf("always first: %v", first)
}
