// Package inmemory is a registry inside one process: for tests, and for demonstrations that need no agent.
//
// A [Registry] keeps the contract of [discovery.Registry] and refuses what Consul refuses. A test can make it
// unreachable, make it lose everything, and put instances into it that nobody announces. It never opens a
// connection, shares nothing with other processes, and nothing in it grows old: an instance's TTL does not
// run out while its Announce lives.
package inmemory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/internal/limits"
)

// node is where instances run unless they say otherwise.
const node = "inmemory"

// ErrDisconnected is why a registry cannot be reached between Disconnect and Reconnect.
var ErrDisconnected = errors.New("the in-memory registry is disconnected")

var _ discovery.Registry = (*Registry)(nil)

// Registry is the registry. Its methods may be called from several goroutines at once. Use [New].
type Registry struct {
	mu        sync.Mutex
	instances map[string]discovery.Instance // by ID
	since     time.Time                     // when it was disconnected; zero while it is not
	changed   chan struct{}                 // closed at the next change
}

// New returns an empty registry that can be reached.
func New() *Registry {
	return &Registry{instances: make(map[string]discovery.Instance), changed: make(chan struct{})}
}

// String returns "in-memory registry".
func (r *Registry) String() string { return "in-memory registry" }

// Put makes an instance known, in place of one with the same ID, as if another program had registered it.
// It is kept as it is, Checks and Distance included; Node is "inmemory" when empty, Weight 1 when zero. It
// works while the registry is disconnected too: watchers see it later.
func (r *Registry) Put(i discovery.Instance) {
	i = clone(i)
	i.Node = cmp.Or(i.Node, node)
	i.Weight = cmp.Or(i.Weight, 1)
	r.change(func() { r.instances[i.ID] = i })
}

// Remove forgets the instance with the ID, if there is one. An Announce that still goes on finds its
// instance lost and registers it anew.
func (r *Registry) Remove(id string) {
	r.change(func() { delete(r.instances, id) })
}

// Restart forgets all instances, as an agent does that was killed and keeps nothing on disk. Those that are
// being announced come back at once; watchers may see the empty set before.
func (r *Registry) Restart() {
	r.change(func() { clear(r.instances) })
}

// Disconnect makes the registry unreachable until Reconnect. Doing it twice does nothing more.
func (r *Registry) Disconnect() {
	r.change(func() {
		if r.since.IsZero() {
			r.since = time.Now()
		}
	})
}

// Reconnect undoes Disconnect.
func (r *Registry) Reconnect() {
	r.change(func() { r.since = time.Time{} })
}

// change does what do says and wakes all that wait.
func (r *Registry) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.changed)
	r.changed = make(chan struct{})
}

// Services implements [discovery.Registry].
func (r *Registry) Services(ctx context.Context) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := ctx.Err()
	if err == nil && !r.since.IsZero() {
		err = ErrDisconnected
	}
	if err != nil {
		return nil, fmt.Errorf("list services: ask %s: %w", r, err)
	}
	names := make(map[string]bool)
	for _, i := range r.instances {
		names[i.Service] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Watch implements [discovery.Registry].
func (r *Registry) Watch(ctx context.Context, service string, update func(discovery.Snapshot)) error {
	var last *discovery.Snapshot
	for ctx.Err() == nil {
		snapshot, changed := r.snapshot(service, last)
		if last == nil || !last.Equal(&snapshot) {
			last = &snapshot
			update(snapshot)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return ctx.Err() //nolint:wrapcheck // the contract
}

// snapshot returns what there is to tell after last, and a channel that is closed when it may be outdated.
func (r *Registry) snapshot(service string, last *discovery.Snapshot) (discovery.Snapshot, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := discovery.Snapshot{Service: service, Registry: r.String()}
	if !r.since.IsZero() {
		s.Err, s.Since = ErrDisconnected, r.since
		if last != nil {
			s.Instances = last.Instances
		}
		return s, r.changed
	}
	for _, i := range r.instances {
		if i.Service == service {
			s.Instances = append(s.Instances, i)
		}
	}
	slices.SortFunc(s.Instances, func(a, b discovery.Instance) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID))
	})
	return s, r.changed
}

// check returns the first reason why the instance can never be announced, as an error that may be nil.
func check(i *discovery.Instance) error {
	if invalid := limits.Check(i); invalid != nil {
		return invalid
	}
	return nil
}

func clone(i discovery.Instance) discovery.Instance {
	i.Tags = slices.Clone(i.Tags)
	i.Meta = maps.Clone(i.Meta)
	i.Checks = slices.Clone(i.Checks)
	slices.SortStableFunc(i.Checks, func(a, b discovery.Check) int { return cmp.Compare(a.ID, b.ID) })
	return i
}
