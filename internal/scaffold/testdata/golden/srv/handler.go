package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rpcv1 "example.com/rpc/proto/rpc/v1"
)

// The bounds of what a caller may ask for.
const (
	maxName  = 64 // characters
	maxLimit = 1000
	maxPause = time.Minute
)

// handler answers the calls. Many may be under way at once; what they share needs a lock.
type handler struct {
	rpcv1.UnimplementedRpcServiceServer
}

// Greet is a unary method: one request, one response.
func (handler) Greet(_ context.Context, in *rpcv1.GreetRequest) (*rpcv1.GreetResponse, error) {
	name := strings.TrimSpace(in.GetName())
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName {
		return nil, status.Errorf(codes.InvalidArgument, "name has %d characters, want 1 to %d", n, maxName)
	}
	return &rpcv1.GreetResponse{Message: "Hello, " + name + "!"}, nil
}

// Count is a server-streaming method: one request, many responses. It ends early when the caller goes away.
func (handler) Count(in *rpcv1.CountRequest, stream grpc.ServerStreamingServer[rpcv1.CountResponse]) error {
	limit, pause := in.GetLimit(), in.GetPause().AsDuration()
	if limit < 1 || limit > maxLimit {
		return status.Errorf(codes.InvalidArgument, "limit is %d, want 1 to %d", limit, maxLimit)
	}
	if pause < 0 || pause > maxPause {
		return status.Errorf(codes.InvalidArgument, "pause is %v, want 0 to %v", pause, maxPause)
	}
	for number := int32(1); ; number++ {
		if err := stream.Send(&rpcv1.CountResponse{Number: number}); err != nil {
			return err
		}
		if number == limit {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// Chat is a bidirectional method: both sides send when they like, until the caller says that it is done.
func (handler) Chat(stream grpc.BidiStreamingServer[rpcv1.ChatRequest, rpcv1.ChatResponse]) error {
	for number := int32(1); ; number++ {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := &rpcv1.ChatResponse{Text: strings.ToUpper(in.GetText()), Number: number}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}
