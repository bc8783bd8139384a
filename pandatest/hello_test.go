package pandatest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/pandatest/internal/hellov1"
)

func TestMain(m *testing.M) {
	if os.Getenv("PANDATEST_WAITS") != "" {
		waitForSignal()
	}
	goleak.VerifyTestMain(m)
}

// newService is what a program's main and its tests make the service with.
func newService(options ...panda.ServiceOption) *panda.Service {
	service := panda.NewService("hello", options...)
	hellov1.RegisterHelloServiceServer(service, new(hello))
	service.HandleRPC("Panda", new(Panda))
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello world!") }))
	return service
}

type hello struct {
	hellov1.UnimplementedHelloServiceServer
	greetings atomic.Int32
}

func (*hello) SayHello(_ context.Context, request *hellov1.SayHelloRequest) (*hellov1.SayHelloResponse, error) {
	return &hellov1.SayHelloResponse{Message: "hello, " + request.GetName()}, nil
}

func (h *hello) Greet(context.Context, *hellov1.GreetRequest) (*hellov1.GreetResponse, error) {
	return &hellov1.GreetResponse{Count: h.greetings.Add(1)}, nil
}

func (*hello) Chat(stream grpc.BidiStreamingServer[hellov1.ChatRequest, hellov1.ChatResponse]) error {
	for {
		line, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&hellov1.ChatResponse{Text: "you said " + line.GetText()}); err != nil {
			return err
		}
	}
}

// Panda is the net/rpc service.
type Panda struct{}

// GetInfo adds a hundred.
func (*Panda) GetInfo(in int, out *int) error {
	*out = in + 100
	return nil
}
