package dnsapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/dnsapi"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds one exchange.
const patience = 20 * time.Second

// running is a server over a catalog.
type running struct {
	*dnsapi.Server
	catalog *catalog.Catalog
	stop    func() // returns when Run has
}

func start(t testing.TB, cfg dnsapi.Config) *running {
	t.Helper()
	cfg.Addr, cfg.Datacenter = "127.0.0.1:0", "dc1"
	if cfg.Catalog == nil {
		cfg.Catalog = filled(t)
	}
	server, err := dnsapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop := func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	return &running{server, cfg.Catalog, stop}
}

func change(t testing.TB, c *catalog.Catalog, write func(*catalog.Writer) error) {
	t.Helper()
	if err := c.Write(write); err != nil {
		t.Fatal(err)
	}
}

func instance(node, id, address string, port int, tags ...string) *catalog.Instance {
	service, _, _ := strings.Cut(id, "#")
	return &catalog.Instance{Node: node, NodeService: consulwire.NodeService{
		ID: id, Service: service, Address: address, Port: port, Tags: tags, Weights: consulwire.Weights{Passing: 7, Warning: 2},
	}}
}

func checked(node, id, status string) *catalog.Check {
	return &catalog.Check{HealthCheck: consulwire.HealthCheck{Node: node, CheckID: "service:" + id, ServiceID: id, Status: status}}
}

// filled returns a catalog of nodes n1 and n2, with web on both, one of them warning and one critical.
func filled(t testing.TB) *catalog.Catalog {
	t.Helper()
	c := catalog.New(100)
	change(t, c, func(w *catalog.Writer) error {
		return errors.Join(
			w.SetNode(&consulwire.Node{ID: "aa110000-0000-0000-0000-000000000000", Node: "n1", Address: "10.0.0.1", Meta: map[string]string{"zone": "a"}}),
			w.SetNode(&consulwire.Node{ID: "bb110000-0000-0000-0000-000000000000", Node: "N2.rack", Address: "2001:db8::2"}),
			w.SetInstance(instance("n1", "consul", "", 8300)),
			w.SetInstance(instance("n1", "web#1", "", 80, "v1")),
			w.SetInstance(instance("n1", "web#2", "10.9.0.2", 81, "V2")), w.SetCheck(checked("n1", "web#2", consulwire.Warning)),
			w.SetInstance(instance("n1", "web#3", "10.9.0.3", 82)), w.SetCheck(checked("n1", "web#3", consulwire.Critical)),
			w.SetInstance(instance("N2.rack", "web#4", "", 83)),
			w.SetInstance(instance("n1", "db", "db.example.org", 5432)),
			w.SetInstance(instance("n1", "loop", "loop2.service.consul", 1)),
			w.SetInstance(instance("n1", "loop2", "loop.service.consul", 1)),
		)
	})
	return c
}

// ask sends a question, "NAME TYPE", without EDNS unless edit adds it.
func (r *running) ask(t testing.TB, network, question string, edit ...func(*dns.Msg)) *dns.Msg {
	t.Helper()
	name, kind, _ := strings.Cut(question, " ")
	m := new(dns.Msg).SetQuestion(name, dns.StringToType[kind])
	for _, f := range edit {
		f(m)
	}
	client := &dns.Client{Net: network, Timeout: patience}
	reply, _, err := client.Exchange(m, r.Addr())
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return reply
}

func edns(size uint16) func(*dns.Msg) { return func(m *dns.Msg) { m.SetEdns0(size, false) } }

// summary is the code and the records of an answer, sorted, with what stands in them.
func summary(m *dns.Msg) string {
	lines := []string{}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var records []string
		for _, record := range section {
			if record.Header().Rrtype == dns.TypeSOA || record.Header().Rrtype == dns.TypeOPT {
				records = append(records, dns.TypeToString[record.Header().Rrtype])
				continue
			}
			text := strings.TrimPrefix(record.String(), record.Header().String())
			records = append(records, fmt.Sprintf("%s %d %s %s", record.Header().Name, record.Header().Ttl, dns.TypeToString[record.Header().Rrtype], text))
		}
		slices.Sort(records)
		lines = append(lines, strings.Join(records, ", "))
	}
	return strings.TrimRight(dns.RcodeToString[m.Rcode]+": "+strings.Join(lines, " | "), "| ")
}
