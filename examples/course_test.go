// Package examples_test runs the examples as processes and calls them, with the clients that the course
// shows and with Panda's own.
package examples_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/pandakit/panda/examples/hellopb"
)

// alone is the environment of a service that listens where it is told and whose registry is away, which
// must not keep it from serving.
func alone(t *testing.T) []string {
	t.Helper()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	return []string{"PANDA_ADDR=127.0.0.1:0", "CONSUL_HTTP_ADDR=" + address}
}

// The client of the course's chapter on net/rpc, but for the address.
func TestCourseRPCClient(t *testing.T) {
	address := start(t, alone(t), "panda").address()

	cli, err := rpc.DialHTTP("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	var reply int
	if err := cli.Call("Panda.GetInfo", 100, &reply); err != nil {
		t.Fatal(err)
	}
	if reply != 200 {
		t.Errorf("Panda.GetInfo of 100 is %d, want 200", reply)
	}
}

// The same port answers a browser.
func TestCourseRPCIndex(t *testing.T) {
	address := start(t, alone(t), "panda").address()

	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || string(body) != "hello world!" {
		t.Errorf("GET / answers %s %q, want 200 and hello world!", resp.Status, body)
	}
}

// The client of the course's chapter on gRPC, but for the address. It dials as was usual then.
func TestCourseGRPCClient(t *testing.T) {
	address := start(t, alone(t), "hello").address()

	conn, err := grpc.Dial(address, grpc.WithInsecure()) //nolint:staticcheck // as the course's client does
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := hellopb.NewHelloServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	hello, err := client.SayHello(ctx, &hellopb.HelloRequest{Name: "panda"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "你好,panda"; hello.GetMsg() != want {
		t.Errorf("SayHello answers %q, want %q", hello.GetMsg(), want)
	}
	name, err := client.SayName(ctx, &hellopb.NameRequest{Name: "panda"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "你的名字是：panda"; name.GetMsg() != want {
		t.Errorf("SayName answers %q, want %q", name.GetMsg(), want)
	}
}

// Stock clients must not hold up the end of the service that they are connected to.
func TestServiceEndsWithClientsConnected(t *testing.T) {
	service := start(t, alone(t), "panda")
	cli, err := rpc.DialHTTP("tcp", service.address())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	begin := time.Now()
	service.stop()
	if service.err != nil {
		t.Errorf("panda ended after %v with %v, want a clean end", time.Since(begin), service.err)
	}
}
