package main

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/pandatest"

	rpcv1 "example.com/rpc-cli/proto/rpc/v1"
)

// server stands in for rpc.
type server struct {
	rpcv1.UnimplementedRpcServiceServer
}

func (server) Greet(_ context.Context, in *rpcv1.GreetRequest) (*rpcv1.GreetResponse, error) {
	return &rpcv1.GreetResponse{Message: "Hello, " + in.GetName()}, nil
}

func (server) Count(in *rpcv1.CountRequest, stream grpc.ServerStreamingServer[rpcv1.CountResponse]) error {
	for number := int32(1); number <= in.GetLimit(); number++ {
		if err := stream.Send(&rpcv1.CountResponse{Number: number}); err != nil {
			return err
		}
	}
	return nil
}

// start runs the stand-in until the test ends, in the registry that it returns.
func start(t *testing.T) *pandatest.Registry {
	t.Helper()
	registry := pandatest.NewRegistry(t)
	svc := panda.NewService("rpc", registry.ServiceOptions(t)...)
	rpcv1.RegisterRpcServiceServer(svc, server{})
	pandatest.Run(t, registry, svc)
	return registry
}

func TestRun(t *testing.T) {
	registry := start(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "Hello, Lin\n"},
		{[]string{"Lin"}, "Hello, Lin\n"},
		{[]string{"-count", "3", "Lin"}, "Hello, Lin\n1\n2\n3\n"},
	} {
		var out strings.Builder
		if err := run(t.Context(), c.args, &out, panda.WithRegistry(registry)); err != nil || out.String() != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.args, out.String(), err, c.want)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{{"-count", "-1"}, {"-count", "many"}, {"-nothing"}} {
		if err := run(t.Context(), args, &strings.Builder{}); err == nil {
			t.Errorf("%q: want an error", args)
		}
	}
}

func TestRunWithoutTheService(t *testing.T) {
	err := run(t.Context(), []string{"-wait", "50ms"}, &strings.Builder{}, panda.WithRegistry(pandatest.NewRegistry(t)))
	if err == nil || !strings.Contains(err.Error(), "rpc") {
		t.Errorf("got %v, want an error that names the service", err)
	}
}
