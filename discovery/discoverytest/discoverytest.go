// Package discoverytest is the contract of [discovery.Registry] as a test suite. Every implementation passes
// it; to use Panda with a registry of your own, run it over yours:
//
//	func TestContract(t *testing.T) {
//		discoverytest.Run(t, func(t *testing.T) discoverytest.Harness { ... })
//	}
//
// It waits for conditions and never sleeps, and it asserts no timing. It does not test what only one kind of
// registry can do, such as failing over between agents.
package discoverytest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
)

// patience is how long a condition may take before the test fails. It is no measure of speed.
const patience = 60 * time.Second

// Harness is one registry under test and the hands that act on it from outside, past the registry's own code.
// All functions return once what they do has happened; they call t.Fatal when it cannot.
type Harness struct {
	Registry discovery.Registry

	// Put registers an instance that nobody announces, without a check, in place of one with the same ID.
	// It works while the registry is disconnected, as another program's connection would.
	Put func(discovery.Instance)
	// Forget makes the registry lose the instance, whether it is being announced or not.
	Forget func(id string)
	// Disconnect makes Registry unable to reach what it asks, and breaks the connections that it has.
	Disconnect func()
	// Reconnect undoes Disconnect.
	Reconnect func()
}

// Run runs the suite. newHarness is called once for each case, with the case's own t; harnesses may share a
// registry behind them, since each case uses names of its own.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, newHarness(t))
		})
	}
}

var cases = []struct {
	name string
	run  func(*testing.T, Harness)
}{
	{"the first snapshot is the full set", fullSetFirst},
	{"a service without instances is told as such", noneFirst},
	{"changes are told", changesTold},
	{"the empty set is told", emptySetTold},
	{"what is the same is not told again", sameNotToldAgain},
	{"the last known instances stay while the registry is away", lastKnownStays},
	{"a watch survives a first query that fails", firstQueryFails},
	{"a watch ends with its context", watchEnds},
	{"all watchers see the same", severalWatchers},
	{"an announced instance is found as written", announcedAsWritten},
	{"names and addresses of all kinds are found", oddNames},
	{"a change of health is seen", healthSeen},
	{"an instance that ends is gone", endedGone},
	{"a lost instance comes back", lostComesBack},
	{"a changed instance is put right", changedPutRight},
	{"an ID is taken over", idTakenOver},
	{"a registry that is away is waited for", announceWaits},
	{"removal is bounded while the registry is away", leaveBounded},
	{"services are listed in order", servicesListed},
	{"values that can never be announced are refused", invalidRefused},
}

// serviceName returns a name that no other case uses.
func serviceName(t *testing.T) string {
	t.Helper()
	return "contract-" + strings.ToLower(rand.Text()[:10])
}

func instance(service, id string, port int) discovery.Instance {
	return discovery.Instance{ID: service + "-" + id, Service: service, Address: "127.0.0.1", Port: port}
}

// history is what a watch has told so far.
type history struct {
	mu      sync.Mutex
	told    []discovery.Snapshot
	changed chan struct{} // closed at the next snapshot

	cancel context.CancelFunc
	ended  chan error // what Watch returned
}

// watch begins a watch that ends with the test at the latest.
func watch(t *testing.T, r discovery.Registry, service string) *history {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := &history{changed: make(chan struct{}), cancel: cancel, ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ended <- r.Watch(ctx, service, h.add)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return h
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

// await returns the last snapshot once it is as wanted.
func (h *history) await(t *testing.T, wanted string, is func(discovery.Snapshot) bool) discovery.Snapshot {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		told, changed := h.all()
		if n := len(told); n > 0 && is(told[n-1]) {
			return told[n-1]
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("no snapshot with %s within %v; told: %+v", wanted, patience, told)
		}
	}
}

// first returns the first snapshot.
func (h *history) first(t *testing.T) discovery.Snapshot {
	t.Helper()
	h.await(t, "anything", func(discovery.Snapshot) bool { return true })
	told, _ := h.all()
	return told[0]
}

// ids returns a condition: exactly these instances, each usable, and a registry that answers.
func ids(want ...string) func(discovery.Snapshot) bool {
	return func(s discovery.Snapshot) bool {
		if s.Err != nil || len(s.Instances) != len(want) {
			return false
		}
		for i := range want {
			if s.Instances[i].ID != want[i] || !s.Instances[i].Usable() {
				return false
			}
		}
		return true
	}
}

// announcement is an Announce in progress.
type announcement struct {
	cancel context.CancelFunc
	ended  chan error // what Announce returned
	events chan discovery.Event
}

// announce begins an Announce that ends with the test at the latest. Its TTL is the shortest there is.
func announce(t *testing.T, r discovery.Registry, a discovery.Announcement) *announcement {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n := &announcement{cancel: cancel, ended: make(chan error, 1), events: make(chan discovery.Event, 10_000)}
	a.TTL = time.Second
	a.Observe = func(e discovery.Event) { n.events <- e }
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.ended <- r.Announce(ctx, a)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return n
}

// await waits for an event of the kind and passes over all others.
func (n *announcement) await(t *testing.T, kind discovery.EventKind) discovery.Event {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e := <-n.events:
			if e.Kind == kind {
				return e
			}
		case err := <-n.ended:
			t.Fatalf("Announce returned %v before an event of kind %d", err, kind)
		case <-timeout.C:
			t.Fatalf("no event of kind %d within %v", kind, patience)
		}
	}
}

// end waits for what a call has returned.
func end(t *testing.T, call string, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatalf("%s does not return within %v", call, patience)
		return nil
	}
}
