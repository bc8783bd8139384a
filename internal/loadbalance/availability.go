package loadbalance

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/pandakit/panda/discovery"
)

// Availability tells the owner of a client whether calls can be sent now, and of each instance why not. One belongs to
// one client connection; all methods may be called from several goroutines at once.
//
// A connection that gRPC has put to rest after a long time without calls is not ready: wake it with
// Connect before Wait.
type Availability struct {
	ready atomic.Bool

	mu      sync.Mutex
	changed chan struct{} // closed when ready turns true; nil while no one waits
	source  *policy
}

// NewAvailability returns an Availability that is not ready.
func NewAvailability() *Availability { return new(Availability) }

// Ready reports whether at least one instance has a working connection. It costs one atomic load.
func (a *Availability) Ready() bool { return a.ready.Load() }

// Wait returns nil once Ready reports true, or ctx's error. By the time it returns that may have changed again.
func (a *Availability) Wait(ctx context.Context) error {
	for !a.ready.Load() {
		select {
		case <-a.signal():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (a *Availability) signal() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
		if a.ready.Load() {
			close(a.changed)
		}
	}
	return a.changed
}

// Refusal returns why calls are not sent to the instance now: its last connection error, such as "connection
// refused", or that it is ejected, until when and for what. It is "" while there is nothing to say against it: it is in
// use, is being connected to for the first time, or is not among this client's instances.
func (a *Availability) Refusal(i discovery.Instance) string {
	a.mu.Lock()
	source := a.source
	a.mu.Unlock()
	if source == nil {
		return ""
	}
	return source.refusal(&i)
}

// attach makes b the one that is asked; set and detach of any other have no effect from now on.
func (a *Availability) attach(b *policy) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.source = b
}

func (a *Availability) detach(b *policy) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.source == b {
		a.source = nil
		a.ready.Store(false)
		a.changed = a.renewed()
	}
}

func (a *Availability) set(b *policy, ready bool) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.source != b || a.ready.Load() == ready {
		return
	}
	a.ready.Store(ready)
	if ready && a.changed != nil {
		close(a.changed)
	}
	if !ready {
		a.changed = a.renewed()
	}
}

// renewed returns the channel for the next time that ready turns true: one that was closed is of no use
// any more, one that is waited on stays.
func (a *Availability) renewed() chan struct{} {
	select {
	case <-a.changed:
		return nil
	default:
		return a.changed
	}
}
