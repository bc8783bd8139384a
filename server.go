package panda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/grpcserver"
	"github.com/pandakit/panda/internal/metrics"
	"github.com/pandakit/panda/internal/netrpc"
	"github.com/pandakit/panda/internal/oneport"
	"github.com/pandakit/panda/internal/tracecontext"
)

// Bounds on what a client may ask of the server.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// streamWorkers reuse their stacks from call to call, which saves the growth of a new one each time.
	streamWorkers = 64
	// clientPings is how often a client may ask whether the connection lives.
	clientPings = 5 * time.Second
)

// server is the running part of a service: one port, and behind it a server per protocol.
type server struct {
	logger  *slog.Logger
	ports   []*oneport.Port // one, and another where it turned out late that callers are elsewhere
	failed  chan error
	grpc    *grpc.Server
	http    *http.Server
	rpc     *netrpc.Server
	health  *drainingHealth
	names   []string // of the gRPC services, for the health service
	serving atomic.Bool
	running sync.WaitGroup
}

func (s *Service) newServer(listener net.Listener) (*server, error) {
	measured := metrics.NewRegistry()
	rpc, err := s.newRPC(measured)
	if err != nil {
		return nil, err
	}
	handler, err := s.newMux(measured, rpc)
	if err != nil {
		return nil, err
	}
	logger := s.config.logger
	server := &server{
		logger: logger,
		ports:  []*oneport.Port{oneport.New(listener, oneport.Options{Logger: logger})},
		failed: make(chan error, 2*3), // what each port and protocol can tell at most
		rpc:    rpc,
		health: newDrainingHealth(),
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       idleTimeout,
			Protocols:         new(http.Protocols),
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
	}
	server.http.Protocols.SetHTTP1(true)
	server.http.Protocols.SetUnencryptedHTTP2(true)
	server.grpc = s.newGRPC(server.health, measured)
	for name := range server.grpc.GetServiceInfo() {
		server.names = append(server.names, name)
	}
	return server, nil
}

func (s *Service) newGRPC(health healthpb.HealthServer, measured *metrics.Registry) *grpc.Server {
	observer := grpcserver.New(measured, s.config.logger)
	options := []grpc.ServerOption{
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: clientPings, PermitWithoutStream: true}),
		grpc.ChainStreamInterceptor(observer.Stream),
	}
	server := observer.Observed(grpc.NewServer(append(options, s.config.grpc...)...))
	for _, service := range s.services {
		server.RegisterService(service.description, service.handler)
	}
	if _, own := server.GetServiceInfo()[healthpb.Health_ServiceDesc.ServiceName]; !own {
		healthpb.RegisterHealthServer(server, health)
	}
	if s.config.reflection {
		reflection.Register(server)
	}
	observer.Know(measured, server.GetServiceInfo())
	return server.Server
}

func (s *Service) newRPC(measured *metrics.Registry) (*netrpc.Server, error) {
	server := netrpc.NewServer(netrpc.Options{Logger: s.config.logger, Observe: measured.ObserveRPC})
	for _, r := range s.rpcs {
		if err := server.Register(r.name, r.receiver); err != nil {
			return nil, err
		}
	}
	return server, nil
}

// newMux routes HTTP requests; what it adds to the user's routes gives way to theirs.
func (s *Service) newMux(measured *metrics.Registry, rpc http.Handler) (handler http.Handler, err error) {
	mux := http.NewServeMux()
	defer func() { // ServeMux tells of a bad or doubled pattern in no other way
		if p := recover(); p != nil {
			err = fmt.Errorf("HTTP routes: %v", p)
		}
	}()
	ownMetrics := false
	for _, r := range s.routes {
		mux.Handle(r.pattern, measured.HTTP(r.pattern, recovered(s.config.logger, r.handler)))
		ownMetrics = ownMetrics || r.pattern == "GET /metrics" || r.pattern == "/metrics"
	}
	if !ownMetrics {
		mux.Handle("GET /metrics", measured.Handler())
	}
	if len(s.rpcs) > 0 {
		mux.Handle("CONNECT "+netrpc.Path, rpc)
	}
	return tracecontext.Middleware(mux), nil
}

// start serves every protocol. The channel gives the first failure of one of them.
func (s *server) start() <-chan error {
	s.serve(s.ports[0])
	return s.failed
}

func (s *server) serve(port *oneport.Port) {
	serve := func(what string, run func() error) {
		s.running.Go(func() {
			if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, grpc.ErrServerStopped) {
				s.failed <- fmt.Errorf("serve %s: %w", what, err)
			}
		})
	}
	serve("connections", port.Serve)
	serve("gRPC", func() error { return s.grpc.Serve(port.GRPC()) })
	serve("HTTP", func() error { return s.http.Serve(port.HTTP()) })
}

// also serves on a free port of another address, which it returns. It is called once, before drain.
func (s *server) also(ctx context.Context, host string) (int, error) {
	listener, err := listen(ctx, net.JoinHostPort(host, "0"), false)
	if err != nil {
		return 0, err
	}
	address, err := listenAddress(listener)
	if err != nil {
		return 0, errors.Join(err, listener.Close())
	}
	port := oneport.New(listener, oneport.Options{Logger: s.logger})
	s.ports = append(s.ports, port)
	s.serve(port)
	return int(address.Port()), nil
}

// setServing sets what the health service answers, for the server as a whole and for each gRPC service.
func (s *server) setServing(serving bool) {
	s.serving.Store(serving)
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
	for _, name := range s.names {
		s.health.SetServingStatus(name, status)
	}
}

func (s *server) healthStatus() (discovery.Status, string) {
	if s.serving.Load() {
		return discovery.Passing, "serving"
	}
	return discovery.Critical, "not serving"
}

// drain takes no more connections and waits until what is in flight has finished, or cuts it off.
func (s *server) drain(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	s.health.end()
	var draining sync.WaitGroup
	var cut [3]error
	draining.Go(func() { cut[0] = s.drainGRPC(ctx) })
	draining.Go(func() {
		if cut[1] = s.http.Shutdown(ctx); cut[1] != nil {
			cut[1] = errors.Join(cut[1], s.http.Close())
		}
	})
	draining.Go(func() { cut[2] = s.rpc.Drain(ctx) })
	var err error
	for _, port := range s.ports {
		err = errors.Join(err, port.Close())
	}
	draining.Wait()
	s.running.Wait()
	for i, protocol := range []string{"gRPC", "HTTP", "net/rpc"} {
		if cut[i] != nil {
			err = errors.Join(err, fmt.Errorf("drain: %s calls were still running after %v and were cut off: %w", protocol, timeout, cut[i]))
		}
	}
	return err
}

func (s *server) drainGRPC(ctx context.Context) error {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.grpc.GracefulStop()
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-drained
		return ctx.Err()
	}
}

// drainingHealth is gRPC's health service, but for one thing: a client that watches does not hold up
// the drain, because its stream ends with it.
type drainingHealth struct {
	*health.Server
	ended context.Context //nolint:containedctx // a signal that is waited on beside a stream's own
	end   context.CancelFunc
}

func newDrainingHealth() *drainingHealth {
	ended, end := context.WithCancel(context.Background())
	return &drainingHealth{health.NewServer(), ended, end}
}

// Watch implements the streaming method of the health service.
func (h *drainingHealth) Watch(in *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(h.ended, cancel)()
	return h.Server.Watch(in, watchStream{stream, ctx})
}

type watchStream struct {
	grpc.ServerStreamingServer[healthpb.HealthCheckResponse]
	ctx context.Context //nolint:containedctx // a stream is asked for its context
}

func (w watchStream) Context() context.Context { return w.ctx }

// recovered logs a handler's panic, and answers it with status 500. Where the answer had begun it breaks it off,
// as net/http does, so that the client cannot take it for whole.
func recovered(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // the request's is the one there is
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint,err113 // net/http compares the panic's value so
				panic(p)
			}
			grpcserver.LogPanic(r.Context(), logger, r.Method+" "+r.URL.Path, p)
			if begun, ok := w.(interface{ Begun() bool }); !ok || begun.Begun() {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
