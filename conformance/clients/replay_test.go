package clients

import (
	"net"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// These are the requests that programs too large to link make, in their order and with their parameters, and
// what they read from the answers.

// TestPrometheusDiscovery asks as Prometheus's consul_sd does.
func TestPrometheusDiscovery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		const watchTimeout = 2 * time.Minute
		self, err := c.Agent().Self()
		if datacenter, ok := self["Config"]["Datacenter"].(string); err != nil || !ok || datacenter != "dc1" {
			t.Fatalf("the datacenter is %v, %v", self["Config"]["Datacenter"], err)
		}
		options := func(index uint64) *api.QueryOptions {
			return (&api.QueryOptions{WaitIndex: index, WaitTime: watchTimeout, AllowStale: true}).WithContext(t.Context())
		}
		names, meta, err := c.Catalog().Services(options(0))
		if err != nil || names["consul"] == nil || meta.LastIndex == 0 {
			t.Fatalf("services: %v, %v", names, err)
		}
		err = c.Agent().ServiceRegister(&api.AgentServiceRegistration{
			ID: "m-1", Name: "metrics", Port: 9100, Address: "10.0.0.5", Tags: []string{"prod", "metrics"}, Meta: map[string]string{"path": "/metrics"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for names["metrics"] == nil { // each answer is a change
			if names, meta, err = c.Catalog().Services(options(meta.LastIndex)); err != nil {
				t.Fatal(err)
			}
		}
		entries, _, err := c.Health().ServiceMultipleTags("metrics", []string{"prod", "metrics"}, false, options(0))
		if err != nil || len(entries) != 1 {
			t.Fatalf("instances: %v, %v", entries, err)
		}
		e := entries[0]
		if e.Service.Address != "10.0.0.5" || e.Service.Port != 9100 || e.Node.Node != a.node || e.Node.Address != "127.0.0.1" || e.Service.Meta["path"] != "/metrics" ||
			e.Checks.AggregatedStatus() != api.HealthPassing || e.Node.TaggedAddresses["lan"] != "127.0.0.1" || e.Node.TaggedAddresses["wan"] != "127.0.0.1" {
			t.Errorf("the target is made of %+v, %+v, %+v", e.Node, e.Service, e.Checks)
		}
		none, _, err := c.Catalog().Services((&api.QueryOptions{AllowStale: true, NodeMeta: map[string]string{"rack": "none"}}).WithContext(t.Context()))
		if err != nil || len(none) != 0 {
			t.Errorf("services on nodes that there are not: %v, %v", none, err)
		}
	})
}

// TestTraefikCatalog asks as Traefik's Consul Catalog provider does when it polls.
func TestTraefikCatalog(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		err := c.Agent().ServiceRegister(&api.AgentServiceRegistration{
			ID: "w-1", Name: "whoami", Port: 80, Tags: []string{"traefik.enable=true", "traefik.http.routers.whoami.rule=Host(`whoami.test`)"},
		})
		if err != nil {
			t.Fatal(err)
		}
		options := &api.QueryOptions{AllowStale: false, RequireConsistent: true, UseCache: false, Filter: `ServiceName != "consul"`}
		names, _, err := c.Catalog().Services((&api.QueryOptions{RequireConsistent: true}).WithContext(t.Context()))
		if err != nil || len(names["whoami"]) != 2 {
			t.Fatalf("services: %v, %v", names, err)
		}
		statuses, _, err := c.Health().Checks("whoami", options.WithContext(t.Context()))
		if err != nil {
			t.Fatalf("checks: %v", err)
		}
		instances, _, err := c.Catalog().Service("whoami", "", options.WithContext(t.Context()))
		if err != nil || len(instances) != 1 || len(statuses) != 0 {
			t.Fatalf("instances: %v, checks: %v, %v", instances, statuses, err)
		}
		in := instances[0]
		if in.Address != "127.0.0.1" || in.ServiceAddress != "" || in.ServicePort != 80 || in.Node != a.node || in.Datacenter != "dc1" || in.Namespace != "" {
			t.Errorf("the server is made of %+v", in)
		}
		cached := &api.QueryOptions{UseCache: true, MaxAge: time.Second}
		if entries, meta, err := c.Health().Service("whoami", "", true, cached.WithContext(t.Context())); err != nil || len(entries) != 1 || meta.LastIndex == 0 {
			t.Errorf("cached: %v, %v", entries, err)
		}
	})
}

// TestKratosRegistry registers, renews, finds and leaves as Kratos's Consul registry does.
func TestKratosRegistry(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		port := listener.Addr().(*net.TCPAddr).Port
		endpoint := "grpc://" + listener.Addr().String()
		err = c.Agent().ServiceRegister(&api.AgentServiceRegistration{
			ID: "k-1", Name: "kratos", Tags: []string{"version=v1.0.0"}, Meta: map[string]string{"zone": "a"}, Address: "127.0.0.1", Port: port,
			TaggedAddresses: map[string]api.ServiceAddress{"grpc": {Address: endpoint, Port: port}},
			Checks: api.AgentServiceChecks{
				{TCP: listener.Addr().String(), Interval: "10s", DeregisterCriticalServiceAfter: "600s", Timeout: "5s"},
				{CheckID: "service:k-1", TTL: "20s", DeregisterCriticalServiceAfter: "600s"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Agent().UpdateTTL("service:k-1", "pass", "pass"); err != nil {
			t.Fatal(err)
		}
		index, entries := uint64(0), []*api.ServiceEntry(nil)
		for len(entries) == 0 {
			found, meta, err := c.Health().Service("kratos", "", true, (&api.QueryOptions{WaitIndex: index, WaitTime: 55 * time.Second}).WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			entries, index = found, meta.LastIndex
		}
		s := entries[0].Service
		if s.TaggedAddresses["grpc"].Address != endpoint || s.Meta["zone"] != "a" || s.Tags[0] != "version=v1.0.0" || len(entries[0].Checks) != 3 {
			t.Errorf("the instance is made of %+v, %d checks", s, len(entries[0].Checks))
		}
		if err := c.Agent().ServiceDeregister("k-1"); err != nil {
			t.Fatal(err)
		}
		for len(entries) > 0 {
			found, meta, err := c.Health().Service("kratos", "", true, (&api.QueryOptions{WaitIndex: index, WaitTime: 55 * time.Second}).WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			entries, index = found, meta.LastIndex
		}
		if err := c.Agent().UpdateTTL("service:k-1", "pass", "pass"); err == nil {
			t.Error("a check that has left is renewed")
		}
	})
}
