package loadbalance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance"
	"github.com/pandakit/panda/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The service under test: Read may be repeated, Add may not, Watch is a stream that lasts.
const (
	read  = "/balance.test.Store/Read"
	add   = "/balance.test.Store/Add"
	watch = "/balance.test.Store/Watch"
)

func storeFiles(t testing.TB) *protoregistry.Files {
	t.Helper()
	method := func(name string, level descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(".google.protobuf.StringValue"), OutputType: proto.String(".google.protobuf.StringValue"),
			Options: &descriptorpb.MethodOptions{IdempotencyLevel: level.Enum()},
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("balance/test/store.proto"), Package: proto.String("balance.test"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Store"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Read", descriptorpb.MethodOptions_NO_SIDE_EFFECTS),
			method("Add", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN),
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	files := new(protoregistry.Files)
	if err := files.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	return files
}

// server is one instance of the store in this process.
type server struct {
	instance discovery.Instance
	grpc     *grpc.Server
	served   atomic.Int64
	streams  atomic.Int64
	answer   atomic.Pointer[func(context.Context) error] // what a call waits for and returns

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	lis   net.Listener
	mute  chan struct{} // closed when it speaks again; nil while it does
}

func (s *server) handle(ctx context.Context) (any, error) {
	s.served.Add(1)
	if answer := s.answer.Load(); answer != nil {
		if err := (*answer)(ctx); err != nil {
			return nil, err
		}
	}
	return wrapperspb.String(s.instance.ID), nil
}

func (s *server) answers(f func(context.Context) error) { s.answer.Store(&f) }

// after returns an answer that takes d.
func after(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var storeDesc = grpc.ServiceDesc{
	ServiceName: "balance.test.Store",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Read", Handler: unary}, {MethodName: "Add", Handler: unary}},
	Streams:     []grpc.StreamDesc{{StreamName: "Watch", Handler: stream, ServerStreams: true}},
}

func unary(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	if err := decode(new(wrapperspb.StringValue)); err != nil {
		return nil, err
	}
	return srv.(*server).handle(ctx)
}

func stream(srv any, s grpc.ServerStream) error {
	srv.(*server).streams.Add(1)
	defer srv.(*server).streams.Add(-1)
	if err := s.SendMsg(wrapperspb.String(srv.(*server).instance.ID)); err != nil {
		return err
	}
	<-s.Context().Done()
	return nil
}

// start runs an instance on its own port of the loopback interface until the test ends.
func start(t testing.TB, id string) *server {
	t.Helper()
	return startAt(t, id, "127.0.0.1:0")
}

func startAt(t testing.TB, id, address string) *server {
	t.Helper()
	return startWith(t, id, address, 0)
}

// startWith runs one that takes no more than so many calls at once on a connection; 0 is no limit.
func startWith(t testing.TB, id, address string, calls uint32) *server {
	t.Helper()
	lis, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	port := lis.Addr().(*net.TCPAddr).Port
	s := &server{
		instance: discovery.Instance{ID: id, Service: "store", Address: "127.0.0.1", Port: port, Weight: 1},
		grpc:     grpc.NewServer(grpc.MaxConcurrentStreams(calls)), conns: make(map[net.Conn]struct{}), lis: lis,
	}
	s.grpc.RegisterService(&storeDesc, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.grpc.Serve(&tracked{lis, s})
	}()
	t.Cleanup(func() { s.kill(); s.grpc.Stop(); <-done })
	return s
}

// tracked remembers the connections so that kill can cut them.
type tracked struct {
	net.Listener
	s *server
}

func (l *tracked) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.s.mu.Lock()
		l.s.conns[c] = struct{}{}
		l.s.mu.Unlock()
		return &mutable{c, l.s}, nil
	}
	return c, err
}

// mutable is a connection on which nothing comes through while its server is mute.
type mutable struct {
	net.Conn
	s *server
}

func (c *mutable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.s.wait()
	return n, err
}

func (c *mutable) Write(p []byte) (int, error) {
	c.s.wait()
	return c.Conn.Write(p)
}

func (s *server) wait() {
	s.mu.Lock()
	mute := s.mute
	s.mu.Unlock()
	if mute != nil {
		<-mute
	}
}

// silence makes the instance say nothing, as a frozen host does, until the function is called.
func (s *server) silence(t testing.TB) (speak func()) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	mute := make(chan struct{})
	s.mute = mute
	speak = sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mute = nil
		close(mute)
	})
	t.Cleanup(speak)
	return speak
}

func (s *server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// kill ends the instance as a crash does: no GOAWAY, connections are reset.
func (s *server) kill() {
	_ = s.lis.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	clear(s.conns)
}

// client is a connection with the policy under test.
type client struct {
	*grpc.ClientConn
	resolver     *manual.Resolver
	availability *loadbalance.Availability
}

func dial(t testing.TB, change func(*loadbalance.Config), servers ...*server) *client {
	t.Helper()
	config := loadbalance.DefaultConfig()
	if change != nil {
		change(&config)
	}
	lb, err := json.Marshal(map[string]any{loadbalance.PolicyName: config})
	if err != nil {
		t.Fatal(err)
	}
	files := storeFiles(t)
	service, err := retry.ServiceConfig(files, lb)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{resolver: manual.NewBuilderWithScheme("test"), availability: loadbalance.NewAvailability()}
	c.resolver.InitialState(c.state(servers...))
	c.ClientConn, err = grpc.NewClient("test:///store", grpc.WithResolvers(c.resolver), grpc.WithDefaultServiceConfig(service),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithChainStreamInterceptor(loadbalance.MarkStream),
		grpc.WithChainUnaryInterceptor(retry.NewInterceptor(files)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second}, MinConnectTimeout: 5 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Connect()
	return c
}

func (c *client) state(servers ...*server) resolver.State {
	instances := make([]discovery.Instance, 0, len(servers))
	for _, s := range servers {
		instances = append(instances, s.instance)
	}
	return loadbalance.WithInstances(resolver.State{}, instances, c.availability)
}

func (c *client) update(servers ...*server) { c.resolver.UpdateState(c.state(servers...)) }

func (c *client) call(ctx context.Context, method string) (id string, err error) {
	var reply wrapperspb.StringValue
	err = c.Invoke(ctx, method, wrapperspb.String("x"), &reply)
	return reply.GetValue(), err
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// warm calls until each of the servers has answered.
func warm(t testing.TB, c *client, servers ...*server) {
	t.Helper()
	eventually(t, "all have answered", func() bool {
		if _, err := c.call(context.Background(), read); err != nil {
			t.Fatal(err)
		}
		for _, s := range servers {
			if s.served.Load() == 0 {
				return false
			}
		}
		return true
	})
}

// load calls a method from several goroutines until it is stopped.
type load struct {
	stop   context.CancelFunc
	wg     sync.WaitGroup
	calls  atomic.Int64
	mu     sync.Mutex
	errors []error
}

// begin starts the load. before, when not nil, gives a value that judge gets with the error of that call.
func begin(t testing.TB, c *client, method string, callers int, before func() bool) *load {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop}
	for range callers {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				counts := before == nil || before()
				_, err := c.call(context.Background(), method)
				l.calls.Add(1)
				if err != nil && counts {
					l.mu.Lock()
					l.errors = append(l.errors, err)
					l.mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(func() { l.stop(); l.wg.Wait() })
	return l
}

// more waits until n more calls have ended.
func (l *load) more(t testing.TB, n int64) {
	t.Helper()
	target := l.calls.Load() + n
	eventually(t, fmt.Sprintf("%d more calls have ended", n), func() bool { return l.calls.Load() >= target })
}

// end stops the load and reports the errors.
func (l *load) end(t testing.TB, what string) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	for i, err := range l.errors {
		if i == 3 {
			t.Errorf("and %d more", len(l.errors)-i)
			break
		}
		t.Errorf("%s: %v", what, err)
	}
}
