// Package grpcserver watches the calls of a Panda server: around the handlers of unary methods, and as an interceptor of
// streams, it counts each call and turns a panic into an error. It never changes a request, an answer or a context,
// and adds no allocation to a call that does not panic.
package grpcserver

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/internal/metrics"
)

// Observer watches the calls of one server.
type Observer struct {
	logger  *slog.Logger
	methods map[string]*metrics.GRPCMethod // by full name
	others  *metrics.GRPCMethod
	epoch   time.Time // time since then costs one reading of the clock, where time.Now costs two
}

// New returns an observer that counts into r and logs panics.
func New(r *metrics.Registry, logger *slog.Logger) *Observer {
	return &Observer{
		logger:  logger,
		methods: map[string]*metrics.GRPCMethod{},
		// For a server that handles methods it has not registered: callers must not make series.
		others: r.GRPC("unary", "unknown", "unknown"),
		epoch:  time.Now(),
	}
}

// Know makes the counters of all registered methods. It must return before the server serves.
func (o *Observer) Know(r *metrics.Registry, services map[string]grpc.ServiceInfo) {
	for service, info := range services {
		for _, m := range info.Methods {
			o.methods["/"+service+"/"+m.Name] = r.GRPC(kind(m), service, m.Name)
		}
	}
}

func kind(m grpc.MethodInfo) string {
	switch {
	case m.IsClientStream && m.IsServerStream:
		return "bidi_stream"
	case m.IsClientStream:
		return "client_stream"
	case m.IsServerStream:
		return "server_stream"
	}
	return "unary"
}

func (o *Observer) method(name string) *metrics.GRPCMethod {
	if m := o.methods[name]; m != nil {
		return m
	}
	return o.others
}

// Observed returns a server on which the unary methods of what is registered are watched. It is there that
// every interceptor is called, also one that grpc.UnaryInterceptor has put before all others.
func (o *Observer) Observed(server *grpc.Server) *Observed { return &Observed{server, o} }

// Observed registers services at a server, whose unary methods it has watched.
type Observed struct {
	*grpc.Server

	observer *Observer
}

// RegisterService implements [grpc.ServiceRegistrar]. The description is not changed.
func (s *Observed) RegisterService(description *grpc.ServiceDesc, implementation any) {
	watched := *description
	watched.Methods = slices.Clone(description.Methods)
	for i := range watched.Methods {
		m := &watched.Methods[i]
		m.Handler = s.observer.Unary("/"+description.ServiceName+"/"+m.MethodName, m.Handler)
	}
	s.Server.RegisterService(&watched, implementation)
}

// Unary returns a handler of the method of that full name that is watched. handle decodes the request and calls the
// interceptors, so that all of them are watched with it.
func (o *Observer) Unary(name string, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (answer any, err error) {
		m := o.method(name)
		m.Started()
		started := time.Since(o.epoch)
		defer func() {
			if p := recover(); p != nil {
				answer, err = nil, o.panicked(ctx, name, p)
			}
			m.Handled(code(err), time.Since(o.epoch)-started)
		}()
		return handle(service, ctx, decode, interceptor)
	}
}

// Stream is a [grpc.StreamServerInterceptor].
func (o *Observer) Stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	m := o.method(info.FullMethod)
	m.Started()
	started := time.Since(o.epoch)
	defer func() {
		if p := recover(); p != nil {
			err = o.panicked(stream.Context(), info.FullMethod, p)
		}
		m.Handled(code(err), time.Since(o.epoch)-started)
	}()
	return handle(service, stream)
}

// code is the code that gRPC will send for what a handler returned.
func code(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return status.FromContextError(err).Code()
}

// panicked logs a panic and returns what the caller is told, which is not its value: that may hold anything.
func (o *Observer) panicked(ctx context.Context, method string, value any) error {
	LogPanic(ctx, o.logger, method, value)
	return status.Error(codes.Internal, "panic in "+strings.TrimPrefix(method, "/"))
}

// LogPanic logs what a handler panicked with, and its stack. It must be called by the deferred function
// that recovers.
func LogPanic(ctx context.Context, logger *slog.Logger, handler string, value any) {
	logger.ErrorContext(ctx, "handler panicked", "handler", handler, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
}
