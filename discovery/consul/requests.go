package consul

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"
)

// requests are all that is ever asked of an agent. They are functions, not methods of a field of type
// *api.Client, for the sake of every service's size: a Registry is used as an interface, so the linker
// keeps the methods of all types that it can reach through its fields, which would be those of the whole
// API client and of its helpers (0.7 MB).
type requests struct {
	// instances asks for a service's instances: at once when index is 0, else as soon as they are newer. latest has the leader
	// answer, which no other server is behind.
	instances func(ctx context.Context, service, datacenter string, index uint64, wait time.Duration, latest bool) ([]*api.ServiceEntry, uint64, error)
	services  func(ctx context.Context, datacenter string) (map[string][]string, error)
	// instance asks for what the agent itself has registered.
	instance func(ctx context.Context, id string) (*api.AgentService, error)
	// localInstances asks for those that the agent itself has registered and that the expression selects.
	localInstances func(ctx context.Context, filter string) (map[string]*api.AgentService, error)
	// checks asks for the checks of one of them.
	checks func(ctx context.Context, id string) (api.HealthChecks, error)
	// self asks for the address that the agent's node has in its cluster, peers for those of the servers.
	self       func(ctx context.Context) (string, error)
	peers      func(ctx context.Context) ([]string, error)
	register   func(ctx context.Context, r *api.AgentServiceRegistration) error
	renew      func(ctx context.Context, checkID, output, status string) error
	deregister func(ctx context.Context, id string) error
}

// errHidden is an answer of none that means not for you: a token that has lost its rights must not make living instances
// look gone. Consul tells so of every token but the anonymous one.
var errHidden = errors.New("there are instances, but the ACL token may not read them; it needs service:read and node:read")

//nolint:wrapcheck // ask does
func newRequests(client *api.Client) requests {
	options := func(ctx context.Context) *api.QueryOptions { return new(api.QueryOptions).WithContext(ctx) }
	return requests{
		instances: func(ctx context.Context, service, datacenter string, index uint64, wait time.Duration, latest bool) ([]*api.ServiceEntry, uint64, error) {
			o := &api.QueryOptions{Datacenter: datacenter, AllowStale: !latest}
			if index > 0 {
				o.WaitIndex, o.WaitTime = index, wait
			}
			entries, meta, err := client.Health().Service(service, "", false, o.WithContext(ctx))
			if err != nil {
				return nil, 0, err
			}
			if len(entries) == 0 && meta.ResultsFilteredByACLs {
				return nil, 0, errHidden
			}
			return entries, meta.LastIndex, nil
		},
		services: func(ctx context.Context, datacenter string) (map[string][]string, error) {
			o := &api.QueryOptions{Datacenter: datacenter, AllowStale: true}
			names, _, err := client.Catalog().Services(o.WithContext(ctx))
			return names, err
		},
		instance: func(ctx context.Context, id string) (*api.AgentService, error) {
			seen, _, err := client.Agent().Service(id, options(ctx))
			return seen, err
		},
		localInstances: func(ctx context.Context, filter string) (map[string]*api.AgentService, error) {
			return client.Agent().ServicesWithFilterOpts(filter, options(ctx))
		},
		checks: func(ctx context.Context, id string) (api.HealthChecks, error) {
			_, info, err := client.Agent().AgentHealthServiceByIDOpts(id, options(ctx))
			if err != nil || info == nil {
				return nil, err
			}
			return info.Checks, nil
		},
		self: func(ctx context.Context) (string, error) { return askSelf(client, options(ctx)) },
		peers: func(ctx context.Context) ([]string, error) {
			return client.Status().PeersWithQueryOptions(options(ctx))
		},
		register: func(ctx context.Context, r *api.AgentServiceRegistration) error {
			return client.Agent().ServiceRegisterOpts(r, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
		},
		renew: func(ctx context.Context, checkID, output, status string) error {
			return client.Agent().UpdateTTLOpts(checkID, output, status, options(ctx))
		},
		deregister: func(ctx context.Context, id string) error {
			return client.Agent().ServiceDeregisterOpts(id, options(ctx))
		},
	}
}
