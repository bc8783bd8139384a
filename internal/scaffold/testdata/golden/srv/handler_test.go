package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pandakit/panda/pandatest"

	rpcv1 "example.com/rpc/proto/rpc/v1"
)

// start runs the service until the test ends, and returns a client that finds it by its name.
func start(t *testing.T) rpcv1.RpcServiceClient {
	t.Helper()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	return rpcv1.NewRpcServiceClient(pandatest.Dial(t, registry, "rpc"))
}

func TestGreet(t *testing.T) {
	client := start(t)
	for _, c := range []struct {
		what, name, want string
		code             codes.Code
	}{
		{"a name", "Lin", "Hello, Lin!", codes.OK},
		{"spaces around it", " Lin ", "Hello, Lin!", codes.OK},
		{"no name", " ", "", codes.InvalidArgument},
		{"the longest name", strings.Repeat("猫", maxName), "猫", codes.OK},
		{"a name too long", strings.Repeat("猫", maxName+1), "", codes.InvalidArgument},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := client.Greet(t.Context(), &rpcv1.GreetRequest{Name: c.name})
			if status.Code(err) != c.code || !strings.Contains(got.GetMessage(), c.want) {
				t.Errorf("got %q, %v, want %q and code %v", got.GetMessage(), err, c.want, c.code)
			}
		})
	}
}

func TestCount(t *testing.T) {
	stream, err := start(t).Count(t.Context(), &rpcv1.CountRequest{Limit: 3, Pause: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	for want := int32(1); want <= 3; want++ {
		got, err := stream.Recv()
		if err != nil || got.GetNumber() != want {
			t.Fatalf("got %d, %v, want %d", got.GetNumber(), err, want)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last number: %v", err)
	}
}

func TestCountRefuses(t *testing.T) {
	client := start(t)
	for _, in := range []*rpcv1.CountRequest{
		{},
		{Limit: maxLimit + 1},
		{Limit: 1, Pause: durationpb.New(maxPause + 1)},
		{Limit: 1, Pause: durationpb.New(-1)},
	} {
		stream, err := client.Count(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("Count(%v): %v, want %v", in, err, codes.InvalidArgument)
		}
	}
}

func TestChat(t *testing.T) {
	stream, err := start(t).Chat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for number, text := range []string{"one", "two"} {
		if err := stream.Send(&rpcv1.ChatRequest{Text: text}); err != nil {
			t.Fatal(err)
		}
		got, err := stream.Recv()
		if err != nil || got.GetText() != strings.ToUpper(text) || got.GetNumber() != int32(number)+1 {
			t.Fatalf("got %v, %v, want %q", got, err, strings.ToUpper(text))
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end of the chat: %v", err)
	}
}
