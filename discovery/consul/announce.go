package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/internal/limits"
	"github.com/pandakit/panda/internal/backoff"
)

const (
	defaultTTL             = 15 * time.Second
	minTTL                 = time.Second
	minDeregisterAfter     = time.Minute // Consul's own
	defaultLeaveTimeout    = 5 * time.Second
	leaveAttempts          = 4
	leaveAttemptsBaseDelay = 100 * time.Millisecond
)

// Announce implements [discovery.Registry]. The instance is registered with one agent at a time: when that
// one fails, with the next. A registration that is left behind at an agent that failed becomes critical
// after the TTL and is removed by that agent after Announcement.DeregisterAfter; when ctx is done the
// instance is removed from every agent that took it.
//
// An instance that is registered anew gets exactly the check that Announce keeps: checks and maintenance
// that others added to it are gone.
func (r *Registry) Announce(ctx context.Context, a discovery.Announcement) error {
	if invalid := limits.Check(&a.Instance); invalid != nil {
		return invalid
	}
	r.begin()
	defer r.end()
	n := newAnnouncer(r, a)
	n.keep(ctx)
	return n.leave(ctx)
}

// announcer keeps one instance registered. It belongs to one goroutine.
type announcer struct {
	registry *Registry
	a        discovery.Announcement
	wanted   *registration
	period   backoff.Policy // of renewals: a third of the TTL, with jitter
	timeout  time.Duration  // of one request

	at     int         // the agent in use
	placed []placement // what each agent has
	waits  int         // rounds in a row in which no agent did what it was asked
	taken  int         // how often another process has taken the ID over
}

// placement is what is known of the instance at one agent.
type placement struct {
	presence

	id      string // under which the agent has it
	token   string // with which it was registered; the agent tells the cluster of the instance with that one
	settled bool   // what else the agent had at first has been looked at
}

type presence int

const (
	absent   presence = iota
	possible          // it was asked to take the instance, and the answer was lost
	present
)

func newAnnouncer(r *Registry, a discovery.Announcement) *announcer {
	if a.TTL == 0 {
		a.TTL = defaultTTL
	}
	a.TTL = max(a.TTL, minTTL)
	a.DeregisterAfter = max(a.DeregisterAfter, minDeregisterAfter)
	if a.LeaveTimeout <= 0 {
		a.LeaveTimeout = defaultLeaveTimeout
	}
	interval := a.TTL / 3
	return &announcer{
		registry: r,
		a:        a,
		wanted:   newRegistration(&a),
		period:   backoff.Policy{Base: interval, Max: a.TTL, Factor: 1, Jitter: 0.1},
		timeout:  min(max(interval, time.Second), queryTimeout),
		at:       int(r.preferred.Load()),
		placed:   make([]placement, len(r.agents)),
	}
}

// keep registers and renews until ctx is done.
func (n *announcer) keep(ctx context.Context) {
	changed := n.a.HealthChanged
	for ctx.Err() == nil {
		timer := time.NewTimer(n.round(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case _, open := <-changed:
			if !open {
				changed = nil
			}
		}
		timer.Stop()
	}
}

// round makes wanted and seen one at the agent in use, or at the next that does what it is asked. It
// returns how long to wait until the next round.
func (n *announcer) round(ctx context.Context) time.Duration {
	status, output := n.health()
	failures := make(outage, 0, len(n.placed))
	for range n.placed {
		err := n.reconcile(ctx, status, output)
		switch {
		case ctx.Err() != nil:
			return 0
		case err == nil:
			if len(failures) > 0 || n.waits > 0 {
				n.registry.prefer(n.at)
			}
			n.waits = 0
			return n.period.Delay(0)
		}
		failures = append(failures, err)
		n.at = (n.at + 1) % len(n.placed)
	}
	n.observe(discovery.Failed, fmt.Errorf("announce service %q at %s: %w", n.a.Instance.Service, n.registry, failures))
	n.waits++
	return min(n.registry.backoff.Delay(n.waits-1), n.period.Base)
}

func (n *announcer) reconcile(ctx context.Context, status, output string) *failure {
	if at := &n.placed[n.at]; at.presence == present {
		lost, err := n.renew(ctx, status, output)
		switch {
		case err != nil:
			return err
		case lost != "":
			at.presence = absent
			n.observe(discovery.Lost, errors.New(lost)) //nolint:err113 // for people
		case at.token == n.registry.token.current():
			return nil
		}
	}
	return n.register(ctx, status, output)
}

// renew reports a sign of life, and what is lost when the agent has forgotten or changed the instance.
func (n *announcer) renew(ctx context.Context, status, output string) (lost string, err *failure) {
	renewed := n.update(ctx, status, output)
	if renewed != nil && !answered(renewed, http.StatusNotFound, http.StatusInternalServerError) {
		return "", renewed
	}
	seen, err := ask(ctx, n.agent(), n.timeout, func(ctx context.Context, a *agent) (*api.AgentService, error) {
		return a.instance(ctx, n.wanted.ID)
	})
	switch {
	case answered(asError(err), http.StatusNotFound):
		return "the agent does not know the instance", nil
	case err != nil:
		return "", err
	case renewed != nil && !unknownCheck(renewed):
		return "", renewed
	case renewed != nil: // to register it anew is the remedy, and no failure
		return "the agent does not know the instance's check", nil //nolint:nilerr // see above
	}
	n.keepApart(ctx, seen)
	return n.wanted.drift(seen), nil
}

// keepApart gives the instance another ID when another live process has registered under its own since. One that does not
// answer has lost it by that, unless it took it more than once: then each of the two cannot reach the other.
func (n *announcer) keepApart(ctx context.Context, seen *api.AgentService) {
	if seen == nil || seen.Service == n.wanted.Name && n.sameAddress(seen) {
		return
	}
	if n.taken++; n.taken > 1 || n.alive(ctx, seen) {
		n.rename(seen)
	}
}

// asError keeps a nil pointer from becoming an error that is not nil.
func asError(err *failure) error {
	if err == nil {
		return nil
	}
	return err
}

// unknownCheck tells an agent that has no such TTL check (older ones answer 500) from one that is ill.
func unknownCheck(err *failure) bool {
	return answered(err, http.StatusNotFound) || strings.Contains(err.text, "nknown check") ||
		strings.Contains(err.text, "does not have associated TTL")
}

func (n *announcer) update(ctx context.Context, status, output string) *failure {
	_, err := ask(ctx, n.agent(), n.timeout, func(ctx context.Context, a *agent) (struct{}, error) {
		return struct{}{}, a.renew(ctx, n.wanted.Check.CheckID, output, status)
	})
	return err
}

// register makes the agent take the instance in its present health.
func (n *announcer) register(ctx context.Context, status, output string) *failure {
	var leftovers []string
	if !n.placed[n.at].settled {
		var err *failure
		if leftovers, err = n.settle(ctx); err != nil {
			return err
		}
	}
	token := n.registry.token.current()
	_, err := ask(ctx, n.agent(), n.timeout, func(ctx context.Context, a *agent) (struct{}, error) {
		return struct{}{}, a.register(ctx, n.wanted.inState(status))
	})
	if err != nil {
		if !neverSent(err) {
			n.placed[n.at].presence, n.placed[n.at].id = possible, n.wanted.ID
		}
		return err
	}
	n.placed[n.at] = placement{presence: present, id: n.wanted.ID, token: token, settled: true}
	n.observe(discovery.Registered, nil)
	n.removeLeftovers(ctx, leftovers)
	if output != "" {
		_ = n.update(ctx, status, output) // a registration cannot carry it; the next renewal makes up for a loss
	}
	return nil
}

// health asks what to report. Anything that Consul has no word for is critical.
func (n *announcer) health() (status, output string) {
	if n.a.Health == nil {
		return api.HealthPassing, ""
	}
	reported, output := n.a.Health()
	switch reported {
	case discovery.Passing, discovery.Warning:
		return string(reported), output
	case discovery.Critical, discovery.Maintenance:
	}
	return api.HealthCritical, output
}

func (n *announcer) agent() *agent { return n.registry.agents[n.at] }

func (n *announcer) observe(kind discovery.EventKind, err error) {
	if n.a.Observe != nil {
		n.a.Observe(discovery.Event{Kind: kind, Err: err})
	}
}

// leave removes the instance from all agents that took it, or may have, at the same time.
func (n *announcer) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.a.LeaveTimeout)
	defer cancel()
	failures := make(outage, len(n.placed))
	var removals sync.WaitGroup
	for at, where := range n.placed {
		if where.presence != absent {
			removals.Go(func() { failures[at] = n.remove(ctx, n.registry.agents[at], where.id) })
		}
	}
	removals.Wait()
	for _, failed := range failures {
		if failed != nil {
			return fmt.Errorf("remove service %q, instance %q, from consul at %w; it stays until its TTL of %v has run out",
				n.a.Instance.Service, n.a.Instance.ID, failed, n.a.TTL)
		}
	}
	return nil
}

// remove tries a few times: an agent that is just being restarted would keep the instance.
func (n *announcer) remove(ctx context.Context, from *agent, id string) (err *failure) {
	delays := backoff.Policy{Base: leaveAttemptsBaseDelay, Max: time.Second, Factor: 2, Jitter: 0.2}
	for attempt := range leaveAttempts {
		_, err = ask(ctx, from, n.a.LeaveTimeout, func(ctx context.Context, a *agent) (struct{}, error) {
			return struct{}{}, a.deregister(ctx, id)
		})
		if err == nil || answered(err, http.StatusNotFound) || strings.Contains(err.text, "nknown service") {
			return nil
		}
		if attempt == leaveAttempts-1 || !rest(ctx, delays.Delay(attempt)) {
			break
		}
	}
	return err
}
