package loadbalance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/discovery"
)

// channel stands in for gRPC where a test needs a thousand connections, or time to pass at once.
type channel struct {
	balancer.ClientConn
	mu       sync.Mutex
	states   []balancer.State
	subConns []*subConn // every one that was ever made
}

type subConn struct {
	balancer.SubConn
	address  string
	listener func(balancer.SubConnState)
	connects int
	server   *server
	shut     bool
}

func (c *channel) UpdateState(s balancer.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = append(c.states, s)
}

func (c *channel) NewSubConn(a []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	s := &subConn{address: a[0].Addr, listener: o.StateListener}
	c.subConns = append(c.subConns, s)
	return s, nil
}

func (s *subConn) Connect()  { s.connects++ }
func (s *subConn) Shutdown() { s.shut = true }

func (s *subConn) becomes(state connectivity.State) {
	s.listener(balancer.SubConnState{ConnectivityState: state})
}

func (s *subConn) fails(err error) {
	s.listener(balancer.SubConnState{ConnectivityState: connectivity.TransientFailure, ConnectionError: err})
}

// last returns the state that gRPC was told last.
func (c *channel) last() balancer.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[len(c.states)-1]
}

func (c *channel) open() (list []*subConn) {
	for _, s := range c.subConns {
		if !s.shut {
			list = append(list, s)
		}
	}
	return list
}

func build(t *testing.T) (*channel, *policy, *Availability) {
	t.Helper()
	c := new(channel)
	b := builder{}.Build(c, balancer.BuildOptions{}).(*policy)
	t.Cleanup(b.Close)
	return c, b, NewAvailability()
}

func tell(t *testing.T, b *policy, a *Availability, list []discovery.Instance, change func(*Config)) {
	t.Helper()
	config := DefaultConfig()
	config.ConnectionsPerInstance = 1
	if change != nil {
		change(&config)
	}
	s := balancer.ClientConnState{ResolverState: WithInstances(resolver.State{}, list, a), BalancerConfig: &lbConfig{Config: config}}
	if err := b.UpdateClientConnState(s); err != nil {
		t.Fatal(err)
	}
}

// pass lets fake time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestThousandInstances(t *testing.T) {
	c, b, a := build(t)
	all := instances(1000, 0)
	everything := func(c *Config) { c.SubsetSize, c.SubsetAbove = 1000, 1000 }
	tell(t, b, a, all, everything)
	for _, s := range c.subConns {
		s.becomes(connectivity.Connecting)
		s.becomes(connectivity.Ready)
	}
	if len(c.states) > 3 {
		t.Errorf("gRPC was told %d times while 1,000 instances connected, want once per state", len(c.states))
	}
	told := len(c.states)
	tell(t, b, a, instances(1000, 0), everything)
	if len(c.states) != told || len(c.subConns) != 1000 {
		t.Errorf("an equal update told gRPC %d times and made %d connections", len(c.states)-told, len(c.subConns)-1000)
	}
	tell(t, b, a, all, nil)
	if open := len(c.open()); open != 100 {
		t.Errorf("%d connections with the default subset, want 100", open)
	}
	before := c.open()
	tell(t, b, a, all[:990], nil)
	kept := 0
	for _, s := range before {
		if !s.shut {
			kept++
		}
	}
	if open := len(c.open()); open != 100 || kept < 90 {
		t.Errorf("after 10 of 1,000 have gone %d connections are open, %d of them old", open, kept)
	}
}

func TestIdentityKeepsConnections(t *testing.T) {
	c, b, a := build(t)
	list := instances(2, 0)
	tell(t, b, a, append(list, list[0]), nil)
	if len(c.subConns) != 2 {
		t.Fatalf("%d connections for two instances, one told twice", len(c.subConns))
	}
	heavier := instances(2, 0)
	heavier[0].Weight, heavier[1].Meta = 5, map[string]string{"version": "2"}
	tell(t, b, a, heavier, nil)
	if len(c.subConns) != 2 || len(c.open()) != 2 {
		t.Errorf("a new weight made connections: %d, %d open", len(c.subConns), len(c.open()))
	}
	renamed := instances(2, 0)
	renamed[0].ID = "another process on the same port"
	tell(t, b, a, renamed, nil)
	if len(c.subConns) != 3 || len(c.open()) != 2 {
		t.Errorf("%d connections were made, %d are open; want a new one in place of an old one", len(c.subConns), len(c.open()))
	}
	tell(t, b, a, renamed, func(c *Config) { c.ConnectionsPerInstance = 3 })
	if len(c.open()) != 6 {
		t.Errorf("%d connections, want 3 for each of two", len(c.open()))
	}
	connects := 0
	for _, s := range c.open() {
		connects += s.connects
	}
	if connects != 2 {
		t.Errorf("%d connections were opened without load, want 2", connects)
	}
	tell(t, b, a, renamed, nil)
	if len(c.open()) != 2 {
		t.Errorf("%d connections after the config went back, want 2", len(c.open()))
	}
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, a := build(t)
		defer b.Close()
		tell(t, b, a, instances(7, 0), nil)
		for _, s := range c.subConns {
			s.becomes(connectivity.Connecting)
			s.fails(fmt.Errorf("connection error: %w", syscall.ECONNREFUSED))
		}
		if got := c.last().ConnectivityState; got != connectivity.Connecting {
			t.Fatalf("state is %v as soon as all have refused, want CONNECTING", got)
		}
		if _, err := c.last().Picker.Pick(balancer.PickInfo{}); !errors.Is(err, balancer.ErrNoSubConnAvailable) {
			t.Fatalf("pick: %v, want calls to wait", err)
		}
		pass(15*time.Second - 1)
		if got := c.last().ConnectivityState; got != connectivity.Connecting {
			t.Fatalf("state is %v before the time, want CONNECTING", got)
		}
		pass(1)
		_, err := c.last().Picker.Pick(balancer.PickInfo{})
		want := "none of 7 instances is connected for 15s; hello-0 (10.0.0.0:9000): connection refused; "
		if c.last().ConnectivityState != connectivity.TransientFailure || err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "; and 2 more") {
			t.Fatalf("state %v, pick: %v", c.last().ConnectivityState, err)
		}
		// A new instance gets patience of its own; one that works ends the matter.
		tell(t, b, a, instances(8, 0), nil)
		if got := c.last().ConnectivityState; got != connectivity.Connecting {
			t.Errorf("state is %v with a new instance, want CONNECTING", got)
		}
		c.subConns[7].becomes(connectivity.Ready)
		if !a.Ready() || c.last().ConnectivityState != connectivity.Ready {
			t.Errorf("not ready with a connection")
		}
		pass(time.Minute)
		if got := c.last().ConnectivityState; got != connectivity.Ready {
			t.Errorf("state is %v a minute later, want READY", got)
		}
		if got := a.Refusal(instances(8, 0)[0]); got != "connection refused" {
			t.Errorf("refusal %q", got)
		}
		c.subConns[7].becomes(connectivity.Idle)
		if got := a.Refusal(instances(8, 0)[7]); got != "connection lost" || a.Ready() {
			t.Errorf("after the last connection was lost: refusal %q, ready %v", got, a.Ready())
		}
		if c.subConns[7].connects != 2 {
			t.Errorf("connected %d times, want again at once", c.subConns[7].connects)
		}
	})
}

func TestNoInstanceForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, a := build(t)
		defer b.Close()
		tell(t, b, a, nil, nil)
		b.ResolverError(errors.New("no answer"))
		pass(16 * time.Second)
		_, err := c.last().Picker.Pick(balancer.PickInfo{})
		if want := "no instance is known for 15s; the registry: no answer"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestPatienceOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, a := build(t)
		defer b.Close()
		tell(t, b, a, instances(1, 0), func(c *Config) { c.UnavailableAfter = 0 })
		pass(24 * time.Hour)
		if got := c.last().ConnectivityState; got != connectivity.Connecting {
			t.Errorf("state is %v after a day, want calls to wait", got)
		}
	})
}

func TestWaitersPickAnewWhenAConnectionIsLost(t *testing.T) {
	c, b, a := build(t)
	tell(t, b, a, instances(2, 0), nil)
	c.subConns[0].becomes(connectivity.Ready)
	c.subConns[1].becomes(connectivity.Ready)
	told := len(c.states)
	c.subConns[0].becomes(connectivity.Idle)
	if len(c.states) != told+1 {
		t.Fatalf("gRPC was told %d times, want once: a call may wait for the lost connection", len(c.states)-told)
	}
	for range 20 {
		result, err := c.last().Picker.Pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil || result.SubConn != balancer.SubConn(c.subConns[1]) {
			t.Fatalf("picked %v, %v, want the connection that is left", result.SubConn, err)
		}
		result.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
	}
}

func TestAvailabilityFollowsTheLatestPolicy(t *testing.T) {
	c1, first, a := build(t)
	tell(t, first, a, instances(1, 0), nil)
	c1.subConns[0].becomes(connectivity.Ready)
	if !a.Ready() {
		t.Fatal("not ready")
	}
	c2, second, _ := build(t)
	tell(t, second, a, instances(1, 0), nil)
	if a.Ready() {
		t.Error("ready by a connection of the policy before")
	}
	first.Close()
	waited := make(chan error, 1)
	go func() { waited <- a.Wait(t.Context()) }()
	c2.subConns[0].becomes(connectivity.Ready)
	if err := <-waited; err != nil || !a.Ready() {
		t.Errorf("wait: %v, ready: %v", err, a.Ready())
	}
	second.Close()
	if a.Ready() || len(c2.open()) != 0 {
		t.Errorf("after Close ready is %v and %d connections are open", a.Ready(), len(c2.open()))
	}
	c2.subConns[0].becomes(connectivity.Idle) // a late message changes nothing
	if a.Ready() || c2.subConns[0].connects != 1 {
		t.Error("a closed policy acts")
	}
}

func TestRefusalOfEjected(t *testing.T) {
	c, b, a := build(t)
	list := instances(2, 0)
	tell(t, b, a, list, nil)
	for _, s := range c.subConns {
		s.becomes(connectivity.Ready)
	}
	var results []balancer.PickResult
	for range 40 {
		result, err := c.last().Picker.Pick(balancer.PickInfo{})
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, result)
	}
	for _, r := range results {
		info := balancer.DoneInfo{BytesSent: true, BytesReceived: true}
		if r.SubConn.(*subConn).address == list[1].Endpoint() {
			info = balancer.DoneInfo{BytesSent: true, Err: status.Error(codes.Unavailable, "x")}
		}
		r.Done(info)
	}
	if got := a.Refusal(list[1]); !strings.Contains(got, "consecutive UNAVAILABLE, probed again in 1") && !strings.Contains(got, "probed again in 9") {
		t.Errorf("refusal %q", got)
	}
	if got := a.Refusal(list[0]); got != "" {
		t.Errorf("refusal of the good one %q", got)
	}
	if got := a.Refusal(discovery.Instance{ID: "stranger"}); got != "" {
		t.Errorf("refusal of an unknown instance %q", got)
	}
}
