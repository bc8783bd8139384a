package conformance_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// patience is how long a condition may take before a test fails. It is no measure of speed.
const patience = 2 * time.Minute

func newRegistry(t testing.TB, cfg consul.Config) *consul.Registry {
	t.Helper()
	r, err := consul.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// history is all that a watch has told.
type history struct {
	mu      sync.Mutex
	told    []discovery.Snapshot
	changed chan struct{}
}

// watch watches until the test ends.
func watch(t testing.TB, r discovery.Registry, service string) *history {
	t.Helper()
	h := &history{changed: make(chan struct{})}
	during(t, func(ctx context.Context) {
		_ = r.Watch(ctx, service, h.add) // it ends with the test
	})
	return h
}

// during runs do until the test ends, and waits for it then.
func during(t testing.TB, do func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { do(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func (h *history) add(s discovery.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, s)
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *history) all() ([]discovery.Snapshot, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told, h.changed
}

// await returns how many snapshots were told once the last one is as wanted.
func (h *history) await(t testing.TB, wanted string, is func(discovery.Snapshot) bool) int {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		told, changed := h.all()
		if n := len(told); n > 0 && is(told[n-1]) {
			return n
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("no snapshot with %s within %v; told: %+v", wanted, patience, told)
		}
	}
}

// usable returns a condition: the registry answers, and exactly these instances are usable.
func usable(want ...string) func(discovery.Snapshot) bool {
	return func(s discovery.Snapshot) bool {
		found := s.Usable()
		if s.Err != nil || len(found) != len(want) {
			return false
		}
		for i := range want {
			if found[i].ID != want[i] {
				return false
			}
		}
		return true
	}
}

// neverWithout fails the test if a snapshot lacks one of the instances, or has it in a state that is not usable.
func (h *history) neverWithout(t testing.TB, ids ...string) {
	t.Helper()
	told, _ := h.all()
	for n, s := range told {
		found := make(map[string]bool)
		for _, i := range s.Usable() {
			found[i.ID] = true
		}
		for _, id := range ids {
			if !found[id] {
				t.Errorf("snapshot %d of %d lacks %s as usable: %+v", n+1, len(told), id, s)
			}
		}
	}
}

// events are those of an announcement, in order.
type events chan discovery.Event

// announce announces until the test ends.
func announce(t testing.TB, r discovery.Registry, a discovery.Announcement) events {
	t.Helper()
	told := make(events, 10_000)
	a.Observe = func(e discovery.Event) { told <- e }
	during(t, func(ctx context.Context) {
		if err := r.Announce(ctx, a); err != nil {
			t.Logf("Announce: %v", err) // its agent may be gone by now
		}
	})
	return told
}

// await passes over events until there were n more of the kind.
func (e events) await(t testing.TB, kind discovery.EventKind, n int) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for n > 0 {
		select {
		case event := <-e:
			if event.Kind == kind {
				n--
			}
		case <-timeout.C:
			t.Fatalf("%d events of kind %d are missing after %v", n, kind, patience)
		}
	}
}

func instance(id string, port int) discovery.Instance {
	return discovery.Instance{ID: id, Service: "orders", Address: "127.0.0.1", Port: port}
}
