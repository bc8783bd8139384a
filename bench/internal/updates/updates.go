// Package updates measures, in this process, what it costs a client to be told of its service's
// instances again: by Panda's resolver, and by grpc-go's round_robin. The instances are many names of one
// real server.
package updates

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
	"github.com/pandakit/panda/discovery"
)

// firstCall bounds the time until a client has connected.
const firstCall = 30 * time.Second

// The clients that are compared.
const (
	NamePanda      = "Panda"
	NameRoundRobin = "grpc-go round_robin"
)

// Cost is the mean cost of one update.
type Cost struct {
	Client    string
	Unchanged PerUpdate // the same set again
	Changed   PerUpdate // one instance replaced
}

// PerUpdate is a mean over several updates; what connections cost in the background is in it.
type PerUpdate struct {
	Time   time.Duration
	Allocs float64 // heap objects
}

// feeder returns what tells a client that its service has the n instances from first on. Making the set
// is not part of the update.
type feeder func(first int) (update func())

// Measure tells both clients of n instances, over and over.
func Measure(ctx context.Context, n, updates int) ([]Cost, error) {
	behind, err := serve(ctx)
	if err != nil {
		return nil, err
	}
	defer behind.stop()
	var costs []Cost
	for _, client := range []struct {
		name string
		dial func(ctx context.Context, server *server, n int) (feeder, func() error, error)
	}{
		{NamePanda, dialPanda},
		{NameRoundRobin, dialRoundRobin},
	} {
		feed, closeConn, err := client.dial(ctx, behind, n)
		if err != nil {
			return nil, fmt.Errorf("updates of %s: %w", client.name, err)
		}
		cost := Cost{Client: client.name}
		cost.Unchanged = perUpdate(updates, func(int) func() { return feed(0) })
		cost.Changed = perUpdate(updates, func(i int) func() { return feed(i + 1) })
		if err := closeConn(); err != nil {
			return nil, fmt.Errorf("updates of %s: %w", client.name, err)
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

// perUpdate makes the updates first, and then runs one to warm up and n that count.
func perUpdate(n int, prepare func(i int) func()) PerUpdate {
	updates := make([]func(), n+1)
	for i := range updates {
		updates[i] = prepare(i)
	}
	updates[0]()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for _, update := range updates[1:] {
		update()
	}
	elapsed := time.Since(began)
	runtime.ReadMemStats(&after)
	return PerUpdate{
		Time:   elapsed / time.Duration(n),
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
	}
}

// server is the one behind all instances.
type server struct {
	grpc    *grpc.Server
	address string
	serving sync.WaitGroup
}

func serve(ctx context.Context) (*server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the instances: %w", err)
	}
	s := &server{grpc: grpc.NewServer(), address: listener.Addr().String()}
	hellopb.RegisterHelloServer(s.grpc, &hello.Server{})
	s.serving.Go(func() { _ = s.grpc.Serve(listener) }) // a client whose server has failed tells of it
	return s, nil
}

func (s *server) stop() {
	s.grpc.Stop()
	s.serving.Wait()
}

// dial reaches the one server whatever the instance's address is.
func (s *server) dial(ctx context.Context, _ string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", s.address)
}

// The instances are at 192.0.2.1, an address of documentation, told apart by port.
const instanceAddress = "192.0.2.1"

func port(i int) int { return 1024 + i }

func dialRoundRobin(ctx context.Context, server *server, n int) (feeder, func() error, error) {
	builder := manual.NewBuilderWithScheme("instances")
	builder.InitialState(endpoints(0, n))
	conn, err := grpc.NewClient("instances:///hello",
		grpc.WithResolvers(builder),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(server.dial),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	if err != nil {
		return nil, nil, err
	}
	if err := first(ctx, conn); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	feed := func(first int) func() {
		state := endpoints(first, n)
		return func() { builder.UpdateState(state) }
	}
	return feed, conn.Close, nil
}

func endpoints(first, n int) resolver.State {
	state := resolver.State{Endpoints: make([]resolver.Endpoint, n)}
	for i := range state.Endpoints {
		address := fmt.Sprintf("%s:%d", instanceAddress, port(first+i))
		state.Endpoints[i] = resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}}
	}
	return state
}

func dialPanda(ctx context.Context, server *server, n int) (feeder, func() error, error) {
	registry := &feed{initial: snapshot(0, n), updates: make(chan func(discovery.Snapshot), 1)}
	conn, err := panda.Dial("hello",
		panda.WithRegistry(registry),
		panda.WithLogger(slog.New(slog.DiscardHandler)),
		panda.WithDialOptions(grpc.WithContextDialer(server.dial)))
	if err != nil {
		return nil, nil, err
	}
	if err := first(ctx, conn); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	update := <-registry.updates
	feed := func(first int) func() {
		set := snapshot(first, n)
		return func() { update(set) }
	}
	return feed, conn.Close, nil
}

func first(ctx context.Context, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, firstCall)
	defer cancel()
	_, err := hello.Call(hellopb.NewHelloClient(conn))(ctx, child.Greeting)
	return err
}

func snapshot(first, n int) discovery.Snapshot {
	s := discovery.Snapshot{Service: "hello", Registry: "a feed", Instances: make([]discovery.Instance, n)}
	for i := range s.Instances {
		s.Instances[i] = discovery.Instance{
			ID:      fmt.Sprintf("hello-%d", port(first+i)),
			Service: "hello",
			Address: instanceAddress,
			Port:    port(first + i),
			Meta:    map[string]string{"version": "1.0.0"},
			Weight:  1,
			Node:    "node",
			Checks:  []discovery.Check{{ID: "ttl", Status: discovery.Passing}},
		}
	}
	return s
}

// feed is a registry whose watch is told what the measurement says.
type feed struct {
	initial discovery.Snapshot
	updates chan func(discovery.Snapshot)
}

func (f *feed) Announce(ctx context.Context, _ discovery.Announcement) error {
	<-ctx.Done()
	return nil
}

func (f *feed) Watch(ctx context.Context, _ string, update func(discovery.Snapshot)) error {
	update(f.initial)
	f.updates <- update
	<-ctx.Done()
	return ctx.Err()
}

func (f *feed) Services(context.Context) ([]string, error) { return []string{"hello"}, nil }

func (f *feed) String() string { return "a feed" }
