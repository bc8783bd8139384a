// Package rpccalltest is a gRPC server for tests of calls made from JSON: it answers each kind of call,
// with server reflection. It is test machinery and never part of a program.
package rpccalltest

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pandakit/panda/internal/rpccall/internal/testpb"
)

// Start serves all test services with reflection on a free port of the loopback address until the test
// ends, and returns host:port.
func Start(tb testing.TB) string {
	tb.Helper()
	address, stop, err := Serve(true)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(stop)
	return address
}

// Serve is Start without a test: the caller stops the server. Without reflect the server has no
// reflection service.
func Serve(reflect bool) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := grpc.NewServer()
	Register(server)
	if reflect {
		reflection.Register(server)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends when stop is called
	}()
	return listener.Addr().String(), func() { server.Stop(); <-served }, nil
}

// Register adds the test services and gRPC's health service to server.
func Register(server grpc.ServiceRegistrar) {
	testpb.RegisterHelloServiceServer(server, hello{})
	testpb.RegisterGreeterServiceServer(server, greeter{})
	testpb.RegisterKindsServiceServer(server, kinds{})
	healthpb.RegisterHealthServer(server, health.NewServer())
}

type hello struct {
	testpb.UnimplementedHelloServiceServer
}

func (hello) SayHello(_ context.Context, req *testpb.HelloRequest) (*testpb.HelloReply, error) {
	if req.GetName() == "" {
		return &testpb.HelloReply{}, nil
	}
	return &testpb.HelloReply{Msg: "你好," + req.GetName()}, nil
}

func (hello) Wait(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

type greeter struct {
	testpb.UnimplementedGreeterServiceServer
}

func (greeter) SayGoodbye(_ context.Context, req *testpb.HelloRequest) (*testpb.HelloReply, error) {
	return &testpb.HelloReply{Msg: "再见," + req.GetName()}, nil
}

type kinds struct {
	testpb.UnimplementedKindsServiceServer
}

func (kinds) Echo(_ context.Context, req *testpb.Everything) (*testpb.Everything, error) {
	return req, nil
}

func (kinds) Carry(_ context.Context, req *anypb.Any) (*anypb.Any, error) { return req, nil }

func (kinds) Upper(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return wrapperspb.String(strings.ToUpper(req.GetValue())), nil
}

func (kinds) Fail(_ context.Context, req *testpb.FailRequest) (*emptypb.Empty, error) {
	st := status.New(codes.Code(req.GetCode()), req.GetMessage()) //nolint:gosec // any code is a case worth testing
	if !req.GetDetails() {
		return nil, st.Err()
	}
	answer := st.Proto()
	for _, detail := range []proto.Message{
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "name", Description: "is empty"}}},
		&testpb.Reason{Why: "because"},
	} {
		packed, err := anypb.New(detail)
		if err != nil {
			return nil, err
		}
		answer.Details = append(answer.Details, packed)
	}
	answer.Details = append(answer.Details, &anypb.Any{TypeUrl: "type.example.com/nobody.Knows", Value: []byte("?")})
	return nil, status.ErrorProto(answer)
}

func (kinds) Show(ctx context.Context, _ *emptypb.Empty) (*testpb.ShowReply, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	reply := &testpb.ShowReply{Metadata: make(map[string]string)}
	for key, values := range incoming {
		if strings.HasPrefix(key, "x-") {
			reply.Metadata[key] = strings.Join(values, ",")
		}
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-header", "first", "x-raw-bin", "\x00\x01")); err != nil {
		return nil, err
	}
	return reply, grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "last"))
}

func (kinds) Count(req *testpb.CountRequest, stream grpc.ServerStreamingServer[testpb.Number]) error {
	for i := range req.GetUpto() {
		if err := stream.Send(&testpb.Number{Value: int64(i) + 1}); err != nil {
			return err
		}
	}
	return status.Error(codes.Code(req.GetCode()), "counted") //nolint:gosec // any code is a case worth testing
}

func (kinds) Sum(stream grpc.ClientStreamingServer[testpb.Number, testpb.Number]) error {
	var sum int64
	for {
		number, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&testpb.Number{Value: sum})
		}
		if err != nil {
			return err
		}
		if sum += number.GetValue(); sum > 1000 {
			return status.Error(codes.OutOfRange, "more than 1000")
		}
	}
}

func (kinds) Chat(stream grpc.BidiStreamingServer[testpb.Line, testpb.Line]) error {
	for {
		line, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&testpb.Line{Text: strings.ToUpper(line.GetText())}); err != nil {
			return err
		}
		if line.GetText() == "bye" {
			return nil
		}
	}
}
