package panda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handler implements gRPC's own test service.
type handler struct {
	testpb.UnimplementedTestServiceServer
	unary func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
}

func (h handler) UnaryCall(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if h.unary == nil {
		return &testpb.SimpleResponse{Payload: in.GetPayload()}, nil
	}
	return h.unary(ctx, in)
}

func (h handler) StreamingOutputCall(in *testpb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	for range in.GetResponseParameters() {
		if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
	return nil
}

// Panda is the net/rpc service of the tests.
type Panda struct{}

// GetInfo adds a hundred.
func (*Panda) GetInfo(in int, out *int) error {
	if in < 0 {
		return errors.New("no negative pandas")
	}
	*out = in + 100
	return nil
}

// run runs the service until the test ends, and reports how Run ended.
type running struct {
	stop context.CancelFunc
	done chan error
}

func run(t testing.TB, s *panda.Service) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{stop, make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return r
}

// end stops the service and returns what Run returned.
func (r *running) end() error {
	r.stop()
	err := <-r.done
	r.done <- nil
	return err
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newService(registry discovery.Registry, options ...panda.ServiceOption) *panda.Service {
	return panda.NewService("test", append([]panda.ServiceOption{
		panda.WithRegistry(registry), panda.WithLogger(quiet()), panda.WithLeaveDelay(0),
	}, options...)...)
}

func dial(t *testing.T, registry discovery.Registry, options ...panda.ClientOption) *panda.Conn {
	t.Helper()
	conn, err := panda.Dial("test", append([]panda.ClientOption{panda.WithRegistry(registry), panda.WithLogger(quiet())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// instance waits for an instance of the service and returns it.
func instance(t *testing.T, registry discovery.Registry) discovery.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var found []discovery.Instance
	_ = registry.Watch(ctx, "test", func(s discovery.Snapshot) {
		if found = s.Usable(); len(found) > 0 {
			cancel()
		}
	})
	if len(found) == 0 {
		t.Fatal("no instance within 10 s")
	}
	return found[0]
}

func echo(ctx context.Context, conn grpc.ClientConnInterface, body string) (string, error) {
	reply, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte(body)}})
	return string(reply.GetPayload().GetBody()), err
}

func TestOnePortServesEveryProtocol(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	testpb.RegisterTestServiceServer(service, handler{})
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello world! %s", r.Proto) }))
	service.HandleRPC("Panda", new(Panda))
	run(t, service)
	address := func() string { i := instance(t, registry); return i.Endpoint() }()

	t.Run("gRPC by name", func(t *testing.T) {
		if got, err := echo(t.Context(), dial(t, registry), "你好"); err != nil || got != "你好" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("gRPC by address", func(t *testing.T) {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got, err := echo(t.Context(), conn, "plain"); err != nil || got != "plain" {
			t.Errorf("got %q, %v", got, err)
		}
		health, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "grpc.testing.TestService"})
		if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health: %v, %v", health, err)
		}
	})
	t.Run("net/rpc by address", func(t *testing.T) {
		client, err := rpc.DialHTTP("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		var reply int
		if err := client.Call("Panda.GetInfo", 100, &reply); err != nil || reply != 200 {
			t.Errorf("got %d, %v", reply, err)
		}
	})
	t.Run("HTTP/1.1", func(t *testing.T) {
		if body := get(t, new(http.Client), "http://"+address+"/"); body != "hello world! HTTP/1.1" {
			t.Errorf("got %q", body)
		}
	})
	t.Run("HTTP/2 in cleartext", func(t *testing.T) {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		if body := get(t, &http.Client{Transport: transport}, "http://"+address+"/"); body != "hello world! HTTP/2.0" {
			t.Errorf("got %q", body)
		}
	})
	t.Run("metrics", func(t *testing.T) {
		body := get(t, new(http.Client), "http://"+address+"/metrics")
		for _, want := range []string{
			`grpc_server_handled_total{grpc_type="unary",grpc_service="grpc.testing.TestService",grpc_method="UnaryCall",grpc_code="OK"} 2`,
			"grpc_server_handling_seconds_bucket", "http_requests_total", "go_goroutines",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("metrics lack %q:\n%s", want, body)
			}
		}
	})
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, response.Status, err)
	}
	return string(body)
}

func TestIPv6(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	probe.Close()
	registry := inmemory.New()
	service := newService(registry, panda.WithAddress("[::1]:0"))
	testpb.RegisterTestServiceServer(service, handler{})
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "six") }))
	service.HandleRPC("Panda", new(Panda))
	run(t, service)
	if i := instance(t, registry); i.Address != "::1" {
		t.Errorf("advertised %q, want ::1", i.Address)
	}
	if got, err := echo(t.Context(), dial(t, registry), "sechs"); err != nil || got != "sechs" {
		t.Errorf("gRPC: got %q, %v", got, err)
	}
	var reply int
	if err := rpcClient(t, registry).Call(t.Context(), "Panda.GetInfo", 6, &reply); err != nil || reply != 106 {
		t.Errorf("net/rpc: got %d, %v", reply, err)
	}
	if body := get(t, httpClient(t, registry), "http://test.service.consul/"); body != "six" {
		t.Errorf("HTTP: got %q", body)
	}
}

func TestClientMayStartFirst(t *testing.T) {
	registry := inmemory.New()
	conn := dial(t, registry)
	answered := make(chan error, 1)
	go func() {
		_, err := echo(t.Context(), conn, "early")
		answered <- err
	}()
	conn.ClientConn().Connect()
	service := newService(registry)
	testpb.RegisterTestServiceServer(service, handler{})
	run(t, service)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestErrorsTellTheCasesApart(t *testing.T) {
	short := func(t *testing.T) context.Context {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	t.Run("no such service", func(t *testing.T) {
		registry := inmemory.New()
		registry.Put(discovery.Instance{ID: "tests-1", Service: "tests", Address: "127.0.0.1", Port: 1})
		_, err := echo(short(t), dial(t, registry), "")
		missing, ok := errors.AsType[*discovery.NotFoundError](err)
		if !ok || len(missing.Near) != 1 || missing.Near[0] != "tests" {
			t.Errorf("got %v, want a NotFoundError with the near name tests", err)
		}
		if status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got code %v of %v, want DEADLINE_EXCEEDED", status.Code(err), err)
		}
	})
	t.Run("no usable instance", func(t *testing.T) {
		registry := inmemory.New()
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := closed.Addr().(*net.TCPAddr).Port
		closed.Close()
		registry.Put(discovery.Instance{ID: "dead", Service: "test", Address: "127.0.0.1", Port: port})
		registry.Put(discovery.Instance{ID: "ill", Service: "test", Address: "127.0.0.1", Port: port, Checks: []discovery.Check{{ID: "ttl", Status: discovery.Critical, Output: "TTL expired"}}})
		_, err = echo(short(t), dial(t, registry), "")
		unusable, ok := errors.AsType[*discovery.UnusableError](err)
		if !ok || len(unusable.Refused) != 2 {
			t.Fatalf("got %v, want an UnusableError with two instances", err)
		}
		for i, want := range []string{"connection refused", "critical: TTL expired"} {
			if !strings.Contains(unusable.Refused[i].Reason, want) {
				t.Errorf("refusal %d = %+v, want reason %q", i, unusable.Refused[i], want)
			}
		}
	})
	t.Run("registry away", func(t *testing.T) {
		registry := inmemory.New()
		registry.Disconnect()
		_, err := echo(t.Context(), dial(t, registry, panda.WithWaitTimeout(200*time.Millisecond)), "")
		away, ok := errors.AsType[*discovery.UnreachableError](err)
		if !ok || away.Since.IsZero() || away.Err == nil {
			t.Errorf("got %v, want an UnreachableError that says since when and why", err)
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("got code %v, want UNAVAILABLE", status.Code(err))
		}
	})
}

// Wherever a user's interceptor of unary calls stands, its panic is answered, and logged and counted as the handler's is.
func TestPanicOfAnInterceptor(t *testing.T) {
	panics := func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) { panic("secret") }
	for name, option := range map[string]grpc.ServerOption{
		"before all others": grpc.UnaryInterceptor(panics),
		"in the chain":      grpc.ChainUnaryInterceptor(panics),
	} {
		t.Run(name, func(t *testing.T) {
			registry := inmemory.New()
			service := newService(registry, panda.WithServerOptions(option))
			testpb.RegisterTestServiceServer(service, handler{})
			run(t, service)
			connection := dial(t, registry)
			for range 2 { // the process lives on
				_, err := echo(t.Context(), connection, "")
				if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v, want INTERNAL without the panic's value", err)
				}
			}
			const counted = `grpc_method="UnaryCall",grpc_code="Internal"} 2`
			i := instance(t, registry)
			if page := get(t, new(http.Client), "http://"+i.Endpoint()+"/metrics"); !strings.Contains(page, counted) {
				t.Errorf("the metrics lack %q:\n%s", counted, page)
			}
		})
	}
}

func TestPanicIsOneCallsMisfortune(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	testpb.RegisterTestServiceServer(service, handler{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { panic("secret") }})
	service.Handle("GET /boom", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	run(t, service)
	_, err := echo(t.Context(), dial(t, registry), "")
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want INTERNAL without the panic's value", err)
	}
	i := instance(t, registry)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.Endpoint()+"/boom", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := new(http.Client)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError {
		t.Errorf("got %s, want 500", response.Status)
	}
}

// A call in flight when the service is told to stop is answered, and the instance is gone from the
// registry before that.
func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	registry := inmemory.New()
	started, finish := make(chan struct{}), make(chan struct{})
	service := newService(registry)
	testpb.RegisterTestServiceServer(service, handler{unary: func(_ context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		close(started)
		<-finish
		return &testpb.SimpleResponse{Payload: in.GetPayload()}, nil
	}})
	r := run(t, service)
	conn := dial(t, registry)
	answered := make(chan error, 1)
	go func() {
		got, err := echo(t.Context(), conn, "slow")
		if err == nil && got != "slow" {
			err = fmt.Errorf("got %q", got)
		}
		answered <- err
	}()
	<-started
	r.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_ = registry.Watch(ctx, "test", func(s discovery.Snapshot) {
		if len(s.Instances) == 0 {
			cancel()
		}
	})
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error("the instance did not leave the registry while its call was in flight")
	}
	close(finish)
	if err := <-answered; err != nil {
		t.Errorf("the call in flight failed: %v", err)
	}
	if err := r.end(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	registry := inmemory.New()
	started := make(chan struct{})
	var once sync.Once
	service := newService(registry, panda.WithDrainTimeout(50*time.Millisecond))
	testpb.RegisterTestServiceServer(service, handler{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		once.Do(func() { close(started) })
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	r := run(t, service)
	conn := dial(t, registry)
	answered := make(chan error, 1)
	go func() {
		_, err := echo(t.Context(), conn, "")
		answered <- err
	}()
	<-started
	if err := r.end(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Run returned %v, want that calls were cut off", err)
	}
	if err := <-answered; status.Code(err) != codes.Unavailable {
		t.Errorf("the call that was cut off returned %v, want UNAVAILABLE", err)
	}
}

func TestServiceWithoutRegistryServes(t *testing.T) {
	registry := inmemory.New()
	registry.Disconnect()
	service := newService(registry)
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
	run(t, service)
	registry.Reconnect()
	i := instance(t, registry)
	if body := get(t, new(http.Client), "http://"+i.Endpoint()+"/"); body != "here" {
		t.Errorf("got %q", body)
	}
}

func TestRunRefusesWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		service func() *panda.Service
		want    string
	}{
		"no name": {func() *panda.Service { return panda.NewService("") }, "name is empty"},
		"port taken": {func() *panda.Service {
			return newService(inmemory.New(), panda.WithAddress(taken.Addr().String()))
		}, "port is taken"},
		"handler of another service": {func() *panda.Service {
			s := newService(inmemory.New())
			s.RegisterService(&testpb.TestService_ServiceDesc, "not a handler")
			return s
		}, "does not implement"},
		"registered twice": {func() *panda.Service {
			s := newService(inmemory.New())
			testpb.RegisterTestServiceServer(s, handler{})
			testpb.RegisterTestServiceServer(s, handler{})
			return s
		}, "registered twice"},
		"bad pattern": {func() *panda.Service {
			s := newService(inmemory.New())
			s.Handle("GET /{", http.NotFoundHandler())
			return s
		}, "GET /{"},
		"net/rpc receiver without a method": {func() *panda.Service {
			s := newService(inmemory.New())
			s.HandleRPC("Empty", struct{}{})
			return s
		}, "Empty"},
		"metadata that no registry takes": {func() *panda.Service {
			return newService(inmemory.New(), panda.WithMeta(map[string]string{"no spaces here": "x"}))
		}, "no spaces here"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := test.service().Run(ctx); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run returned %v, want an error with %q", err, test.want)
			}
		})
	}
}
