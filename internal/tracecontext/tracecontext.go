// Package tracecontext carries a caller's trace on from the request that a service got to the calls that it
// makes, as W3C Trace Context (https://www.w3.org/TR/trace-context/) has it, between HTTP headers and gRPC
// metadata. It forwards the headers unmodified, which the specification allows to whoever records no span
// of its own; it never starts a trace and never sends anything anywhere.
package tracecontext

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"
)

// The names of the headers, in HTTP and in gRPC alike.
const (
	parentKey = "traceparent"
	stateKey  = "tracestate"
)

// maxState is how much of a tracestate must be carried on at least; a longer one is dropped.
const maxState = 512

// Trace is what a caller has sent of its trace.
type Trace struct {
	Parent string // a valid traceparent
	State  string // tracestate; may be empty
}

type contextKey struct{}

// FromContext returns the trace of the request that ctx belongs to: one that Middleware has put there, or
// one in incoming gRPC metadata. Where there is none it costs no allocation.
func FromContext(ctx context.Context) (Trace, bool) {
	if trace, ok := ctx.Value(contextKey{}).(Trace); ok {
		return trace, true
	}
	parents := metadata.ValueFromIncomingContext(ctx, parentKey)
	if len(parents) != 1 || !validParent(parents[0]) {
		return Trace{}, false
	}
	return Trace{parents[0], joinStates(metadata.ValueFromIncomingContext(ctx, stateKey))}, true
}

// Outgoing returns ctx with the trace in its outgoing gRPC metadata, unless the caller has put one there.
func Outgoing(ctx context.Context) context.Context {
	trace, ok := FromContext(ctx)
	if !ok {
		return ctx
	}
	if sent, _ := metadata.FromOutgoingContext(ctx); len(sent.Get(parentKey)) > 0 {
		return ctx
	}
	if trace.State == "" {
		return metadata.AppendToOutgoingContext(ctx, parentKey, trace.Parent)
	}
	return metadata.AppendToOutgoingContext(ctx, parentKey, trace.Parent, stateKey, trace.State)
}

// Inject sets the headers of an outgoing HTTP request, unless the caller has set them.
func Inject(ctx context.Context, header http.Header) {
	trace, ok := FromContext(ctx)
	if !ok || header.Get(parentKey) != "" {
		return
	}
	header.Set(parentKey, trace.Parent)
	if trace.State != "" {
		header.Set(stateKey, trace.State)
	}
}

// Middleware puts the trace of each request into its context.
func Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if parents := r.Header.Values(parentKey); len(parents) == 1 && validParent(parents[0]) {
			trace := Trace{parents[0], joinStates(r.Header.Values(stateKey))}
			r = r.WithContext(context.WithValue(r.Context(), contextKey{}, trace))
		}
		next.ServeHTTP(w, r)
	})
}

// joinStates makes one value of several headers, as the specification asks (section 3.3.1).
func joinStates(values []string) string {
	state := strings.Join(values, ",")
	if len(state) > maxState || strings.ContainsFunc(state, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
		return ""
	}
	return state
}

// validParent checks version-traceid-parentid-flags (section 3.2). A later version may be longer.
func validParent(p string) bool {
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(p) < length || p[2] != '-' || p[35] != '-' || p[52] != '-' {
		return false
	}
	version, trace, parent, flags := p[:2], p[3:35], p[36:52], p[53:55]
	if !isHex(version) || !isHex(trace) || !isHex(parent) || !isHex(flags) || version == "ff" {
		return false
	}
	if strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return false
	}
	if version == "00" {
		return len(p) == length
	}
	return len(p) == length || len(p) <= maxState && p[length] == '-'
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
