// Package hello is the one service that every stack serves and the one call that every client makes. It
// knows nothing of any stack but gRPC's generated code.
package hello

import (
	"context"
	"time"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

// Server answers with the name that it is asked with, after Delay.
type Server struct {
	hellopb.UnimplementedHelloServer
	Delay time.Duration // none when zero
}

// SayHello answers with the request's name.
func (s *Server) SayHello(ctx context.Context, request *hellopb.HelloRequest) (*hellopb.HelloReply, error) {
	if s.Delay > 0 {
		timer := time.NewTimer(s.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &hellopb.HelloReply{Msg: request.GetName()}, nil
}

// Call returns a call through the stub, as a closed loop makes it.
func Call(stub hellopb.HelloClient) child.Call {
	return func(ctx context.Context, name string) (string, error) {
		reply, err := stub.SayHello(ctx, &hellopb.HelloRequest{Name: name})
		if err != nil {
			return "", err
		}
		return reply.GetMsg(), nil
	}
}
