package agent_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/agent/check"
)

func TestRegisteredServiceIsFound(t *testing.T) {
	a := start(t, agent.Config{})
	a.register(t, &api.AgentServiceRegistration{
		Name: "web", ID: "web1", Port: 8080, Address: "10.1.2.3", Tags: []string{"v1", "blue"},
		Meta: map[string]string{"version": "1"}, EnableTagOverride: true, Weights: &api.AgentWeights{Passing: 7, Warning: 2},
		TaggedAddresses: map[string]api.ServiceAddress{"lan": {Address: "10.9.9.9", Port: 1}},
		Check:           &api.AgentServiceCheck{TTL: "1m", Notes: "note"},
	})
	entries, _ := a.entries(t, "web", 0)
	if len(entries) != 1 {
		t.Fatalf("found %d instances", len(entries))
	}
	service := entries[0].Service
	if service.ID != "web1" || service.Service != "web" || service.Port != 8080 || service.Address != "10.1.2.3" ||
		!slices.Equal(service.Tags, []string{"v1", "blue"}) || service.Meta["version"] != "1" ||
		!service.EnableTagOverride || service.Weights.Passing != 7 || service.Weights.Warning != 2 ||
		service.TaggedAddresses["lan"].Port != 1 || service.TaggedAddresses["lan_ipv4"].Address != "10.1.2.3" {
		t.Errorf("service: %+v", service)
	}
	if node := entries[0].Node; node.Node != "n1" || node.Address != "127.0.0.1" || node.Datacenter != "dc1" || len(node.ID) != 36 {
		t.Errorf("node: %+v", node)
	}
	checks := entries[0].Checks
	if len(checks) != 2 || checks[0].CheckID != "serfHealth" || checks[0].Status != "passing" ||
		checks[1].CheckID != "service:web1" || checks[1].Status != "critical" || checks[1].Name != "Service 'web' check" ||
		checks[1].Type != "ttl" || checks[1].Notes != "note" || !slices.Equal(checks[1].ServiceTags, []string{"v1", "blue"}) {
		t.Errorf("checks: %s", describe(entries))
	}
	instances, _, err := a.client.Catalog().Service("web", "", nil)
	if err != nil || len(instances) != 1 || instances[0].ServiceID != "web1" || instances[0].Address != "127.0.0.1" ||
		instances[0].ServiceAddress != "10.1.2.3" || instances[0].ServiceWeights.Passing != 7 {
		t.Errorf("catalog: %+v, %v", instances, err)
	}
	mine, err := a.client.Agent().Services()
	if err != nil || len(mine) != 1 || mine["web1"].Port != 8080 {
		t.Errorf("agent's services: %v, %v", mine, err)
	}
}

func TestTTLPassFailExpire(t *testing.T) {
	a := start(t, agent.Config{})
	a.register(t, ttl("web", "web1", "100ms"))
	if err := a.client.Agent().PassTTL("service:web1", "up"); err != nil {
		t.Fatal(err)
	}
	expired := a.until(t, "web", "critical") // nobody renews
	if got := expired.Checks[1].Output; got != "TTL expired (last output before timeout follows): up" {
		t.Errorf("output: %q", got)
	}
	a.register(t, ttl("slow", "slow1", "10m"))
	for status, set := range map[string]func() error{
		"passing":  func() error { return a.client.Agent().PassTTL("service:slow1", "p") },
		"warning":  func() error { return a.client.Agent().WarnTTL("service:slow1", "w") },
		"critical": func() error { return a.client.Agent().UpdateTTL("service:slow1", "c", "fail") },
	} {
		if err := set(); err != nil {
			t.Fatal(err)
		}
		if got := a.until(t, "slow", status).Checks[1].Output; got != status[:1] {
			t.Errorf("%s: output %q", status, got)
		}
	}
}

func TestHealthFilters(t *testing.T) {
	a := start(t, agent.Config{})
	for id, tags := range map[string][]string{"1": {"blue", "v1"}, "2": {"blue"}, "3": nil} {
		r := ttl("web", "web"+id, "10m")
		r.Tags = tags
		a.register(t, r)
	}
	for _, id := range []string{"1", "3"} {
		if err := a.client.Agent().PassTTL("service:web"+id, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		tags    []string
		passing bool
		want    []string
	}{
		{nil, false, []string{"web1", "web2", "web3"}},
		{nil, true, []string{"web1", "web3"}},
		{[]string{"blue"}, false, []string{"web1", "web2"}},
		{[]string{"BLUE", "v1"}, false, []string{"web1"}},
		{[]string{"blue"}, true, []string{"web1"}},
		{[]string{"none"}, false, nil},
	} {
		entries, _, err := a.client.Health().ServiceMultipleTags("Web", test.tags, test.passing, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Service.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("tags %v, passing %v: %v, want %v", test.tags, test.passing, got, test.want)
		}
	}
}

// result is what a blocking query returned.
type result struct {
	entries []*api.ServiceEntry
	index   uint64
	err     error
}

func (r *running) watch(service string, index uint64) <-chan result {
	answer := make(chan result, 1)
	go func() {
		entries, meta, err := r.client.Health().Service(service, "", false, &api.QueryOptions{WaitIndex: index, WaitTime: time.Minute})
		if err != nil {
			answer <- result{err: err}
			return
		}
		answer <- result{entries, meta.LastIndex, nil}
	}()
	return answer
}

func TestBlockingQueryWakes(t *testing.T) {
	a := start(t, agent.Config{})
	_, index := a.entries(t, "web", 0)
	for _, step := range []struct {
		name   string
		change func() error
		want   int
	}{
		{"first instance", func() error { return a.client.Agent().ServiceRegister(ttl("web", "web1", "10m")) }, 1},
		{"second instance", func() error { return a.client.Agent().ServiceRegister(ttl("web", "web2", "10m")) }, 2},
		{"status", func() error { return a.client.Agent().PassTTL("service:web1", "") }, 2},
		{"output", func() error { return a.client.Agent().PassTTL("service:web1", "new") }, 2},
		{"service maintenance", func() error { return a.client.Agent().EnableServiceMaintenance("web1", "why") }, 2},
		{"end of maintenance", func() error { return a.client.Agent().DisableServiceMaintenance("web1") }, 2},
		{"node maintenance", func() error { return a.client.Agent().EnableNodeMaintenance("why") }, 2},
		{"instance goes", func() error { return a.client.Agent().ServiceDeregister("web1") }, 1},
		{"last instance goes", func() error { return a.client.Agent().ServiceDeregister("web2") }, 0},
		{"it comes back", func() error { return a.client.Agent().ServiceRegister(ttl("web", "web1", "10m")) }, 1},
	} {
		watch := a.watch("web", index)
		if err := step.change(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := <-watch
		if got.err != nil || len(got.entries) != step.want || got.index <= index {
			t.Fatalf("%s: %d instances at index %d after %d, error %v", step.name, len(got.entries), got.index, index, got.err)
		}
		index = got.index
	}
}

// TestWhatDoesNotConcernIsNotWoken makes changes that must not wake a query, then one that must, and
// looks at which of them the query has seen.
func TestWhatDoesNotConcernIsNotWoken(t *testing.T) {
	a := start(t, agent.Config{})
	agentAPI := a.client.Agent()
	a.register(t, ttl("web", "web1", "10m"))
	if err := agentAPI.PassTTL("service:web1", "same"); err != nil {
		t.Fatal(err)
	}
	_, index := a.entries(t, "web", 0)
	watch := a.watch("web", index)
	if err := errors.Join(
		agentAPI.PassTTL("service:web1", "same"),
		agentAPI.ServiceRegister(ttl("web", "web1", "10m")),
		agentAPI.ServiceRegister(ttl("other", "other1", "10m")),
		agentAPI.PassTTL("service:other1", ""),
		agentAPI.ServiceDeregister("other1"),
	); err != nil {
		t.Fatal(err)
	}
	if _, now := a.entries(t, "web", 0); now != index {
		t.Errorf("the index of web rose from %d to %d", index, now)
	}
	if err := agentAPI.FailTTL("service:web1", "now"); err != nil {
		t.Fatal(err)
	}
	got := <-watch
	if got.err != nil || got.entries[0].Checks[1].Output != "now" {
		t.Errorf("woken by something else: %s, %v", describe(got.entries), got.err)
	}
}

func TestWaitEnds(t *testing.T) {
	a := start(t, agent.Config{})
	_, index := a.entries(t, "web", 0)
	entries, meta, err := a.client.Health().Service("web", "", false, &api.QueryOptions{WaitIndex: index, WaitTime: 10 * time.Millisecond})
	if err != nil || len(entries) != 0 || meta.LastIndex != index {
		t.Errorf("got %v at %d (asked after %d), %v", entries, meta.LastIndex, index, err)
	}
}

// TestIndexOfAnEarlierLife holds that a client who waits on an index from before a restart is answered
// at once, whichever of the two indexes is higher.
func TestIndexOfAnEarlierLife(t *testing.T) {
	first := start(t, agent.Config{})
	first.register(t, ttl("web", "web1", "10m"))
	_, index := first.entries(t, "web", 0)
	first.stop()
	second := start(t, agent.Config{HTTPAddr: first.Addr().String()})
	for _, after := range []uint64{index, 1 << 60} {
		if entries, now := second.entries(t, "web", after); len(entries) != 0 || now == after {
			t.Errorf("after %d: %v at %d", after, describe(entries), now)
		}
	}
}

func TestReplaceExistingChecks(t *testing.T) {
	a := start(t, agent.Config{})
	r := ttl("web", "web1", "10m")
	r.Check.CheckID = "old"
	a.register(t, r)
	if err := errors.Join(a.client.Agent().PassTTL("old", "kept"), a.client.Agent().EnableServiceMaintenance("web1", "")); err != nil {
		t.Fatal(err)
	}
	second := ttl("web", "web1", "10m")
	second.Check.CheckID = "new"
	a.register(t, second)
	if got := a.checkIDs(t); !slices.Equal(got, []string{"_service_maintenance:web1", "new", "old"}) {
		t.Errorf("without the option: %v", got)
	}
	if err := a.client.Agent().ServiceRegisterOpts(r, api.ServiceRegisterOpts{ReplaceExistingChecks: true}); err != nil {
		t.Fatal(err)
	}
	if got := a.checkIDs(t); !slices.Equal(got, []string{"_service_maintenance:web1", "old"}) {
		t.Errorf("with the option: %v", got)
	}
	checks, err := a.client.Agent().Checks()
	if err != nil || checks["old"].Status != "passing" || checks["old"].Output != "kept" {
		t.Errorf("a check that is registered again lost its result: %+v, %v", checks["old"], err)
	}
}

func (r *running) checkIDs(t *testing.T) []string {
	t.Helper()
	checks, err := r.client.Agent().Checks()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(checks))
}

func TestProbesReachTheCatalog(t *testing.T) {
	a := start(t, agent.Config{CheckLimits: check.Limits{MinInterval: time.Millisecond}})
	var mu sync.Mutex
	status := http.StatusOK
	set := func(to int) { mu.Lock(); defer mu.Unlock(); status = to }
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(status)
	}))
	defer target.Close()
	a.register(t, &api.AgentServiceRegistration{Name: "web", Checks: api.AgentServiceChecks{
		{HTTP: target.URL, Interval: "10ms", Timeout: "5s"},
		{TCP: target.Listener.Addr().String(), Interval: "10ms"},
	}})
	a.until(t, "web", "passing")
	set(http.StatusTooManyRequests)
	a.until(t, "web", "warning")
	set(http.StatusServiceUnavailable)
	a.until(t, "web", "critical")
	if got := a.checkIDs(t); !slices.Equal(got, []string{"service:web:1", "service:web:2"}) {
		t.Errorf("checks: %v", got)
	}
}

func TestCriticalServiceIsRemoved(t *testing.T) {
	a := start(t, agent.Config{CheckLimits: check.Limits{MinDeregisterAfter: time.Millisecond}})
	r := ttl("web", "web1", "20ms")
	r.Check.DeregisterCriticalServiceAfter = "20ms"
	a.register(t, r)
	keep := ttl("keep", "keep1", "10m")
	a.register(t, keep)
	for index := uint64(0); ; {
		entries, next := a.entries(t, "web", index)
		if len(entries) == 0 {
			break
		}
		if next <= index {
			t.Fatal("the service was not removed in time")
		}
		index = next
	}
	if entries, _ := a.entries(t, "keep", 0); len(entries) != 1 {
		t.Error("another service was removed")
	}
	if err := a.client.Agent().PassTTL("service:web1", ""); err == nil || !strings.Contains(err.Error(), "Unknown check ID") {
		t.Errorf("renewal of a removed service: %v", err)
	}
}

func TestShutdownEndsIdleQueries(t *testing.T) {
	const many = 1000
	a := start(t, agent.Config{})
	_, index := a.entries(t, "web", 0)
	watches := make([]<-chan result, many)
	for i := range watches {
		watches[i] = a.watch("web", index)
	}
	a.register(t, ttl("probe", "probe1", "10m")) // the agent serves beside them
	a.stop()
	for _, watch := range watches {
		// One that was under way is answered; one that came too late is refused.
		if got := <-watch; got.err == nil && got.index != index {
			t.Errorf("index %d, want %d", got.index, index)
		}
	}
}

func TestPortTaken(t *testing.T) {
	a := start(t, agent.Config{})
	_, err := agent.New(agent.Config{HTTPAddr: a.Addr().String()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), a.Addr().String()) || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, cfg := range map[string]agent.Config{
		`HTTP address "nope" is not host:port`: {HTTPAddr: "nope"},
		`node address "0.0.0.0"`:               {HTTPAddr: "127.0.0.1:0", Address: "0.0.0.0"},
		`node address "name"`:                  {HTTPAddr: "127.0.0.1:0", Address: "name"},
	} {
		if a, err := agent.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v", cfg, a, err)
		}
	}
}

func TestCloseWithoutRun(t *testing.T) {
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := net.Listen("tcp", a.Addr().String())
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = again.Close()
}

func TestManyClientsAtOnce(t *testing.T) {
	a := start(t, agent.Config{})
	var work sync.WaitGroup
	for n := range 20 {
		work.Go(func() {
			id := fmt.Sprint("web", n)
			for range 10 {
				if err := errors.Join(
					a.client.Agent().ServiceRegister(ttl("web", id, "10m")),
					a.client.Agent().PassTTL("service:"+id, ""),
				); err != nil {
					t.Error(err)
				}
			}
			if n%2 == 0 {
				if err := a.client.Agent().ServiceDeregister(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	entries, _, err := a.client.Health().Service("web", "", true, nil)
	if err != nil || len(entries) != 10 {
		t.Errorf("%d instances pass, want 10: %v", len(entries), err)
	}
}
