package metrics

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
)

// Registry holds what one service counts. Its methods may be called from several goroutines at once.
type Registry struct {
	mu   sync.Mutex
	grpc map[string]*GRPCMethod // by labels
	rpc  map[string]*rpcMethod  // by method
	http map[string]*httpRoute  // by pattern
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{grpc: map[string]*GRPCMethod{}, rpc: map[string]*rpcMethod{}, http: map[string]*httpRoute{}}
}

// mostCodes is the number of gRPC's status codes. Others count as UNKNOWN, as gRPC's specification asks.
const mostCodes = int(codes.Unauthenticated) + 1

// GRPCMethod counts the calls of one gRPC method. Its methods take no lock and allocate nothing.
type GRPCMethod struct {
	labels  string
	started atomic.Uint64
	handled [mostCodes]atomic.Uint64
	seconds histogram
}

// GRPC returns the counters of a method, the same ones each time. kind is "unary", "client_stream",
// "server_stream" or "bidi_stream".
func (r *Registry) GRPC(kind, service, method string) *GRPCMethod {
	labels := label("grpc_type", kind) + "," + label("grpc_service", service) + "," + label("grpc_method", method)
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.grpc[labels]
	if m == nil {
		m = &GRPCMethod{labels: labels}
		r.grpc[labels] = m
	}
	return m
}

// Started counts a call that begins.
func (m *GRPCMethod) Started() { m.started.Add(1) }

// Handled counts a call that has ended.
func (m *GRPCMethod) Handled(code codes.Code, elapsed time.Duration) {
	if int(code) >= mostCodes {
		code = codes.Unknown
	}
	m.handled[code].Add(1)
	m.seconds.observe(elapsed)
}

type rpcMethod struct {
	ok, failed atomic.Uint64
	seconds    histogram
}

// ObserveRPC counts a net/rpc call that has ended. method must be one that the server has registered, or
// a fixed word for all others.
func (r *Registry) ObserveRPC(method string, elapsed time.Duration, failed bool) {
	r.mu.Lock()
	m := r.rpc[method]
	if m == nil {
		m = new(rpcMethod)
		r.rpc[method] = m
	}
	r.mu.Unlock()
	if failed {
		m.failed.Add(1)
	} else {
		m.ok.Add(1)
	}
	m.seconds.observe(elapsed)
}

// sorted returns a copy of the map's values in the order of their keys.
func sorted[V any](m map[string]V) (keys []string, values []V) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	for _, k := range keys {
		values = append(values, m[k])
	}
	return keys, values
}

// escaper escapes a label's value as the text format wants it.
var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func label(name, value string) string {
	return name + `="` + escaper.Replace(strings.ToValidUTF8(value, "\uFFFD")) + `"`
}
