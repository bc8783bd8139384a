// Package consul announces and finds services through any agent that speaks Consul's HTTP API: Consul's
// own, or the one that is embedded in the panda command.
//
// Make a [Registry] with [New] from a [Config], which [ConfigFromEnv] reads from Consul's variables. What
// it registers is what Consul's documentation describes, tags and metadata as written, so that every other
// program that reads Consul understands it; what others have registered is found alike.
//
// It never reads the environment by itself, never opens a connection before a call needs one, and keeps
// none open after the last call has returned. It uses neither Consul's key-value store nor its sessions,
// and it is no client for Consul as a whole.
//
// One agent address takes a connection for each watch. An agent accepts 200 from one client address
// unless its limits.http_max_conns_per_client says otherwise.
package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/backoff"
)

var _ discovery.Registry = (*Registry)(nil)

// Registry is Consul's catalog as seen through one or several agents. Its methods may be called from
// several goroutines at once. There is nothing to close.
type Registry struct {
	agents      []*agent
	name        string
	datacenters []string // to look services up in, by distance; "" is the agents' own
	wait        time.Duration
	grace       time.Duration
	backoff     backoff.Policy
	log         *slog.Logger
	token       *token
	knock       dialFunc // reaches instances, to see whether they are there

	preferred atomic.Int64 // index of the agent that answered last; where a new call begins

	mu    sync.Mutex
	calls int // in progress
}

// New returns the registry that cfg describes. It does not connect, so it works while the registry is
// away. An error names the malformed value, or the file of a certificate or token that cannot be read.
func New(cfg Config) (*Registry, error) { return newRegistry(cfg, defaultDial()) }

func newRegistry(cfg Config, dial dialFunc) (*Registry, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		datacenters: append([]string{cfg.Datacenter}, cfg.Failover...),
		wait:        cfg.Wait,
		grace:       max(cfg.RestartGrace, 0),
		backoff:     backoff.Policy{Base: 100 * time.Millisecond, Max: 5 * time.Second, Factor: 2, Jitter: 0.2},
		log:         cfg.Logger,
		token:       cfg.token,
		knock:       dial,
	}
	var names []string
	for _, address := range cfg.Addresses {
		e, err := parseAddress(address, cfg.HTTPS)
		if err != nil {
			return nil, err
		}
		a, err := newAgent(e, &cfg, tlsConfig, dial)
		if err != nil {
			return nil, err
		}
		r.agents = append(r.agents, a)
		names = append(names, e.name)
	}
	r.name = "consul at " + strings.Join(names, ", ")
	return r, nil
}

// String names the registry by its addresses, such as "consul at 127.0.0.1:8500".
func (r *Registry) String() string { return r.name }

// Services returns the names of all services in the datacenter and those of Config.Failover, Consul's
// own "consul" among them. A datacenter of Failover that does not answer is left out.
func (r *Registry) Services(ctx context.Context) ([]string, error) {
	r.begin()
	defer r.end()
	found := make(map[string]bool)
	for distance, datacenter := range r.datacenters {
		names, err := r.servicesOf(ctx, datacenter)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("list services: ask %s: %w", r, ctx.Err())
		case err != nil && distance == 0:
			return nil, fmt.Errorf("list services: ask %s: %w", r, err)
		case err != nil:
			r.log.WarnContext(ctx, "a datacenter does not answer", "datacenter", datacenter, "error", err)
		}
		for name := range names {
			found[name] = true
		}
	}
	all := make([]string, 0, len(found))
	for name := range found {
		all = append(all, name)
	}
	slices.Sort(all)
	return all, nil
}

// servicesOf asks the agents in turn until one answers.
func (r *Registry) servicesOf(ctx context.Context, datacenter string) (map[string][]string, error) {
	var failures outage
	first := int(r.preferred.Load())
	for i := range r.agents {
		at := (first + i) % len(r.agents)
		names, err := ask(ctx, r.agents[at], queryTimeout, func(ctx context.Context, a *agent) (map[string][]string, error) {
			return a.services(ctx, datacenter)
		})
		if err == nil {
			if i > 0 {
				r.prefer(at)
			}
			return names, nil
		}
		failures = append(failures, err)
	}
	return nil, failures
}

// ask makes one request to one agent, bounded by timeout.
func ask[T any](ctx context.Context, a *agent, timeout time.Duration, request func(context.Context, *agent) (T, error)) (T, *failure) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := request(ctx, a)
	if err == nil {
		return answer, nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	var none T
	return none, newFailure(a.name, err, timeout)
}

// prefer makes new calls begin at an agent that answers in place of one that does not.
func (r *Registry) prefer(at int) {
	if before := r.preferred.Swap(int64(at)); before != int64(at) {
		r.log.Info("another agent is used now", "agent", r.agents[at].name, "before", r.agents[before].name)
	}
}

// begin and end enclose every call; after the last one no connection stays open.
func (r *Registry) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
}

func (r *Registry) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls--; r.calls == 0 {
		for _, a := range r.agents {
			a.transport.CloseIdleConnections()
		}
	}
}

// rest waits for d, or less when ctx ends; it reports whether ctx still goes on.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
