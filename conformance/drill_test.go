package conformance_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// crasher is an agent that can be killed and started again at the same address.
type crasher interface {
	Address() string
	Kill()
	Restart(t testing.TB)
}

func TestRealConsulRestartedEmpty(t *testing.T) {
	t.Parallel()
	drillRestartedEmpty(t, realconsul.Start(t, realconsul.Options{}))
}

// drillRestartedEmpty kills an agent that then knows nothing: no caller may miss an instance that lives, and one
// that nobody announces any more must be gone in the end.
func drillRestartedEmpty(t *testing.T, agent crasher) {
	t.Helper()
	r := newRegistry(t, consul.Config{Addresses: []string{agent.Address()}})
	a := announce(t, r, discovery.Announcement{Instance: instance("orders-a", 8000), TTL: 3 * time.Second})
	b := announce(t, r, discovery.Announcement{Instance: instance("orders-b", 8001), TTL: 3 * time.Second})
	a.await(t, discovery.Registered, 1)
	b.await(t, discovery.Registered, 1)
	register(t, agent.Address(), instance("orders-dead", 8002))
	w := watch(t, r, "orders")
	w.await(t, "all three", usable("orders-a", "orders-b", "orders-dead"))

	agent.Kill()
	w.await(t, "an error", func(s discovery.Snapshot) bool { return s.Err != nil })
	a.await(t, discovery.Failed, 1)
	b.await(t, discovery.Failed, 1)
	agent.Restart(t)
	a.await(t, discovery.Registered, 1)
	b.await(t, discovery.Registered, 1)
	w.await(t, "those that live", usable("orders-a", "orders-b"))
	w.neverWithout(t, "orders-a", "orders-b")
}

// An agent that keeps its state calls each TTL that ran out while it was away critical, until it is renewed.
func TestRealConsulRestartedAfterTheTTL(t *testing.T) {
	t.Parallel()
	agent := realconsul.Start(t, realconsul.Options{DataDir: t.TempDir()})
	l := newLink(t, agent.Address())
	announcing := newRegistry(t, consul.Config{Addresses: []string{l.address}})
	a := announce(t, announcing, discovery.Announcement{Instance: instance("orders-a", 8000), TTL: time.Second})
	a.await(t, discovery.Registered, 1)
	w := watch(t, newRegistry(t, consul.Config{Addresses: []string{agent.Address()}}), "orders")
	w.await(t, "the instance", usable("orders-a"))

	agent.Kill()
	l.cut()
	w.await(t, "an error", func(s discovery.Snapshot) bool { return s.Err != nil })
	a.await(t, discovery.Failed, 8) // a third of a second apart: the TTL has run out
	agent.Restart(t)
	var checks []struct{ Status string }
	for len(checks) != 1 || checks[0].Status != "critical" { // the agent tells its catalog a moment later
		get(t, agent.Address(), "/v1/health/checks/orders", &checks)
	}
	w.await(t, "the instance as before", usable("orders-a"))
	l.restore(t)
	told := w.await(t, "the instance", usable("orders-a"))
	w.neverWithout(t, "orders-a")

	// Once it is renewed, nothing is held back any more.
	for checks[0].Status != "passing" {
		get(t, agent.Address(), "/v1/health/checks/orders", &checks)
	}
	put(t, agent.Address(), "/v1/agent/service/maintenance/orders-a?enable=true", nil)
	w.await(t, "no usable instance", func(s discovery.Snapshot) bool { return len(s.Instances) == 1 && len(s.Usable()) == 0 })
	if all, _ := w.all(); len(all) <= told || all[len(all)-1].Instances[0].Status() != discovery.Maintenance {
		t.Errorf("the last snapshot is %+v, want the instance in maintenance", all[len(all)-1])
	}
}

func TestRealConsulFailover(t *testing.T) {
	t.Parallel()
	first, second := realconsul.Start(t, realconsul.Options{}), realconsul.Start(t, realconsul.Options{})
	r := newRegistry(t, consul.Config{Addresses: []string{first.Address(), second.Address()}})
	a := announce(t, r, discovery.Announcement{Instance: instance("orders-a", 8000), TTL: time.Second})
	a.await(t, discovery.Registered, 1)
	w := watch(t, r, "orders")
	w.await(t, "the instance", usable("orders-a"))
	before, _ := w.all()
	node := before[0].Instances[0].Node

	first.Kill()
	a.await(t, discovery.Registered, 1)
	w.await(t, "the instance on the other node", func(s discovery.Snapshot) bool {
		return usable("orders-a")(s) && s.Instances[0].Node != node
	})
	w.neverWithout(t, "orders-a")
	told, _ := w.all()
	for _, s := range told {
		if s.Err != nil {
			t.Errorf("an error was told though the second agent answers: %v", s.Err)
		}
	}
	if names, err := r.Services(t.Context()); err != nil || !slices.Contains(names, "orders") {
		t.Errorf("Services: %q, %v; want orders among them", names, err)
	}
}

func TestRealConsulDatacenters(t *testing.T) {
	t.Parallel()
	near := realconsul.Start(t, realconsul.Options{Datacenter: "near"})
	far := realconsul.Start(t, realconsul.Options{Datacenter: "far", JoinWAN: []string{near.WAN()}})
	register(t, far.Address(), instance("orders-far", 8000))
	r := newRegistry(t, consul.Config{Addresses: []string{near.Address()}, Failover: []string{"nowhere", "far"}})
	w := watch(t, r, "orders")
	w.await(t, "the far instance", usable("orders-far"))
	register(t, near.Address(), instance("orders-near", 8000))
	n := w.await(t, "both", usable("orders-near", "orders-far"))
	told, _ := w.all()
	if i := told[n-1].Instances; i[0].Distance != 0 || i[0].Datacenter != "near" || i[1].Distance != 2 || i[1].Datacenter != "far" {
		t.Errorf("the instances are %+v, want near at distance 0 and far at distance 2", i)
	}
	if names, err := r.Services(t.Context()); err != nil || !slices.Contains(names, "orders") {
		t.Errorf("Services: %q, %v; want orders among them", names, err)
	}

	far.Kill()
	register(t, near.Address(), instance("orders-second", 8001))
	w.await(t, "a change beside the datacenter that is away", usable("orders-near", "orders-second", "orders-far"))
}

// Traefik, Prometheus and Fabio read tags and metadata in the catalog: they must be as they were written.
func TestRealConsulCatalogIsRaw(t *testing.T) {
	t.Parallel()
	agent := realconsul.Start(t, realconsul.Options{})
	want := instance("orders-a", 8000)
	want.Tags = []string{"traefik.enable=true", "traefik.http.routers.orders.rule=Host(`orders.example`)", "urlprefix-/orders"}
	want.Meta = map[string]string{"version": "1.2.3", "prometheus_scrape": "true"}
	a := announce(t, newRegistry(t, consul.Config{Addresses: []string{agent.Address()}}), discovery.Announcement{Instance: want})
	a.await(t, discovery.Registered, 1)

	var found []struct {
		ServiceID, ServiceAddress string
		ServicePort               int
		ServiceTags               []string
		ServiceMeta               map[string]string
		ServiceEnableTagOverride  bool
	}
	for len(found) == 0 { // the agent tells the catalog a moment later
		get(t, agent.Address(), "/v1/catalog/service/orders?wait=1s&index=1", &found)
	}
	if f := found[0]; f.ServiceID != want.ID || f.ServiceAddress != want.Address || f.ServicePort != want.Port ||
		!slices.Equal(f.ServiceTags, want.Tags) || !maps.Equal(f.ServiceMeta, want.Meta) || f.ServiceEnableTagOverride {
		t.Errorf("the catalog has %+v, want %+v", f, want)
	}
	var services map[string][]string
	get(t, agent.Address(), "/v1/catalog/services", &services)
	if got := slices.Sorted(slices.Values(services["orders"])); !slices.Equal(got, slices.Sorted(slices.Values(want.Tags))) {
		t.Errorf("the list of services has the tags %q, want %q", got, want.Tags)
	}
	var checks []struct{ CheckID, Status, Type string }
	get(t, agent.Address(), "/v1/health/checks/orders", &checks)
	if len(checks) != 1 || checks[0].CheckID != "service:orders-a" || checks[0].Status != "passing" || checks[0].Type != "ttl" {
		t.Errorf("the checks are %+v, want one TTL check", checks)
	}
}
