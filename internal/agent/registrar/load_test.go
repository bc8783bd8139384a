package registrar_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func defined(name string, port int, ttl time.Duration) *consulwire.ServiceRegistration {
	return &consulwire.ServiceRegistration{Name: name, Port: port, Check: &consulwire.CheckRegistration{TTL: consulwire.Duration(ttl)}}
}

func loneTTL(id, service string) *consulwire.CheckRegistration {
	return &consulwire.CheckRegistration{Name: id, ServiceID: service, TTL: consulwire.Duration(time.Hour)}
}

func listed(c *catalog.Catalog) (all []string) {
	v := c.View()
	for _, i := range v.NodeInstances(node) {
		all = append(all, i.ID)
	}
	for _, c := range v.NodeChecks(node) {
		all = append(all, c.CheckID)
	}
	return all
}

type (
	services = []*consulwire.ServiceRegistration
	checks   = []*consulwire.CheckRegistration
)

// TestLoadAppliesTheDifference holds that what came, changed and went in files is applied, and nothing else.
func TestLoadAppliesTheDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.Register(&consulwire.ServiceRegistration{Name: "api"}, false), r.RegisterCheck(loneTTL("api-own", "api")))
		must(t, r.Load(services{defined("stays", 1, time.Hour), defined("goes", 1, time.Hour), defined("changes", 1, time.Hour)},
			checks{loneTTL("disk", ""), loneTTL("of-api", "api"), loneTTL("more", "stays")}))
		must(t, r.Renew("service:stays", consulwire.Passing, "up"), r.Renew("service:changes", consulwire.Passing, "up"))
		stays := state.View().Instance(node, "stays").ModifyIndex
		must(t, r.Load(services{defined("stays", 1, time.Hour), defined("changes", 2, time.Minute), defined("comes", 1, time.Hour)}, checks{loneTTL("of-api", "api")}))
		want := []string{"api", "changes", "comes", "stays", "api-own", "of-api", "service:changes", "service:comes", "service:stays"}
		if got := listed(state); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if i := state.View().Instance(node, "stays"); i.ModifyIndex != stays || state.View().Check(node, "service:stays").Output != "up" {
			t.Error("what did not change was written")
		}
		if i := state.View().Instance(node, "changes"); i.Port != 2 || status(state, "service:changes") != consulwire.Passing {
			t.Error("a changed service must have its new definition and keep its status")
		}
		after(2 * time.Minute) // the changed TTL is in force
		if got := status(state, "service:changes"); got != consulwire.Critical {
			t.Errorf("after the new TTL: %s", got)
		}
		if got := status(state, "service:stays"); got != consulwire.Passing {
			t.Errorf("the service that stays is %s", got)
		}
		must(t, r.Load(nil, nil))
		if got := listed(state); !slices.Equal(got, []string{"api", "api-own"}) {
			t.Errorf("without files: %v", got)
		}
	})
}

func TestFileTakesOverAndGivesBack(t *testing.T) {
	r, state := newRegistrar(t)
	must(t, r.Register(defined("web", 1, time.Hour), false), r.Load(services{defined("web", 2, time.Hour)}, nil))
	if i := state.View().Instance(node, "web"); i.Port != 2 || !i.FromFile {
		t.Fatalf("got %+v", i)
	}
	must(t, r.Deregister("web"), r.Load(services{defined("web", 2, time.Hour)}, nil))
	if state.View().Instance(node, "web") == nil {
		t.Error("a reload must bring back what a file defines")
	}
	must(t, r.Load(nil, nil))
	if state.View().Instance(node, "web") != nil {
		t.Error("the service must go with its file")
	}
}

func TestBadDefinitionChangesNothing(t *testing.T) {
	r, state := newRegistrar(t)
	must(t, r.Load(services{defined("web", 1, time.Hour)}, nil))
	index := state.View().Index()
	script := &consulwire.CheckRegistration{Name: "s", ScriptArgs: []string{"/bin/true"}, Interval: consulwire.Duration(time.Hour)}
	for want, load := range map[string]struct {
		s services
		c checks
	}{
		`register service "bad" of a file: Invalid service port -1`:              {services{defined("new", 1, time.Hour), defined("bad", -1, time.Hour)}, nil},
		`register check "s" of a file: Scripts are disabled on this agent; to`:   {nil, checks{script}},
		`register check "k" of a file: ServiceID "no" does not exist`:            {nil, checks{loneTTL("k", "no")}},
		`register check "k" of a file: ServiceID "web" does not exist`:           {nil, checks{loneTTL("k", "web")}},
		`register service "w" of a file: Service tagged address "lan_ipv4" must`: {services{{Name: "w", TaggedAddresses: map[string]consulwire.ServiceAddress{"lan_ipv4": {Address: "::1"}}}}, nil},
	} {
		if err := r.Load(load.s, load.c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if state.View().Index() != index {
		t.Error("something has changed")
	}
}

// TestResume starts a registrar on the rows of another, as after a restart.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, before := newRegistrar(t)
		must(t, r.Register(web(10*time.Second, time.Minute), false), r.Renew("service:web", consulwire.Passing, "up"))
		r.Close()
		state := restored(t, before)
		again := registrar.New(registrar.Config{Catalog: state, Node: node, Logger: slog.New(slog.DiscardHandler)})
		defer again.Close()
		must(t, again.Resume())
		after(9 * time.Second)
		if c := state.View().Check(node, "service:web"); c.Status != consulwire.Passing || c.Output != "up" {
			t.Fatalf("right after: %+v", c)
		}
		after(time.Second)
		if got := status(state, "service:web"); got != consulwire.Critical {
			t.Errorf("after the TTL: %s", got)
		}
		after(time.Minute)
		if got := status(state, "service:web"); got != "gone" {
			t.Errorf("after a minute critical: %s", got)
		}
	})
}

// restored returns a catalog with the rows of another, each written as JSON and read.
func restored(t *testing.T, from *catalog.Catalog) *catalog.Catalog {
	t.Helper()
	state := catalog.New(1)
	must(t, state.Write(func(w *catalog.Writer) error {
		v := from.View()
		if err := w.SetNode(v.Node(node)); err != nil {
			return err
		}
		for _, row := range v.NodeInstances(node) {
			if err := w.SetInstance(copied(t, row)); err != nil {
				return err
			}
		}
		for _, row := range v.NodeChecks(node) {
			if err := w.SetCheck(copied(t, row)); err != nil {
				return err
			}
		}
		return nil
	}))
	return state
}

func copied[T any](t *testing.T, row *T) *T {
	t.Helper()
	written, err := json.Marshal(row)
	must(t, err)
	read := new(T)
	must(t, json.Unmarshal(written, read))
	return read
}

func TestResumeRefusesScripts(t *testing.T) {
	state := catalog.New(1)
	must(t, state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: node}) }))
	cfg := registrar.Config{Catalog: state, Node: node, Logger: slog.New(slog.DiscardHandler), RemoteScripts: true}
	r := registrar.New(cfg)
	must(t, r.RegisterCheck(&consulwire.CheckRegistration{Name: "s", Status: "passing", ScriptArgs: []string{"/bin/true"}, Interval: consulwire.Duration(time.Hour)}))
	r.Close()
	cfg.RemoteScripts = false
	again := registrar.New(cfg)
	defer again.Close()
	must(t, again.Resume())
	if c := state.View().Check(node, "s"); c.Status != consulwire.Critical || !strings.HasPrefix(c.Output, "Scripts are disabled") {
		t.Errorf("got %+v", c)
	}
}

func TestAliasFollowsTheCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.RegisterCheck(&consulwire.CheckRegistration{Name: "alias", AliasService: "web"}))
		synctest.Wait()
		if c := state.View().Check(node, "alias"); c.Status != consulwire.Critical || c.Output != "Service web could not be found on node " {
			t.Fatalf("without the service: %+v", c)
		}
		must(t, r.Register(&consulwire.ServiceRegistration{Name: "web"}, false))
		synctest.Wait()
		if got := status(state, "alias"); got != consulwire.Passing {
			t.Errorf("without checks: %s", got)
		}
		must(t, r.RegisterCheck(loneTTL("ttl", "web")))
		synctest.Wait()
		if got := status(state, "alias"); got != consulwire.Critical {
			t.Errorf("with a critical check: %s", got)
		}
		must(t, r.Renew("ttl", consulwire.Warning, "slow"))
		synctest.Wait()
		if c := state.View().Check(node, "alias"); c.Status != consulwire.Warning || c.Output != `Aliased check "ttl" failing: slow` {
			t.Errorf("with a warning: %+v", c)
		}
		must(t, r.Deregister("web"))
		synctest.Wait()
		if got := status(state, "alias"); got != consulwire.Critical {
			t.Errorf("when the service is gone: %s", got)
		}
	})
}

// TestAliasDoesNotFollowItself holds that a check that follows its own service or node looks at the others there.
func TestAliasDoesNotFollowItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.Register(&consulwire.ServiceRegistration{Name: "web", Check: &consulwire.CheckRegistration{AliasService: "web"}}, false),
			r.RegisterCheck(&consulwire.CheckRegistration{Name: "node", AliasNode: node}), r.RegisterCheck(loneTTL("ttl", "")))
		must(t, r.Renew("ttl", consulwire.Warning, "slow"))
		synctest.Wait()
		for _, id := range []string{"service:web", "node"} {
			if c := state.View().Check(node, id); c.Status != consulwire.Warning {
				t.Errorf("%s: %s %q", id, c.Status, c.Output)
			}
		}
	})
}
