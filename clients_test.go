package panda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/discovery/inmemory"
)

// dead puts an instance into the registry on whose port nobody listens.
func dead(t *testing.T, registry *inmemory.Registry) {
	t.Helper()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	port := closed.Addr().(*net.TCPAddr).Port
	registry.Put(discovery.Instance{ID: "dead", Service: "test", Address: "127.0.0.1", Port: port, Weight: 1})
}

func httpClient(t *testing.T, registry discovery.Registry) *http.Client {
	t.Helper()
	client := panda.HTTPClient(panda.WithRegistry(registry), panda.WithLogger(quiet()), panda.WithWaitTimeout(5*time.Second))
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func rpcClient(t *testing.T, registry discovery.Registry) *panda.RPCClient {
	t.Helper()
	client := panda.DialRPC("test", panda.WithRegistry(registry), panda.WithLogger(quiet()), panda.WithWaitTimeout(5*time.Second))
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestHTTPClientSendsToAnotherInstanceWhatNoneHasSeen(t *testing.T) {
	registry := inmemory.New()
	dead(t, registry)
	service := newService(registry, panda.WithTags("blue"))
	service.Handle("POST /", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s at %s", body, r.Host)
	}))
	run(t, service)
	client := httpClient(t, registry)
	for range 20 { // each instance is tried first in half of them
		response, err := client.Post("http://blue.test.service.consul/", "text/plain", strings.NewReader("熊猫"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "熊猫 at blue.test.service.consul" {
			t.Fatalf("got %q", body)
		}
	}
	for range 20 {
		response, err := client.Post("http://test.service.consul/", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
}

func TestHTTPClientExplains(t *testing.T) {
	registry := inmemory.New()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://test.service.consul/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, err = httpClient(t, registry).Do(request)
	if _, ok := errors.AsType[*discovery.NotFoundError](err); !ok || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a NotFoundError at the deadline", err)
	}
}

func TestHTTPClientReachesOtherHostsAsEver(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "plain") }))
	run(t, service)
	i := instance(t, registry)
	client := httpClient(t, registry)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if body := get(t, client, "http://"+i.Endpoint()+"/"); body != "plain" {
		t.Errorf("got %q", body)
	}
}

// CloseIdleConnections ends what waits in the background, and nothing else.
func TestHTTPClientGoesOnAfterCloseIdleConnections(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
	run(t, service)
	client := httpClient(t, registry)
	var requests sync.WaitGroup
	for range 8 {
		requests.Go(func() {
			for range 20 {
				if body := get(t, client, "http://test.service.consul/"); body != "here" { // get closes idle connections each time
					t.Errorf("got %q", body)
				}
			}
		})
	}
	requests.Wait()
}

func TestRPCClientSendsToAnotherInstanceWhatNoneHasSeen(t *testing.T) {
	registry := inmemory.New()
	dead(t, registry)
	service := newService(registry)
	service.HandleRPC("Panda", new(Panda))
	run(t, service)
	client := rpcClient(t, registry)
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for range 25 {
				var reply int
				if err := client.Call(t.Context(), "Panda.GetInfo", caller, &reply); err != nil || reply != caller+100 {
					t.Errorf("got %d, %v; want %d", reply, err, caller+100)
				}
			}
		})
	}
	callers.Wait()
}

func TestRPCClientReturnsTheMethodsError(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	service.HandleRPC("Panda", new(Panda))
	run(t, service)
	client := rpcClient(t, registry)
	reply := 7
	err := client.Call(t.Context(), "Panda.GetInfo", -1, &reply)
	if answer, ok := errors.AsType[rpc.ServerError](err); !ok || answer.Error() != "no negative pandas" || reply != 7 {
		t.Errorf("got %v and reply %d, want the method's own error and an untouched reply", err, reply)
	}
	if err := client.Call(t.Context(), "Panda.GetInfo", 1, reply); err == nil || !strings.Contains(err.Error(), "want a pointer") {
		t.Errorf("got %v for a reply that is no pointer", err)
	}
	if err := client.Call(t.Context(), "Panda.Missing", 1, &reply); err == nil || !strings.Contains(err.Error(), "can't find method") {
		t.Errorf("got %v for an unknown method", err)
	}
}

// An instance that stops while calls are made costs none, though net/rpc has no word for going away.
func TestRPCClientSurvivesADrain(t *testing.T) {
	registry := inmemory.New()
	stay, leave := newService(registry), newService(registry, panda.WithLeaveDelay(100*time.Millisecond))
	stay.HandleRPC("Panda", new(Panda))
	leave.HandleRPC("Panda", new(Panda))
	run(t, stay)
	leaving := run(t, leave)
	client := rpcClient(t, registry)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	first := make(chan struct{}, 100_000)
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				var reply int
				if err := client.Call(context.WithoutCancel(ctx), "Panda.GetInfo", 1, &reply); err != nil {
					t.Error(err)
					return
				}
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 100 {
		<-first
	}
	if err := leaving.end(); err != nil {
		t.Error(err)
	}
	stop()
	callers.Wait()
}

func TestNamesThatNoServiceCanHaveFailAtOnce(t *testing.T) {
	registry, err := consul.New(consul.Config{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := panda.Dial("a\x00b", panda.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := echo(t.Context(), conn, ""); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v, want INVALID_ARGUMENT", err)
	}
}
