package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/backoff"
)

// State is all that is known of the instances at one time.
type State struct {
	Instances map[string]Instance // by ID; the last known ones while Err is set

	// Err says why the registry does not answer now, and Since when that began; nil and zero while it does.
	Err   error
	Since time.Time
}

// Instance is one instance as its registry has it.
type Instance struct {
	Status  discovery.Status // the worst of its checks
	Output  string           // of the worst check
	Address string           // host:port
	Service string           // the name that it is registered under
	// Registration tells one registration under an ID from the one before it.
	Registration uint64
}

// Follow tells update the state after every answer and when the registry stops answering, until ctx is
// done, and returns then. Of the instances it tells those that mine approves of, by ID and the name they are
// registered under. Calls do not overlap; what update is given is its own.
func (r *Registry) Follow(ctx context.Context, mine func(id, service string) bool, update func(State)) {
	policy := backoff.Policy{Base: 100 * time.Millisecond, Max: 3 * time.Second, Factor: 2, Jitter: 0.2}
	f := &follower{registry: r, mine: mine}
	var since time.Time
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		instances, err := f.next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
			update(State{Instances: instances})
			if f.index == 0 { // what answers knows no blocking queries, or has just begun
				pause(ctx, time.Second)
			}
			continue
		case failures == 0:
			since = began
		}
		if failures++; failures == len(r.agents) { // each has been asked
			update(State{Instances: f.last, Err: err, Since: since})
		}
		pause(ctx, policy.Delay(failures-1))
	}
}

func pause(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// follower is where one Follow stands.
type follower struct {
	registry *Registry
	mine     func(id, service string) bool
	index    uint64 // of the last answer; 0 asks for the whole state at once
	last     map[string]Instance
}

// next waits for a change, or the end of the wait, and returns the instances as they are then.
func (f *follower) next(ctx context.Context) (map[string]Instance, error) {
	agent, name := f.registry.agent()
	instances, err := f.ask(ctx, agent)
	if err != nil {
		f.index = 0
		f.registry.fail(name)
		return nil, fmt.Errorf("the registry at %s does not answer: %w", name, cause(err))
	}
	f.last = instances
	return instances, nil
}

func (f *follower) ask(ctx context.Context, agent *api.Client) (map[string]Instance, error) {
	limit := queryTimeout
	if f.index > 0 {
		limit += waitTime + waitTime/16 // the agent adds up to a sixteenth
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	options := &api.QueryOptions{WaitIndex: f.index, WaitTime: waitTime, AllowStale: true}
	checks, meta, err := agent.Health().State(api.HealthAny, options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if meta.LastIndex < f.index {
		meta.LastIndex = 0 // the registry began anew
	}
	f.index = meta.LastIndex
	instances := f.merge(checks)
	return instances, f.addAddresses(ctx, agent, instances)
}

// merge makes instances of their checks: the worst one speaks for its instance.
func (f *follower) merge(checks api.HealthChecks) map[string]Instance {
	instances := make(map[string]Instance)
	for _, check := range checks {
		if check.ServiceID == "" || !f.mine(check.ServiceID, check.ServiceName) {
			continue
		}
		known, there := instances[check.ServiceID]
		status := discovery.Status(check.Status)
		if !there || status.Worse(known.Status) {
			known.Status, known.Output = status, check.Output
		}
		known.Service = check.ServiceName
		known.Registration = max(known.Registration, check.CreateIndex)
		instances[check.ServiceID] = known
	}
	return instances
}

// addAddresses fills in those that are known from the last answer, and asks once when one is missing.
func (f *follower) addAddresses(ctx context.Context, agent *api.Client, instances map[string]Instance) error {
	var services map[string]*api.AgentService
	for id, instance := range instances {
		if before := f.last[id]; before.Registration == instance.Registration && before.Status == instance.Status && before.Address != "" {
			instance.Address = before.Address
			instances[id] = instance
			continue
		}
		if services == nil {
			var err error
			if services, err = agent.Agent().ServicesWithFilterOpts("", (&api.QueryOptions{}).WithContext(ctx)); err != nil {
				return err
			}
		}
		if service := services[id]; service != nil {
			instance.Address = endpoint(service)
			instances[id] = instance
		}
	}
	return nil
}

func endpoint(service *api.AgentService) string {
	return net.JoinHostPort(service.Address, strconv.Itoa(service.Port))
}

// cause strips the method and URL, which the text around it replaces, and says a timeout plainly.
func cause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
