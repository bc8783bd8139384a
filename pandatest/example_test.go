package pandatest_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/pandatest"
	"github.com/pandakit/panda/pandatest/internal/hellov1"
)

// A test runs the service that main runs, and calls it by its name. An example has no *testing.T; a stand-in takes
// its place, and its end is the end of the test.
func Example() {
	t := newRecorder()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	conn := pandatest.Dial(t, registry, "hello")

	reply, err := hellov1.NewHelloServiceClient(conn).SayHello(t.Context(), &hellov1.SayHelloRequest{Name: "熊猫"})
	fmt.Println(reply.GetMessage(), err)

	fmt.Println(t.end())
	// Output:
	// hello, 熊猫 <nil>
	// []
}

// An idempotent call survives a connection that is cut, because it is sent again; another call does not.
func ExampleFaults() {
	t := newRecorder()
	registry, faults := pandatest.NewRegistry(t), pandatest.NewFaults(t)
	pandatest.Run(t, registry, newService(append(registry.ServiceOptions(t), faults.ServiceOption())...))
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))

	faults.Add(hellov1.HelloService_SayHello_FullMethodName, pandatest.Drop().Times(2))
	reply, err := client.SayHello(t.Context(), &hellov1.SayHelloRequest{Name: "panda"}) // idempotency_level = NO_SIDE_EFFECTS
	fmt.Println(reply.GetMessage(), err)
	fmt.Println("reached the service", faults.Calls(hellov1.HelloService_SayHello_FullMethodName), "times")

	faults.Add(hellov1.HelloService_Greet_FullMethodName, pandatest.Drop().Times(1))
	_, err = client.Greet(t.Context(), &hellov1.GreetRequest{})
	fmt.Println(status.Code(err))

	fmt.Println(t.end())
	// Output:
	// hello, panda <nil>
	// reached the service 3 times
	// Unavailable
	// []
}

func ExampleDelay() {
	t := newRecorder()
	registry, faults := pandatest.NewRegistry(t), pandatest.NewFaults(t)
	pandatest.Run(t, registry, newService(append(registry.ServiceOptions(t), faults.ServiceOption())...))
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))

	faults.Add(pandatest.EveryMethod, pandatest.Delay(time.Hour))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Greet(ctx, &hellov1.GreetRequest{})
	fmt.Println(status.Code(err))

	faults.Clear()
	reply, err := client.Greet(t.Context(), &hellov1.GreetRequest{})
	fmt.Println(reply.GetCount(), err)

	fmt.Println(t.end())
	// Output:
	// DeadlineExceeded
	// 1 <nil>
	// []
}

func ExampleFail() {
	t := newRecorder()
	registry, faults := pandatest.NewRegistry(t), pandatest.NewFaults(t)
	pandatest.Run(t, registry, newService(append(registry.ServiceOptions(t), faults.ServiceOption())...))
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))

	faults.Add(hellov1.HelloService_Greet_FullMethodName, pandatest.Fail(status.New(codes.ResourceExhausted, "no more greetings")))
	_, err := client.Greet(t.Context(), &hellov1.GreetRequest{})
	fmt.Println(err)

	fmt.Println(t.end())
	// Output:
	// rpc error: code = ResourceExhausted desc = no more greetings
	// []
}

// The work is done, and the caller cannot know.
func ExampleDropReply() {
	t := newRecorder()
	registry, faults := pandatest.NewRegistry(t), pandatest.NewFaults(t)
	pandatest.Run(t, registry, newService(append(registry.ServiceOptions(t), faults.ServiceOption())...))
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))

	faults.Add(hellov1.HelloService_Greet_FullMethodName, pandatest.DropReply().Times(1))
	_, err := client.Greet(t.Context(), &hellov1.GreetRequest{})
	fmt.Println(status.Code(err))
	reply, err := client.Greet(t.Context(), &hellov1.GreetRequest{})
	fmt.Println(reply.GetCount(), err)

	fmt.Println(t.end())
	// Output:
	// Unavailable
	// 2 <nil>
	// []
}

func ExampleDialRPC() {
	t := newRecorder()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))

	var reply int
	err := pandatest.DialRPC(t, registry, "hello").Call(t.Context(), "Panda.GetInfo", 100, &reply)
	fmt.Println(reply, err)

	fmt.Println(t.end())
	// Output:
	// 200 <nil>
	// []
}

func ExampleHTTPClient() {
	t := newRecorder()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))

	response, err := pandatest.HTTPClient(t, registry).Get("http://hello.service.consul/")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Println(string(body), err)

	fmt.Println(t.end())
	// Output:
	// hello world! <nil>
	// []
}

// A service that stops while a test goes on leaves the registry first.
func ExampleRunning_Stop() {
	t := newRecorder()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	second := pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))

	second.Stop()
	_, err := client.SayHello(t.Context(), &hellov1.SayHelloRequest{})
	fmt.Println(err)

	fmt.Println(t.end())
	// Output:
	// <nil>
	// []
}
