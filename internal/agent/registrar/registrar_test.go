package registrar_test

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const node = "n1"

func newRegistrar(t *testing.T) (*registrar.Registrar, *catalog.Catalog) {
	t.Helper()
	state := catalog.New(1)
	if err := state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: node}) }); err != nil {
		t.Fatal(err)
	}
	r := registrar.New(registrar.Config{Catalog: state, Node: node, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(r.Close)
	return r, state
}

func web(ttl, deregister time.Duration) *consulwire.ServiceRegistration {
	return &consulwire.ServiceRegistration{Name: "web", Check: &consulwire.CheckRegistration{
		TTL: consulwire.Duration(ttl), DeregisterCriticalServiceAfter: consulwire.Duration(deregister),
	}}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// after lets d pass in the bubble's fake time, and all that is due then happen.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func status(c *catalog.Catalog, id string) string {
	if row := c.View().Check(node, id); row != nil {
		return row.Status
	}
	return "gone"
}

func TestServiceGoesAfterAMinuteCritical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.Register(web(10*time.Second, time.Second), false))
		must(t, r.Renew("service:web", consulwire.Passing, ""))
		after(69 * time.Second)
		if got := status(state, "service:web"); got != consulwire.Critical {
			t.Fatalf("after 69 s: %s", got)
		}
		after(time.Second)
		if got := status(state, "service:web"); got != "gone" || state.View().Instance(node, "web") != nil {
			t.Fatalf("after 70 s: %s", got)
		}
		if err := r.Renew("service:web", consulwire.Passing, ""); !isUnknownCheck(err) {
			t.Errorf("renewal afterwards: %v", err)
		}
	})
}

func isUnknownCheck(err error) bool {
	_, ok := errors.AsType[*registrar.UnknownCheckError](err)
	return ok
}

func TestRegisteringAgainGivesTheServiceMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		for range 5 {
			must(t, r.Register(web(10*time.Second, time.Minute), false))
			after(50 * time.Second)
		}
		if got := status(state, "service:web"); got != consulwire.Critical {
			t.Errorf("got %s", got)
		}
	})
}

func TestCheckOfTheNodeRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.Register(&consulwire.ServiceRegistration{Name: "web"}, false),
			r.RegisterCheck(&consulwire.CheckRegistration{Name: "disk", TTL: consulwire.Duration(time.Second), DeregisterCriticalServiceAfter: consulwire.Duration(time.Minute)}))
		after(10 * time.Minute)
		if status(state, "disk") != consulwire.Critical || state.View().Instance(node, "web") == nil {
			t.Error("a critical check of the node must stay, and its services too")
		}
	})
}

// TestRegisteringAgainKeepsTheResult holds that the running check and the catalog agree about the
// status after a registration that names another one.
func TestRegisteringAgainKeepsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.Register(web(10*time.Second, 0), false), r.Renew("service:web", consulwire.Passing, "up"))
		again := web(10*time.Second, 0)
		again.Check.Status = consulwire.Warning
		must(t, r.Register(again, true))
		if got := state.View().Check(node, "service:web"); got.Status != consulwire.Passing || got.Output != "up" {
			t.Fatalf("got %+v", got)
		}
		index := state.View().Index()
		must(t, r.Renew("service:web", consulwire.Passing, "up"))
		if state.View().Index() != index {
			t.Error("a renewal that changes nothing raised the index")
		}
		must(t, r.Renew("service:web", consulwire.Critical, "down"))
		if got := status(state, "service:web"); got != consulwire.Critical {
			t.Errorf("got %s", got)
		}
	})
}

func TestRenewRefusesProbes(t *testing.T) {
	r, _ := newRegistrar(t)
	must(t, r.RegisterCheck(&consulwire.CheckRegistration{Name: "tcp", TCP: "127.0.0.1:1", Interval: consulwire.Duration(time.Hour)}))
	if err := r.Renew("tcp", consulwire.Passing, ""); !errors.Is(err, check.ErrNotTTL) {
		t.Errorf("got %v", err)
	}
}

func TestDeregisterStopsTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRegistrar(t)
		must(t, r.Register(web(10*time.Second, 0), false), r.Deregister("web"))
		index := state.View().Index()
		after(time.Minute)
		if state.View().Index() != index {
			t.Error("something was written after the service went")
		}
		if _, ok := errors.AsType[*registrar.UnknownServiceError](r.Deregister("web")); !ok {
			t.Error("the second time must fail")
		}
	})
}

// TestAtOnce registers, renews and removes the same service from many sides; catalog and checks must
// agree in the end.
func TestAtOnce(t *testing.T) {
	r, state := newRegistrar(t)
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for n := range 50 {
				if err := r.Register(web(time.Millisecond, 0), n%2 == 0); err != nil {
					t.Error(err)
				}
				if err := r.Renew("service:web", consulwire.Passing, ""); err != nil && !isUnknownCheck(err) {
					t.Error(err)
				}
				_ = r.Deregister("web") // another may have been first
			}
		})
	}
	work.Wait()
	must(t, r.Register(web(time.Hour, 0), false), r.Renew("service:web", consulwire.Passing, "end"))
	if got := status(state, "service:web"); got != consulwire.Passing {
		t.Errorf("in the end: %s", got)
	}
}

// TestBounded holds that what one agent takes is bounded, and that it goes on when something is removed.
func TestBounded(t *testing.T) {
	r, _ := newRegistrar(t)
	flood := &consulwire.ServiceRegistration{Name: "flood"}
	for range 1 << 15 {
		flood.Checks = append(flood.Checks, &consulwire.CheckRegistration{TTL: consulwire.Duration(time.Hour)})
	}
	must(t, r.Register(flood, false))
	if _, ok := errors.AsType[*registrar.InvalidError](r.Register(web(time.Hour, 0), false)); !ok {
		t.Error("one check more was taken")
	}
	must(t, r.Deregister("flood"), r.Register(web(time.Hour, 0), false))
}
