package loadbalance

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance/lifesign"
	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

// PolicyName selects the policy in the loadBalancingConfig of a service config.
const PolicyName = "panda_p2c"

func init() { balancer.Register(builder{}) }

type builder struct{}

func (builder) Name() string { return PolicyName }

func (builder) ParseConfig(data json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	config, err := ParseConfig(data)
	if err != nil {
		return nil, err
	}
	return &lbConfig{Config: config}, nil
}

func (builder) Build(cc balancer.ClientConn, _ balancer.BuildOptions) balancer.Balancer {
	// Times are counted from an hour before now, so that 0 is never one.
	base := time.Now().Add(-time.Hour)
	b := &policy{
		cc:       cc,
		clock:    func() int64 { return int64(time.Since(base)) },
		config:   DefaultConfig(),
		seed:     rand.Uint64(), //nolint:gosec // spreads load; nothing secret depends on it
		members:  make(map[identity]*member),
		retiring: make(map[*connection]*member),
		state:    connectivity.Idle,
	}
	b.pool = p2c.NewPool(b.config.pool())
	b.picker = newPicker(b.pool, b.clock, b.watch, b.hurry)
	return b
}

// policy is the balancer of one client connection. gRPC calls its methods one at a time; the mutex is for the timer and
// for Availability.
//
// The picker is one object for the policy's whole life. It is handed to gRPC again only to make calls look anew that
// wait for another: when the first connection is ready, and when one that they may have been given is gone.
type policy struct {
	cc     balancer.ClientConn
	clock  func() int64
	pool   *p2c.Pool
	picker *picker
	seed   uint64

	looking atomic.Bool    // whether the watchman's timer runs
	probes  sync.WaitGroup // goroutines that wait for a sign of life

	mu           sync.Mutex
	closed       bool
	config       Config
	availability *Availability
	instances    []discovery.Instance // as told last, before the choice of a subset
	resolverErr  error                // of the last attempt to find instances; nil once it has worked
	members      map[identity]*member
	ready        int                     // members with a ready connection
	retiring     map[*connection]*member // of members that are gone, on which calls are in flight
	watchman     watchman

	state    connectivity.State // as told to gRPC
	patience *time.Timer        // runs while calls wait for a first connection; nil otherwise
	hopeless bool               // patience has run out
}

// UpdateClientConnState takes the set of instances. One that is the same as the last does nothing.
func (b *policy) UpdateClientConnState(s balancer.ClientConnState) error {
	instances, availability := instancesOf(s.ResolverState)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.resolverErr = nil
	b.attach(availability)
	reconfigured := b.configure(s.BalancerConfig)
	if b.state != connectivity.Idle && !reconfigured && sameInstances(b.instances, instances) {
		return nil
	}
	b.instances = instances
	b.apply()
	return nil
}

func (b *policy) attach(a *Availability) {
	if a == b.availability {
		return
	}
	b.availability.detach(b)
	b.availability = a
	a.attach(b)
	a.set(b, b.ready > 0)
}

// configure takes a new config, and reports whether it differs from the last.
func (b *policy) configure(c serviceconfig.LoadBalancingConfig) bool {
	config, ok := c.(*lbConfig)
	if !ok || config.Config == b.config {
		return false
	}
	b.config = config.Config
	b.pool.Configure(b.config.pool())
	return true
}

// apply makes the members what the instances and the config ask for. b.mu is held.
func (b *policy) apply() {
	seed := b.config.SubsetSeed
	if seed == 0 {
		seed = b.seed
	}
	wanted := subset(b.instances, b.config.SubsetSize, b.config.SubsetAbove, seed)
	members := make(map[identity]*member, len(wanted))
	places := make([]p2c.Member, 0, len(wanted))
	added := false
	for i := range wanted {
		id := identity{wanted[i].ID, address(&wanted[i])}
		if members[id] != nil {
			continue
		}
		m := b.members[id]
		if m == nil {
			m = newMember(id)
			added = true
		}
		members[id] = m
		places = append(places, p2c.Member{Endpoint: m.endpoint, Weight: wanted[i].Weight, Distance: wanted[i].Distance})
	}
	old := b.members
	b.members = members
	// No call goes to those that are gone before they are shut down, which lets calls in flight finish.
	b.pool.Replace(places, b.clock())
	for id, m := range old {
		if members[id] == nil {
			b.drop(m)
		}
	}
	for _, m := range members {
		b.open(m)
	}
	if added {
		b.hopeless = false // a new instance deserves the patience anew
		b.stopPatience()
	}
	b.publish(true)
}

func newMember(id identity) *member {
	m := &member{identity: id}
	m.endpoint = p2c.NewEndpoint(m)
	return m
}

// open gives m as many connections as it should have. b.mu is held.
func (b *policy) open(m *member) {
	wanted := b.config.ConnectionsPerInstance
	for len(m.connections) > wanted {
		last := m.connections[len(m.connections)-1]
		m.connections = m.connections[:len(m.connections)-1]
		b.setReady(m, m.refresh())
		last.forget()
		last.subConn.Shutdown()
	}
	for len(m.connections) < wanted {
		c := &connection{state: connectivity.Idle, asked: lifesign.AskLeast}
		//nolint:staticcheck // the notice is about several addresses; there is no other way to make one
		subConn, err := b.cc.NewSubConn([]resolver.Address{{Addr: m.address}}, balancer.NewSubConnOptions{
			HealthCheckEnabled: true,
			StateListener:      func(s balancer.SubConnState) { b.connectionChanged(m, c, s) },
		})
		if err != nil {
			m.err = err // only while gRPC is closing
			return
		}
		c.subConn = subConn
		m.connections = append(m.connections, c)
		if len(m.connections) == 1 {
			subConn.Connect()
		}
	}
	m.refresh()
}

// drop shuts down m, which is no member any more: calls in flight on it finish. b.mu is held.
func (b *policy) drop(m *member) {
	if m.counted {
		m.counted = false
		b.ready--
	}
	m.ready.Store(nil)
	m.spare.Store(nil)
	for _, c := range m.connections {
		// gRPC would let calls finish by itself, but would not say any more whether their instance lives.
		if c.calls.Load() > 0 && c.state == connectivity.Ready && !b.closed {
			b.retiring[c] = m
			continue
		}
		c.forget()
		c.subConn.Shutdown()
	}
	m.connections = nil
}

func (b *policy) connectionChanged(m *member, c *connection, s balancer.SubConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, gone := b.retiring[c]; gone && s.ConnectivityState != connectivity.Ready {
		b.retire(c)
	}
	if b.closed || !m.has(c) {
		return
	}
	left := c.state == connectivity.Ready && s.ConnectivityState != connectivity.Ready
	b.setReady(m, m.changed(c, s))
	b.publish(left)
}

func (m *member) has(c *connection) bool {
	return slices.Contains(m.connections, c)
}

// setReady counts m as ready or not. b.mu is held.
func (b *policy) setReady(m *member, ready bool) {
	if m.counted == ready {
		return
	}
	m.counted = ready
	if ready {
		b.ready++
	} else {
		b.ready--
	}
	b.pool.SetReady(m.endpoint, ready, b.clock())
}

// ResolverError keeps what is known: a registry that is away does not make instances worse.
func (b *policy) ResolverError(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.resolverErr = err
	b.publish(false)
}

// UpdateSubConnState is not used: each SubConn has a listener.
func (b *policy) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle connects what is not connected. The policy does so by itself as well.
func (b *policy) ExitIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		if len(m.connections) > 0 {
			m.connections[0].subConn.Connect()
		}
	}
}

// Close stops the timer and lets go of all connections.
func (b *policy) Close() {
	b.close()
	b.probes.Wait()
}

func (b *policy) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.watchman.timer != nil {
		b.watchman.timer.Stop()
	}
	b.stopPatience()
	b.pool.Replace(nil, b.clock())
	for _, m := range b.members {
		b.drop(m)
	}
	for c := range b.retiring {
		b.retire(c)
	}
	b.availability.detach(b)
}
