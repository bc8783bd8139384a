// Package health follows the checks of a workspace's instances at their registry, with one blocking query
// for all of them, and takes out those that are known to be gone. It never registers anything and never
// decides what a state means for an instance.
//
// It asks for checks and not for services, as package discovery does, because the name under which a program
// registers is its own choice, while the instance ID is given to it.
package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// Bounds of requests.
const (
	waitTime     = 10 * time.Second // how long the agent may hold a query back while nothing changes
	queryTimeout = 5 * time.Second  // beyond the wait
	dialTimeout  = 2 * time.Second
)

// Registry is the registry of a workspace. Its methods may be called from several goroutines.
type Registry struct {
	agents    []*api.Client
	names     []string
	hosts     []string // of those that are reached over a network
	transport *http.Transport
	config    consul.Config

	mu      sync.Mutex
	current int // of agents; the next one after a failure
}

// New returns a registry that is reached as cfg says; of its fields those of addresses, token and TLS are
// used. It does no I/O; the error names a value that makes no sense.
func New(cfg consul.Config) (*Registry, error) {
	checked, err := consul.New(cfg)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := api.SetupTLSConfig(&api.TLSConfig{
		Address: cfg.ServerName, CAFile: cfg.CAFile, CAPath: cfg.CAPath,
		CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, InsecureSkipVerify: cfg.SkipVerify,
	})
	if err != nil {
		return nil, fmt.Errorf("set up TLS to the registry: %w", err)
	}
	r := &Registry{config: cfg, hosts: checked.Hosts(), transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: dialTimeout,
	}}
	for _, address := range checked.Addresses() {
		if err := r.add(address, &cfg); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Registry) add(address string, cfg *consul.Config) error {
	transport := r.transport
	client := &api.Config{
		Address: address, Scheme: "http", Token: cfg.Token, TokenFile: cfg.TokenFile,
		Namespace: cfg.Namespace, Partition: cfg.Partition,
		HttpClient: &http.Client{Transport: transport},
	}
	if cfg.HTTPS {
		client.Scheme = "https"
	}
	if user, password, found := strings.Cut(cfg.BasicAuth, ":"); found {
		client.HttpAuth = &api.HttpBasicAuth{Username: user, Password: password}
	}
	agent, err := api.NewClient(client)
	if err != nil {
		return fmt.Errorf("set up the client of the registry at %s: %w", address, err)
	}
	r.agents, r.names = append(r.agents, agent), append(r.names, address)
	return nil
}

// String names the agent that is asked now, as a URL where it is one.
func (r *Registry) String() string {
	_, name := r.agent()
	if strings.Contains(name, "://") {
		return name
	}
	return "http://" + name
}

// OnLoopback reports whether every agent is on this machine's loopback, where nobody else can be told of a service.
func (r *Registry) OnLoopback() bool {
	return !slices.ContainsFunc(r.hosts, func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host != "localhost" && (err != nil || !ip.Unmap().IsLoopback())
	})
}

func (r *Registry) agent() (*api.Client, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agents[r.current], r.names[r.current]
}

// fail makes the agent after the one called name the one to ask.
func (r *Registry) fail(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[r.current] == name {
		r.current = (r.current + 1) % len(r.agents)
	}
}

// Deregister takes an instance out of the registry; that it is not there is no error.
func (r *Registry) Deregister(ctx context.Context, id string) error {
	agent, name := r.agent()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err := agent.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
	if status, ok := errors.AsType[api.StatusError](err); ok && status.Code == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deregister %s at %s: %w", id, name, cause(err))
	}
	return nil
}

// Instances asks once for all instances of the agent, by ID, with their addresses and names only.
func (r *Registry) Instances(ctx context.Context) (map[string]Instance, error) {
	agent, name := r.agent()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	services, err := agent.Agent().ServicesWithFilterOpts("", (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("list instances at %s: %w", name, cause(err))
	}
	instances := make(map[string]Instance, len(services))
	for id, service := range services {
		instances[id] = Instance{Address: endpoint(service), Service: service.Service}
	}
	return instances, nil
}

// Announcer returns what registers instances at the same agents. It does no I/O.
func (r *Registry) Announcer(logger *slog.Logger) (discovery.Registry, error) {
	cfg := r.config
	cfg.Logger = logger
	return consul.New(cfg)
}

// Close closes connections that are kept open. No method may be running.
func (r *Registry) Close() { r.transport.CloseIdleConnections() }
