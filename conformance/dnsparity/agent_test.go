package dnsparity

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/agent"
)

// TestAgents registers the same with both agents over HTTP and compares what they tell by DNS.
func TestAgents(t *testing.T) {
	ours, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "n1", DNS: agent.DNSConfig{Addrs: []string{"127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := ours.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	theirs := realconsul.Start(t, realconsul.Options{Node: "n1", DNS: true})
	p := pair{ours: ours.DNSAddr(), theirs: theirs.DNS()}
	var queries []query
	for _, name := range []string{
		"web.service.consul.", "v1.web.service.consul.", "far.service.consul.", "six.service.consul.", "named.service.consul.",
		"late.service.consul.", "warned.service.consul.", "resting.service.consul.", "n1.node.consul.", "1.0.0.127.in-addr.arpa.",
		"7.2.0.192.in-addr.arpa.", "consul.", "missing.service.consul.",
	} {
		queries = append(queries, each([]string{name}, "A", "AAAA", "SRV", "ANY", "TXT", "NS", "SOA", "PTR")...)
	}
	for _, url := range []string{ours.URL(), "http://" + theirs.Address()} {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		c := &consul{t: t, url: url, client: &http.Client{Transport: transport}}
		c.knownNodes()
		c.local()
	}
	p.compare(t, queries)
}

// local registers services with the agent, and returns once its catalog has them as they are.
func (c *consul) local() {
	c.t.Helper()
	for _, s := range []object{
		{"Name": "web", "Port": 80, "Tags": list{"v1"}, "Weights": object{"Passing": 9, "Warning": 4}},
		{"Name": "far", "Port": 81, "Address": "192.0.2.7"},
		{"Name": "six", "Port": 82, "Address": "2001:db8::5"},
		{"Name": "named", "Port": 83, "Address": "www.example.org"},
		{"Name": "late", "Port": 84, "Check": object{"TTL": "1h", "CheckID": "late"}},
		{"Name": "warned", "Port": 85, "Check": object{"TTL": "1h", "CheckID": "warned", "Status": "warning"}},
		{"Name": "resting", "Port": 86},
	} {
		c.send("/v1/agent/service/register", s)
	}
	c.send("/v1/agent/service/maintenance/resting?enable=true", nil)
	var checks []any
	for len(checks) != 3 {
		checks = nil
		for _, state := range []string{"critical", "warning"} {
			var some []any
			c.get("/v1/health/state/"+state, &some)
			checks = append(checks, some...)
		}
	}
	var services map[string][]string
	for len(services) != 8 { // with "consul"
		services = nil
		c.get("/v1/catalog/services", &services)
	}
}
