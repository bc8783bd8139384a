package panda_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery/inmemory"
)

// A service and its clients meet in a registry. A program leaves out WithRegistry, and both find the
// Consul agent of CONSUL_HTTP_ADDR; here one within the process takes its place.
func Example() {
	registry := inmemory.New()

	service := panda.NewService("echo", panda.WithRegistry(registry), panda.WithLogger(quiet()), panda.WithLeaveDelay(0))
	testpb.RegisterTestServiceServer(service, handler{})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()

	conn, err := panda.Dial("echo", panda.WithRegistry(registry))
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("熊猫")}})
	fmt.Println(string(reply.GetPayload().GetBody()), err)

	fmt.Println(conn.Close())
	stop()
	fmt.Println(<-ended)
	// Output:
	// 熊猫 <nil>
	// <nil>
	// <nil>
}

func ExampleNewService() {
	service := panda.NewService("pages",
		panda.WithVersion("1.4.0"),
		panda.WithTags("blue"),
		panda.WithRegistry(inmemory.New()),
		panda.WithLogger(quiet()),
		panda.WithLeaveDelay(0),
	)
	service.Handle("GET /", http.NotFoundHandler())
	ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	fmt.Println(service.Name(), service.Run(ctx))
	// Output: pages <nil>
}

func ExampleDial() {
	conn, err := panda.Dial("hello", panda.WithRegistry(inmemory.New()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = testpb.NewTestServiceClient(conn).EmptyCall(ctx, &testpb.Empty{})
	fmt.Println(err != nil)
	// Output: true
}

func ExampleDialRPC() {
	registry := inmemory.New()
	service := panda.NewService("panda", panda.WithRegistry(registry), panda.WithLogger(quiet()), panda.WithLeaveDelay(0))
	service.HandleRPC("Panda", new(Panda))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()

	client := panda.DialRPC("panda", panda.WithRegistry(registry))
	var reply int
	err := client.Call(ctx, "Panda.GetInfo", 100, &reply)
	fmt.Println(reply, err)

	fmt.Println(client.Close())
	stop()
	fmt.Println(<-ended)
	// Output:
	// 200 <nil>
	// <nil>
	// <nil>
}

func ExampleHTTPClient() {
	registry := inmemory.New()
	service := panda.NewService("web", panda.WithRegistry(registry), panda.WithLogger(quiet()), panda.WithLeaveDelay(0))
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello world!") }))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()

	client := panda.HTTPClient(panda.WithRegistry(registry))
	response, err := client.Get("http://web.service.consul/")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Println(string(body), err)

	client.CloseIdleConnections()
	stop()
	fmt.Println(<-ended)
	// Output:
	// hello world! <nil>
	// <nil>
}
