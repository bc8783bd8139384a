package tracecontext_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/pandakit/panda/internal/tracecontext"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func incoming(pairs ...string) context.Context {
	return metadata.NewIncomingContext(context.Background(), metadata.Pairs(pairs...))
}

func TestParentsAreValidated(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		parent: true,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00":                             true,
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later":                       true,
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01later":                        false,
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-" + strings.Repeat("a", 999): false,
		parent + "-more": false,
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01": false,
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"": false, "00-": false,
	} {
		if _, got := tracecontext.FromContext(incoming("traceparent", value)); got != want {
			t.Errorf("traceparent %q is taken: %v, want %v", value, got, want)
		}
	}
	if _, ok := tracecontext.FromContext(incoming("traceparent", parent, "traceparent", parent)); ok {
		t.Error("two parents are taken, want none")
	}
}

func TestCarriedFromGRPCToGRPC(t *testing.T) {
	t.Parallel()
	ctx := tracecontext.Outgoing(incoming("traceparent", parent, "tracestate", "a=1", "tracestate", "b=2"))
	sent, _ := metadata.FromOutgoingContext(ctx)
	if got := sent.Get("traceparent"); len(got) != 1 || got[0] != parent {
		t.Errorf("traceparent %q, want %q", got, parent)
	}
	if got := sent.Get("tracestate"); len(got) != 1 || got[0] != "a=1,b=2" {
		t.Errorf("tracestate %q, want the two joined", got)
	}
}

func TestTheCallersOwnTraceStays(t *testing.T) {
	t.Parallel()
	ctx := metadata.AppendToOutgoingContext(incoming("traceparent", parent), "traceparent", "mine")
	sent, _ := metadata.FromOutgoingContext(tracecontext.Outgoing(ctx))
	if got := sent.Get("traceparent"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("traceparent %q, want mine", got)
	}
}

func TestCarriedFromHTTPToBoth(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	request.Header.Set("Traceparent", parent)
	request.Header.Set("Tracestate", "a=1")
	called := false
	tracecontext.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = true
		out := http.Header{}
		tracecontext.Inject(r.Context(), out)
		if out.Get("Traceparent") != parent || out.Get("Tracestate") != "a=1" {
			t.Errorf("HTTP headers %v, want the caller's", out)
		}
		sent, _ := metadata.FromOutgoingContext(tracecontext.Outgoing(r.Context()))
		if got := sent.Get("traceparent"); len(got) != 1 || got[0] != parent {
			t.Errorf("gRPC traceparent %q, want %q", got, parent)
		}
	})).ServeHTTP(httptest.NewRecorder(), request)
	if !called {
		t.Error("the handler was not called")
	}
}

func TestOverlongOrUnprintableStateIsDropped(t *testing.T) {
	t.Parallel()
	for _, state := range []string{strings.Repeat("a", 513), "a=\x01"} {
		trace, ok := tracecontext.FromContext(incoming("traceparent", parent, "tracestate", state))
		if !ok || trace.State != "" {
			t.Errorf("state %.20q: got %+v, %v; want the parent without the state", state, trace, ok)
		}
	}
}

func TestNoTraceCostsNothing(t *testing.T) {
	ctx := incoming("user-agent", "test")
	if n := testing.AllocsPerRun(100, func() { tracecontext.Outgoing(ctx) }); n != 0 {
		t.Errorf("%v allocations without a trace, want none", n)
	}
}
