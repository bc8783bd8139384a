package agent_test

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent"
)

func lookUp(t *testing.T, a *running, network, name string, kind uint16) *dns.Msg {
	t.Helper()
	client := &dns.Client{Net: network, Timeout: 20 * time.Second}
	reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, kind), a.DNSAddr())
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestRegisteredServiceIsFoundByDNS(t *testing.T) {
	var settings agent.Settings
	a := start(t, agent.Config{Datacenter: "east", Settings: func() (agent.Settings, error) { return settings, nil }, DNS: agent.DNSConfig{Addrs: []string{"127.0.0.1:0"}, AltDomain: "panda."}})
	a.register(t, &api.AgentServiceRegistration{Name: "web", Port: 8080, Tags: []string{"v1"}})
	a.register(t, ttl("slow", "slow1", "10m"))
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]string{
			"v1.web.service.consul.":    "1 1 8080 n1.node.east.consul.",
			"_web._tcp.service.panda.":  "1 1 8080 n1.node.east.panda.",
			"web.service.east.consul.":  "1 1 8080 n1.node.east.consul.",
			"consul.service.consul.":    "1 1 8300 n1.node.east.consul.",
			"slow.service.consul.":      "",
			"web.service.west.consul.":  "",
			"absent.service.consul.":    "",
			"v1.absent.service.consul.": "",
		} {
			reply := lookUp(t, a, network, name, dns.TypeSRV)
			got := ""
			if len(reply.Answer) == 1 {
				got = strings.TrimPrefix(reply.Answer[0].String(), reply.Answer[0].Header().String())
			}
			if got != want || (want == "") != (reply.Rcode == dns.RcodeNameError) {
				t.Errorf("%s over %s: %v", name, network, reply)
			}
		}
	}
	if err := a.client.Agent().PassTTL("service:slow1", ""); err != nil {
		t.Fatal(err)
	}
	if reply := lookUp(t, a, "udp", "slow.service.consul.", dns.TypeA); len(reply.Answer) != 1 {
		t.Errorf("passing: %v", reply)
	}
	if err := a.client.Agent().EnableNodeMaintenance("why"); err != nil {
		t.Fatal(err)
	}
	if reply := lookUp(t, a, "udp", "web.service.consul.", dns.TypeA); reply.Rcode != dns.RcodeNameError {
		t.Errorf("in maintenance: %v", reply)
	}
	settings.DNS.NodeTTL = time.Minute
	if err := a.client.Agent().Reload(); err != nil {
		t.Fatal(err)
	}
	if reply := lookUp(t, a, "udp", "n1.node.consul.", dns.TypeA); len(reply.Answer) != 1 || reply.Answer[0].Header().Ttl != 60 {
		t.Errorf("with a TTL: %v", reply)
	}
}

func TestDNSIsOffUnlessTold(t *testing.T) {
	a := start(t, agent.Config{})
	if got := a.DNSAddr(); got != "" {
		t.Errorf("DNS at %q", got)
	}
}

// TestTakenDNSAddress holds that an agent which cannot have its DNS port leaves its HTTP port free.
func TestTakenDNSAddress(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := agent.Config{HTTPAddr: free.Addr().String(), DNS: agent.DNSConfig{Addrs: []string{taken.LocalAddr().String()}}}
	if _, err := agent.New(cfg); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), cfg.DNS.Addrs[0]) {
		t.Errorf("got %v", err)
	}
	cfg.DNS.Addrs = nil
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
