package workspace

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/workspace/health"
)

// An attached instance is gone when it takes no connection so many times in a row, so far apart. Its checks do
// not count: a program that is stopped at a breakpoint renews none.
const (
	attachedProbe  = time.Second
	attachedMisses = 2
)

// attachedTTL is that of an instance which is announced for a program that does not do so itself.
const attachedTTL = 15 * time.Second

// attachment is an instance that was started elsewhere and stands in for those of a service.
type attachment struct {
	address string
	id      string             // under which it has registered itself; "" when we announce it
	end     context.CancelFunc // of its watch
	ended   chan struct{}      // closed when our own run again, or are not to
}

// Attach lets an instance that was started elsewhere, such as by a debugger, stand in for those of a service: it
// waits for one that is passing, or takes the one at address, which is registered if it is not by itself; then
// the service's own instances are drained. They are started again when the attached one takes no connection any
// more, and at [Runner.Detach]. It returns the address once the own instances are gone. A ctx that ends while it waits
// leaves all as it was. The errors for what makes no sense are [Runner.Restart]'s.
func (r *Runner) Attach(ctx context.Context, name, address string) (string, error) {
	s := r.service(name)
	switch {
	case s == nil:
		return "", &UnknownServiceError{name, r.names()}
	case s.Registry == "" || s.Oneshot:
		return "", refusedf("%s registers nothing, so nobody would find the instance", name)
	}
	err := r.act(ctx, func(ctx context.Context) error {
		if err := r.idle(s); err != nil {
			return err
		}
		if err := r.notAttached([]*running{s}); err != nil {
			return err
		}
		a, err := r.findAttached(ctx, s, address)
		if err != nil {
			return err
		}
		if err := s.busy.acquire(ctx); err != nil {
			return err
		}
		defer s.busy.release()
		if err := r.join(s, a); err != nil {
			return err
		}
		address = a.address
		r.shrink(s, 0)
		return nil
	})
	return address, err
}

// findAttached waits for the instance to attach.
func (r *Runner) findAttached(ctx context.Context, s *running, address string) (*attachment, error) {
	if address != "" && !answers(ctx, address) {
		return nil, fmt.Errorf("nothing takes connections at %s", address)
	}
	ticker := time.NewTicker(attachedProbe) // an instance without a check is in no news
	defer ticker.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		for id, in := range r.foreignOf(ctx, s) {
			fits := in.Address == address || address == "" && in.Status == discovery.Passing
			if fits && answers(ctx, in.Address) {
				return &attachment{address: in.Address, id: id}, nil
			}
		}
		if address != "" {
			return &attachment{address: address}, nil
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// foreignOf returns the instances under the service's name that are none of ours, by ID. One that has no check is
// passing, as far as the registry is concerned.
func (r *Runner) foreignOf(ctx context.Context, s *running) map[string]health.Instance {
	found, err := r.Registry.Instances(ctx)
	if err != nil {
		return nil // that the registry is away is told by the watch
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, in := range found {
		if in.Service != s.Registry || r.ours(id) {
			delete(found, id)
			continue
		}
		in.Status = discovery.Passing
		if checked, there := r.foreign[id]; there {
			in.Status = checked.Status
		}
		found[id] = in
	}
	return found
}

// join makes the instance the attached one and begins to watch it.
func (r *Runner) join(s *running, a *attachment) error {
	announce, err := r.announcement(s, a)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return context.Canceled
	}
	if s.attached != nil {
		return refusedf("%s is attached at %s already", s.Name, s.attached.address)
	}
	var ctx context.Context
	ctx, a.end = context.WithCancel(r.acting)
	a.ended = make(chan struct{})
	s.attached, s.started = a, true
	r.actions.Go(func() {
		defer close(a.ended)
		defer a.end()
		r.watchAttached(ctx, s, a, announce)
	})
	r.Observe(Event{Kind: Attached, Label: s.Name, Address: a.address})
	return nil
}

// announcement returns what registers the instance until its context ends; it only waits for one that has
// registered itself.
func (r *Runner) announcement(s *running, a *attachment) (func(context.Context), error) {
	if a.id != "" {
		return func(ctx context.Context) { <-ctx.Done() }, nil
	}
	host, portText, err := net.SplitHostPort(a.address)
	if err != nil {
		return nil, refusedf("address %q: want host:port", a.address)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || host == "" {
		return nil, refusedf("address %q: want host:port", a.address)
	}
	registry, err := r.Registry.Announcer(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		_ = registry.Announce(ctx, discovery.Announcement{ // that it left late is the registry's to notice
			Instance: discovery.Instance{ID: s.Name + "-attached", Service: s.Registry, Address: host, Port: port, Weight: 1},
			TTL:      attachedTTL,
		})
	}, nil
}

// watchAttached returns when the instance is gone or detached, or the services are to stop, and has started our
// own again unless they are to stop.
func (r *Runner) watchAttached(ctx context.Context, s *running, a *attachment, announce func(context.Context)) {
	announcing, leave := context.WithCancel(context.WithoutCancel(ctx))
	left := make(chan struct{})
	go func() {
		defer close(left)
		announce(announcing)
	}()
	gone := awaitGone(ctx, a.address)
	if gone && a.id != "" {
		r.deregister(a.id)
	}
	if gone { // nobody is to call it while our own start
		leave()
		<-left
	}
	r.resume(s, a, gone)
	leave()
	<-left
}

// awaitGone returns true when nothing takes connections at the address any more, and false when ctx ends.
func awaitGone(ctx context.Context, address string) bool {
	ticker := time.NewTicker(attachedProbe)
	defer ticker.Stop()
	for misses := 0; misses < attachedMisses; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
		if answers(ctx, address) {
			misses = 0
		} else {
			misses++
		}
	}
	return ctx.Err() == nil
}

// deregister takes out what an instance has left that ended without leaving.
func (r *Runner) deregister(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), deregisterTimeout)
	defer cancel()
	_ = r.Registry.Deregister(ctx, id) // the registry forgets it by itself later
}

// resume starts the service's own instances again.
func (r *Runner) resume(s *running, a *attachment, gone bool) {
	r.mu.Lock()
	s.attached = nil
	if r.stopping || r.acting.Err() != nil {
		r.mu.Unlock()
		return
	}
	ctx := r.acting
	reason := "as it was asked to"
	if gone {
		reason = "nothing takes connections at " + a.address + " any more"
	}
	r.Observe(Event{Kind: Detached, Label: s.Name, Address: a.address, Reason: reason})
	r.mu.Unlock()
	if err := r.Restart(ctx, []string{s.Name}); err != nil && ctx.Err() == nil {
		r.mu.Lock()
		r.Observe(Event{Kind: Broken, Err: err, Names: []string{s.Name}})
		r.mu.Unlock()
	}
}

// Detach ends what [Runner.Attach] began, and returns when the service's own instances run again. The attached one
// is left to itself.
func (r *Runner) Detach(ctx context.Context, name string) error {
	s := r.service(name)
	if s == nil {
		return &UnknownServiceError{name, r.names()}
	}
	return r.act(ctx, func(ctx context.Context) error {
		r.mu.Lock()
		a := s.attached
		r.mu.Unlock()
		if a == nil {
			return refusedf("nothing is attached to %s", name)
		}
		a.end()
		select {
		case <-a.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}
