package retry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/retry"
)

// register adds a file with one service; each method is named after its level.
func register(t testing.TB, files *protoregistry.Files, pkg string, levels ...descriptorpb.MethodOptions_IdempotencyLevel) {
	t.Helper()
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Store")}
	for _, level := range levels {
		method := &descriptorpb.MethodDescriptorProto{
			Name: proto.String(map[descriptorpb.MethodOptions_IdempotencyLevel]string{
				descriptorpb.MethodOptions_NO_SIDE_EFFECTS: "Read", descriptorpb.MethodOptions_IDEMPOTENT: "Put", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN: "Add",
			}[level]),
			InputType: proto.String("." + pkg + ".M"), OutputType: proto.String("." + pkg + ".M"),
		}
		if level != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN {
			method.Options = &descriptorpb.MethodOptions{IdempotencyLevel: level.Enum()}
		}
		service.Method = append(service.Method, method)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String(pkg + ".proto"), Package: proto.String(pkg), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}}, Service: []*descriptorpb.ServiceDescriptorProto{service},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := files.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
}

const (
	noEffects  = descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	idempotent = descriptorpb.MethodOptions_IDEMPOTENT
	unknown    = descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
)

func twoServices(t testing.TB) *protoregistry.Files {
	files := new(protoregistry.Files)
	register(t, files, "b", unknown, idempotent)
	register(t, files, "a", noEffects, unknown)
	return files
}

func TestServiceConfigNamesIdempotentMethods(t *testing.T) {
	const want = `{"loadBalancingConfig":[{"panda_p2c":{}}],"methodConfig":[{"name":[{"service":"a.Store","method":"Read"},{"service":"b.Store","method":"Put"}],` +
		`"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.010s","maxBackoff":"0.500s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}],` +
		`"retryThrottling":{"maxTokens":1000,"tokenRatio":0.1}}`
	for range 10 {
		got, err := retry.ServiceConfig(twoServices(t), json.RawMessage(`{"panda_p2c":{}}`))
		if err != nil || got != want {
			t.Fatalf("got %s, %v\nwant %s", got, err, want)
		}
	}
}

func TestServiceConfigWithoutIdempotentMethods(t *testing.T) {
	files := new(protoregistry.Files)
	register(t, files, "a", unknown)
	if got, err := retry.ServiceConfig(files, nil); err != nil || got != `{}` {
		t.Errorf("got %s, %v, want {}", got, err)
	}
	if _, err := retry.ServiceConfig(files, json.RawMessage(`{"x":`)); err == nil || !strings.Contains(err.Error(), `{\"x\":`) {
		t.Errorf("broken load balancing config: got %v, want an error that shows it", err)
	}
}

// gRPC itself has to accept what ServiceConfig returns.
func TestServiceConfigIsTakenByGRPC(t *testing.T) {
	config, err := retry.ServiceConfig(twoServices(t), json.RawMessage(`{"round_robin":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := manual.NewBuilderWithScheme("test")
	conn, err := grpc.NewClient("test:///x", grpc.WithResolvers(r), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Connect()
	if parsed := r.CC().ParseServiceConfig(config); parsed.Err != nil {
		t.Errorf("gRPC refuses %s: %v", config, parsed.Err)
	}
}

func TestIdempotent(t *testing.T) {
	files := twoServices(t)
	for method, want := range map[string]bool{
		"/a.Store/Read": true, "/b.Store/Put": true, "/a.Store/Add": false, "/b.Store/Add": false,
		"/a.Store/Gone": false, "/gone.Store/Read": false, "/a.M/Read": false, "": false, "/": false, "a.Store": false, "a.Store/Read": true,
	} {
		if got := retry.Idempotent(files, method); got != want {
			t.Errorf("Idempotent(%q) is %v, want %v", method, got, want)
		}
	}
}

func TestInterceptorCallsOnceMore(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "connection reset")
	for _, test := range []struct {
		name   string
		method string
		errs   []error // of the attempts
		want   int     // attempts
		err    error
	}{
		{"works", "/a.Store/Read", []error{nil}, 1, nil},
		{"cut off once", "/a.Store/Read", []error{unavailable, nil}, 2, nil},
		{"cut off twice", "/b.Store/Put", []error{unavailable, unavailable, nil}, 2, unavailable},
		{"not idempotent", "/a.Store/Add", []error{unavailable, nil}, 1, unavailable},
		{"other code", "/a.Store/Read", []error{status.Error(codes.Internal, "x"), nil}, 1, status.Error(codes.Internal, "x")},
	} {
		t.Run(test.name, func(t *testing.T) {
			attempts := 0
			err := retry.NewInterceptor(twoServices(t))(t.Context(), test.method, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				attempts++
				return test.errs[attempts-1]
			})
			if attempts != test.want || !errors.Is(err, test.err) {
				t.Errorf("%d attempts, %v; want %d, %v", attempts, err, test.want, test.err)
			}
		})
	}
}

func TestInterceptorStopsInAnOutage(t *testing.T) {
	attempts := 0
	interceptor := retry.NewInterceptor(twoServices(t))
	const calls = 1000
	for range calls {
		_ = interceptor(t.Context(), "/a.Store/Read", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			attempts++
			return status.Error(codes.Unavailable, "down")
		})
	}
	if extra := attempts - calls; extra < 64 || extra > 200 {
		t.Errorf("%d of %d failed calls were tried again, want about 64", extra, calls)
	}
}

func TestInterceptorRespectsTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	_ = retry.NewInterceptor(twoServices(t))(ctx, "/a.Store/Read", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		attempts++
		cancel()
		return status.Error(codes.Unavailable, "down")
	})
	if attempts != 1 {
		t.Errorf("%d attempts for a call that its caller has given up, want 1", attempts)
	}
}

func BenchmarkServiceConfig(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			files := new(protoregistry.Files)
			for i := range n {
				register(b, files, fmt.Sprintf("p%d", i), noEffects, unknown, idempotent)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := retry.ServiceConfig(files, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
