package grpcserver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/internal/grpcserver"
	"github.com/pandakit/panda/internal/metrics"
)

func newObserver(logs *bytes.Buffer) (*grpcserver.Observer, *metrics.Registry) {
	r := metrics.NewRegistry()
	o := grpcserver.New(r, slog.New(slog.NewTextHandler(logs, nil)))
	o.Know(r, map[string]grpc.ServiceInfo{"s": {Methods: []grpc.MethodInfo{
		{Name: "Unary"}, {Name: "Bidi", IsClientStream: true, IsServerStream: true},
	}}})
	return o, r
}

func page(r *metrics.Registry) string {
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	return w.Body.String()
}

// handling is a handler without a request.
func handling(do func() (any, error)) grpc.MethodHandler {
	return func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) { return do() }
}

func TestUnaryCountsWhatTheCallerIsSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method string
		err    error
		want   string
	}{
		{"/s/Unary", nil, `grpc_type="unary",grpc_service="s",grpc_method="Unary",grpc_code="OK"} 1`},
		{"/s/Unary", status.Error(codes.NotFound, "x"), `grpc_method="Unary",grpc_code="NotFound"} 1`},
		{"/s/Unary", context.DeadlineExceeded, `grpc_method="Unary",grpc_code="DeadlineExceeded"} 1`},
		{"/s/Unary", errors.New("plain"), `grpc_method="Unary",grpc_code="Unknown"} 1`},
		{"/never/Heard", nil, `grpc_service="unknown",grpc_method="unknown",grpc_code="OK"} 1`},
	} {
		o, r := newObserver(new(bytes.Buffer))
		_, err := o.Unary(test.method, handling(func() (any, error) { return nil, test.err }))(nil, t.Context(), nil, nil)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: error %v became %v", test.method, test.err, err)
		}
		if got := page(r); !strings.Contains(got, test.want) {
			t.Errorf("%s, %v: no %q in\n%s", test.method, test.err, test.want, got)
		}
	}
}

func TestPanicBecomesInternal(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	o, r := newObserver(&logs)
	_, unary := o.Unary("/s/Unary", handling(func() (any, error) { panic("password=123") }))(nil, t.Context(), nil, nil)
	stream := o.Stream(nil, fakeStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/s/Bidi"}, func(any, grpc.ServerStream) error { panic("password=123") })
	for method, err := range map[string]error{"s/Unary": unary, "s/Bidi": stream} {
		if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), method) || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: got %v, want INTERNAL that names the method and not the panic's value", method, err)
		}
		if !strings.Contains(logs.String(), method) {
			t.Errorf("the log does not name %s:\n%s", method, logs.String())
		}
	}
	if !strings.Contains(logs.String(), "observer_test.go") {
		t.Errorf("the log has no stack:\n%s", logs.String())
	}
	if got := page(r); strings.Count(got, `grpc_code="Internal"} 1`) != 2 {
		t.Errorf("the panics are not counted:\n%s", got)
	}
}

type fakeStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s fakeStream) Context() context.Context { return s.ctx }

func TestUnaryCostsNoAllocation(t *testing.T) {
	o, _ := newObserver(new(bytes.Buffer))
	handle := o.Unary("/s/Unary", handling(func() (any, error) { return "answer", nil }))
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = handle(nil, ctx, nil, nil) }); n != 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}
