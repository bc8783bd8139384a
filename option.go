package panda

import (
	"log/slog"
	"maps"
	"time"

	"google.golang.org/grpc"

	"github.com/pandakit/panda/discovery"
)

// ServiceOption configures a [Service].
type ServiceOption interface{ applyService(c *serviceConfig) }

// ClientOption configures [Dial], [DialRPC] or [HTTPClient].
type ClientOption interface{ applyClient(c *clientConfig) }

// Option configures both sides.
type Option interface {
	ServiceOption
	ClientOption
}

type common struct {
	registry discovery.Registry
	logger   *slog.Logger
}

// complete puts the default where an option has put nothing.
func (c *common) complete() {
	if c.logger == nil {
		c.logger = slog.Default()
	}
}

type serviceConfig struct {
	common
	address    string
	advertise  string
	instanceID string
	// containerName is what the container that the process runs in is called; empty outside, and without a name of its own.
	containerName string
	tags          []string
	meta          map[string]string
	ttl           time.Duration
	leaveDelay    time.Duration
	drain         time.Duration
	grpc          []grpc.ServerOption
	reflection    bool
	weight        int
	// unregistered is set by the environment alone: the service serves, and nobody finds it.
	unregistered bool
}

type clientConfig struct {
	common
	wait        time.Duration
	connections int
	grpc        []grpc.DialOption
}

// The defaults that options replace.
const (
	defaultLeaveDelay = time.Second
	defaultDrain      = 30 * time.Second
	defaultWait       = 15 * time.Second
)

func newServiceConfig(options []ServiceOption) serviceConfig {
	c := serviceConfig{
		meta:       map[string]string{},
		weight:     1,
		leaveDelay: defaultLeaveDelay,
		drain:      defaultDrain,
		reflection: true,
	}
	for _, o := range options {
		o.applyService(&c)
	}
	c.complete()
	return c
}

func newClientConfig(options []ClientOption) clientConfig {
	c := clientConfig{wait: defaultWait}
	for _, o := range options {
		o.applyClient(&c)
	}
	c.complete()
	return c
}

type serviceOption func(*serviceConfig)

func (o serviceOption) applyService(c *serviceConfig) { o(c) }

type clientOption func(*clientConfig)

func (o clientOption) applyClient(c *clientConfig) { o(c) }

type bothOption func(*common)

func (o bothOption) applyService(c *serviceConfig) { o(&c.common) }
func (o bothOption) applyClient(c *clientConfig)   { o(&c.common) }

// WithRegistry uses r in place of the Consul agents that CONSUL_HTTP_ADDR names, which nil stands for. The last one wins.
func WithRegistry(r discovery.Registry) Option {
	return bothOption(func(c *common) { c.registry = r })
}

// WithLogger sends what happens (the address chosen, registrations, panics, drains) to l in place of
// slog.Default(), which nil stands for. The last one wins.
func WithLogger(l *slog.Logger) Option {
	return bothOption(func(c *common) { c.logger = l })
}

// WithVersion registers the service's version under the metadata key "version". None by default; the
// last one wins.
func WithVersion(version string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.meta["version"] = version })
}

// WithAddress sets the address to listen on, host:port; port 0 takes a free one. The default is a free port on every
// interface, but on loopback where no caller is on another machine: the registry is asked on loopback, and its agent's
// own address is loopback too. PANDA_ADDR wins over it.
func WithAddress(address string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.address = address })
}

// WithAdvertise sets the host, or host:port, under which others reach the service, where it differs
// from the address that it listens on: behind NAT or a published container port. PANDA_ADVERTISE wins over it.
func WithAdvertise(address string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.advertise = address })
}

// WithInstanceID sets the ID under which the instance registers. A process that comes back under the same one replaces what
// an earlier one left behind. The default is service-host-port, with the host name in place of the host in a container
// that was given a name. Two live instances must not share one: the later registers under service-host-port then, and
// logs a warning. PANDA_INSTANCE wins over it.
func WithInstanceID(id string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.instanceID = id })
}

// WithTags adds tags to the registration, as they are. Repeating it adds more.
func WithTags(tags ...string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.tags = append(c.tags, tags...) })
}

// WithMeta adds metadata to the registration, as it is. Repeating it adds more; of equal keys the last wins.
func WithMeta(meta map[string]string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { maps.Copy(c.meta, meta) })
}

// WithTTL sets how long the registry waits for a sign of life before it calls the instance critical:
// 15 s by default, at least 1 s. It is renewed at a third of it.
func WithTTL(ttl time.Duration) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.ttl = ttl })
}

// WithWeight sets the instance's share of the calls relative to the others of its service: one of weight 2 gets twice as
// many as one of weight 1, as long as it is no slower. 1 to 65535, 1 by default; Run returns an error for others. The last
// one wins. "panda up" gives its services 100, so that a canary can have less. PANDA_WEIGHT wins over it.
func WithWeight(weight int) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.weight = weight })
}

// WithLeaveDelay sets how long a draining service still takes new calls after it has left the registry,
// so that every client has seen it leave: 1 s by default, 0 for none.
func WithLeaveDelay(delay time.Duration) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.leaveDelay = delay })
}

// WithDrainTimeout bounds how long calls in flight may take to finish once the service no longer takes
// new ones: 30 s by default. What is left then is cut off, and Run returns an error.
func WithDrainTimeout(timeout time.Duration) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.drain = timeout })
}

// WithoutReflection leaves out gRPC server reflection, for services whose API is not for everyone who
// can reach them. "panda call" then cannot call them.
func WithoutReflection() ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.reflection = false })
}

// WithServerOptions hands options to the gRPC server, after Panda's own: of options that set one value
// theirs wins, interceptors run inside of what counts calls and answers panics with INTERNAL. Only the one of
// [grpc.StreamInterceptor] runs around it, uncounted, and its panic ends the process: give it with
// [grpc.ChainStreamInterceptor]. Repeating it adds more.
func WithServerOptions(options ...grpc.ServerOption) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.grpc = append(c.grpc, options...) })
}

// WithWaitTimeout sets how long a call without a deadline waits for a usable instance: 15 s by default.
// A call with a deadline waits until then.
func WithWaitTimeout(timeout time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) { c.wait = timeout })
}

// WithConnections sets how many connections [Dial] keeps to an instance under load, 1 to 8; further ones
// are opened when the first are busy. It does nothing for net/rpc and HTTP.
func WithConnections(n int) ClientOption {
	return clientOption(func(c *clientConfig) { c.connections = n })
}

// WithDialOptions hands options to gRPC's client, after Panda's own: of options that set one value
// theirs wins, interceptors run inside Panda's. Repeating it adds more. It does nothing for net/rpc and HTTP.
func WithDialOptions(options ...grpc.DialOption) ClientOption {
	return clientOption(func(c *clientConfig) { c.grpc = append(c.grpc, options...) })
}
