// Package retry tells which calls may be sent again after a failure, and puts that into a gRPC service config.
//
// A call may be sent again when its method declares, in its .proto file, that this does no harm:
//
//	rpc GetUser(GetUserRequest) returns (User) { option idempotency_level = NO_SIDE_EFFECTS; }
//	rpc PutUser(PutUserRequest) returns (User) { option idempotency_level = IDEMPOTENT; }
//
// [ServiceConfig] lets gRPC do the retries, and [NewInterceptor] closes a gap that gRPC leaves. All other methods are left
// to gRPC's transparent retries, which cover a call that no server has seen. The package never judges a method by its
// name, and never retries a stream that has begun to answer.
package retry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The policy of all methods that may be tried again. Attempts wait about 10, 20 and 40 ms: long enough for
// the connection of a crashed instance to be known as broken, short enough that a user does not notice.
// Only UNAVAILABLE is retried: it says that the server did not do the work, or is gone.
const (
	maxAttempts       = 4
	initialBackoff    = "0.010s"
	maxBackoff        = "0.500s"
	backoffMultiplier = 2
)

// The retry budget of a client connection, after gRFC A6: a failure takes a token, a success gives tokenRatio back, and
// retries stop while fewer than half of maxTokens are left. With the most that gRPC allows, a client gets over the crash
// of an instance with 500 calls in flight; when everything is down, retries add no more than a tenth to
// the calls that still succeed, so that they cannot keep an overloaded service down.
const (
	maxTokens  = 1000
	tokenRatio = 0.1
)

type serviceConfig struct {
	LoadBalancing []json.RawMessage `json:"loadBalancingConfig,omitempty"`
	Methods       []methodConfig    `json:"methodConfig,omitempty"`
	Throttling    *throttling       `json:"retryThrottling,omitempty"`
}

type methodConfig struct {
	Names []methodName `json:"name"`
	Retry retryPolicy  `json:"retryPolicy"`
}

type methodName struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

type retryPolicy struct {
	MaxAttempts          int      `json:"maxAttempts"`
	InitialBackoff       string   `json:"initialBackoff"`
	MaxBackoff           string   `json:"maxBackoff"`
	BackoffMultiplier    float64  `json:"backoffMultiplier"`
	RetryableStatusCodes []string `json:"retryableStatusCodes"`
}

type throttling struct {
	MaxTokens  int     `json:"maxTokens"`
	TokenRatio float64 `json:"tokenRatio"`
}

// ServiceConfig returns the gRPC service config that retries exactly the idempotent methods of files, normally
// protoregistry.GlobalFiles, and balances by lb: one loadBalancingConfig entry such as {"panda_p2c":{}}, or nil for gRPC's
// default. Equal input gives equal text. The only error is an lb that is no JSON.
func ServiceConfig(files *protoregistry.Files, lb json.RawMessage) (string, error) {
	var config serviceConfig
	if lb != nil {
		config.LoadBalancing = []json.RawMessage{lb}
	}
	if names := idempotent(files); len(names) > 0 {
		config.Methods = []methodConfig{{Names: names, Retry: retryPolicy{
			MaxAttempts:          maxAttempts,
			InitialBackoff:       initialBackoff,
			MaxBackoff:           maxBackoff,
			BackoffMultiplier:    backoffMultiplier,
			RetryableStatusCodes: []string{"UNAVAILABLE"},
		}}}
		config.Throttling = &throttling{MaxTokens: maxTokens, TokenRatio: tokenRatio}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("make service config: load balancing config %q: %w", lb, err)
	}
	return string(text), nil
}

// Idempotent reports whether the method, named as gRPC does ("/pkg.Service/Method"), may be called again after a failure. A method
// that files does not know may not.
func Idempotent(files *protoregistry.Files, fullMethod string) bool {
	service, method, ok := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	if !ok {
		return false
	}
	found, err := files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return false
	}
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return false
	}
	m := descriptor.Methods().ByName(protoreflect.Name(method))
	return m != nil && mayRepeat(m)
}

// idempotent returns the names of all idempotent methods, sorted. Files without a service cost next to nothing: their
// lazily parsed part is not touched.
func idempotent(files *protoregistry.Files) []methodName {
	var names []methodName
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		services := file.Services()
		for i := range services.Len() {
			methods := services.Get(i).Methods()
			for k := range methods.Len() {
				if m := methods.Get(k); mayRepeat(m) {
					names = append(names, methodName{string(services.Get(i).FullName()), string(m.Name())})
				}
			}
		}
		return true
	})
	slices.SortFunc(names, func(a, b methodName) int {
		return strings.Compare(a.Service+"/"+a.Method, b.Service+"/"+b.Method)
	})
	return names
}

func mayRepeat(m protoreflect.MethodDescriptor) bool {
	options, ok := m.Options().(*descriptorpb.MethodOptions)
	if !ok {
		return false
	}
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS, descriptorpb.MethodOptions_IDEMPOTENT:
		return true
	default:
		return false
	}
}
