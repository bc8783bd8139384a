package inmemory

import (
	"context"
	"fmt"
	"time"

	"github.com/pandakit/panda/discovery"
)

const (
	defaultTTL          = 15 * time.Second
	minTTL              = time.Second
	defaultLeaveTimeout = 5 * time.Second
)

// Announce implements [discovery.Registry]. A loss is noticed when it happens, not at the next renewal. An
// instance that could not be removed, because the registry is disconnected for the whole of LeaveTimeout,
// stays as critical.
func (r *Registry) Announce(ctx context.Context, a discovery.Announcement) error {
	if err := check(&a.Instance); err != nil {
		return err
	}
	if a.TTL == 0 {
		a.TTL = defaultTTL
	}
	if a.LeaveTimeout <= 0 {
		a.LeaveTimeout = defaultLeaveTimeout
	}
	n := &announcer{registry: r, a: a}
	n.keep(ctx)
	return n.leave(ctx)
}

// announcer keeps one instance known. It belongs to one goroutine.
type announcer struct {
	registry *Registry
	a        discovery.Announcement

	registered bool // once at least, and not removed since
	failing    bool // it has been told that the registry is away
}

func (n *announcer) keep(ctx context.Context) {
	renewal := time.NewTicker(max(n.a.TTL, minTTL) / 3)
	defer renewal.Stop()
	healthChanged := n.a.HealthChanged
	wanted := n.current()
	for ctx.Err() == nil {
		changed := n.reconcile(wanted)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-renewal.C:
			wanted = n.current()
		case _, open := <-healthChanged:
			if !open {
				healthChanged = nil
				continue
			}
			wanted = n.current()
		}
	}
}

// current returns the instance in its present health.
func (n *announcer) current() discovery.Instance {
	c := discovery.Check{ID: "service:" + n.a.Instance.ID, Name: "Health", Status: discovery.Passing}
	if n.a.Health != nil {
		c.Status, c.Output = n.a.Health()
	}
	i := n.a.Instance
	i.Checks = []discovery.Check{c}
	i.Node, i.Datacenter, i.Distance = node, "", 0
	i.Weight = max(i.Weight, 1)
	return clone(i)
}

// reconcile makes the registry know the instance as wanted, and tells what it met. The channel is closed
// when something may have changed since.
func (n *announcer) reconcile(wanted discovery.Instance) <-chan struct{} {
	r := n.registry
	r.mu.Lock()
	if !r.since.IsZero() {
		changed := r.changed
		r.mu.Unlock()
		if !n.failing {
			n.failing = true
			n.observe(discovery.Failed, fmt.Errorf("announce service %q: %w", wanted.Service, ErrDisconnected))
		}
		return changed
	}
	seen, known := r.instances[wanted.ID]
	intact := known && n.registered && sameButHealth(seen, wanted)
	if !known || !seen.Equal(&wanted) {
		r.instances[wanted.ID] = wanted
		close(r.changed)
		r.changed = make(chan struct{})
	}
	changed := r.changed
	r.mu.Unlock()

	n.failing = false
	if !intact {
		if n.registered {
			n.observe(discovery.Lost, fmt.Errorf("instance %q was removed or changed", wanted.ID))
		}
		n.registered = true
		n.observe(discovery.Registered, nil)
	}
	return changed
}

func sameButHealth(a, b discovery.Instance) bool {
	a.Checks, b.Checks = nil, nil
	return a.Equal(&b)
}

func (n *announcer) observe(kind discovery.EventKind, err error) {
	if n.a.Observe != nil {
		n.a.Observe(discovery.Event{Kind: kind, Err: err})
	}
}

// leave removes the instance, and waits for a registry that is away.
func (n *announcer) leave(ctx context.Context) error {
	if !n.registered {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.a.LeaveTimeout)
	defer cancel()
	for {
		removed, changed := n.remove()
		if removed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			n.orphan()
			return fmt.Errorf("remove service %q, instance %q, from the registry: %w", n.a.Instance.Service, n.a.Instance.ID, ErrDisconnected)
		}
	}
}

func (n *announcer) remove() (removed bool, changed <-chan struct{}) {
	r := n.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.since.IsZero() {
		return false, r.changed
	}
	if _, known := r.instances[n.a.Instance.ID]; known {
		delete(r.instances, n.a.Instance.ID)
		close(r.changed)
		r.changed = make(chan struct{})
	}
	return true, nil
}

// orphan leaves the instance behind in the state of one that nobody renews.
func (n *announcer) orphan() {
	n.registry.change(func() {
		left, known := n.registry.instances[n.a.Instance.ID]
		if !known {
			return
		}
		left.Checks = []discovery.Check{{
			ID: "service:" + left.ID, Name: "Health", Status: discovery.Critical, Output: "TTL expired",
		}}
		n.registry.instances[left.ID] = left
	})
}
