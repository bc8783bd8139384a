package panda_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

// mute puts an instance into the registry that takes connections and never says a word, and counts them.
func mute(t *testing.T, registry *inmemory.Registry) *atomic.Int64 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken, ended := new(atomic.Int64), make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			taken.Add(1)
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	port := listener.Addr().(*net.TCPAddr).Port
	registry.Put(discovery.Instance{ID: "mute", Service: "test", Address: "127.0.0.1", Port: port, Weight: 1})
	return taken
}

// tolerated is how many connections 100 calls may open to one instance of two that hangs: it is tried, tried again later, and
// asked for a sign of life, but not called like the other, which would be 50 times. A busy machine makes the other one late, too.
const tolerated = 30

func TestAnInstanceThatHangsIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(t *testing.T, registry *inmemory.Registry) func(context.Context) error{
		"HTTP": func(t *testing.T, registry *inmemory.Registry) func(context.Context) error {
			t.Helper()
			client := httpClient(t, registry)
			return func(ctx context.Context) error {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://test.service.consul/", http.NoBody)
				if err != nil {
					return err
				}
				response, err := client.Do(request)
				if err == nil {
					response.Body.Close()
				}
				return err
			}
		},
		"net/rpc": func(t *testing.T, registry *inmemory.Registry) func(context.Context) error {
			t.Helper()
			client := rpcClient(t, registry)
			return func(ctx context.Context) error {
				var sum int
				return client.Call(ctx, "Adder.Add", 1, &sum)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := inmemory.New()
			service := newService(registry)
			service.Handle("GET /", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			service.HandleRPC("Adder", adder{})
			run(t, service)
			taken := mute(t, registry)
			do := call(t, registry)
			answered := 0
			for n := 0; n < 100 || taken.Load() == 0; n++ {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				if err := do(ctx); err == nil {
					answered++
				}
				cancel()
			}
			if n := taken.Load(); n > tolerated || answered == 0 {
				t.Errorf("%d connections went to the instance that hangs, want at most %d of 100; %d were answered", n, tolerated, answered)
			}
		})
	}
}

type adder struct{}

func (adder) Add(n int, sum *int) error {
	*sum = n + 100
	return nil
}

func TestAnAnswerThatPanicsHalfWayIsBrokenOff(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "partial")
		_ = http.NewResponseController(w).Flush()
		panic("half way")
	}))
	run(t, service)
	response, err := httpClient(t, registry).Get("http://test.service.consul/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v; want an unexpected end", body, err)
	}
}

func TestAnswersMayComeWhileTheRequestIsSent(t *testing.T) {
	registry := inmemory.New()
	service := newService(registry)
	service.Handle("POST /", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := http.NewResponseController(w)
		if err := errors.Join(answer.EnableFullDuplex(), answer.Flush()); err != nil {
			t.Error(err)
		}
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			fmt.Fprintln(w, lines.Text())
			_ = answer.Flush()
		}
	}))
	run(t, service)
	body, lines := io.Pipe()
	response, err := httpClient(t, registry).Post("http://test.service.consul/", "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answered := bufio.NewScanner(response.Body)
	for _, want := range []string{"one", "two", "three"} {
		if _, err := fmt.Fprintln(lines, want); err != nil {
			t.Fatal(err)
		}
		if !answered.Scan() || answered.Text() != want {
			t.Fatalf("answered %q, %v; want %q", answered.Text(), answered.Err(), want)
		}
	}
	lines.Close()
}

// once is a body that can be read once, and tells whether it was closed.
type once struct {
	io.Reader
	closed atomic.Int64
}

func (o *once) Close() error {
	o.closed.Add(1)
	return nil
}

func TestABodyThatNoInstanceHasSeenGoesToAnother(t *testing.T) {
	registry := inmemory.New()
	dead(t, registry)
	service := newService(registry)
	service.Handle("POST /", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}))
	run(t, service)
	for range 20 { // each instance is tried first in half of them
		client := httpClient(t, registry)
		body, lines := io.Pipe()
		go func() {
			fmt.Fprint(lines, "熊猫")
			lines.Close()
		}()
		sent := &once{Reader: body}
		response, err := client.Post("http://test.service.consul/", "text/plain", sent)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if string(answer) != "熊猫" || err != nil {
			t.Fatalf("answered %q, %v", answer, err)
		}
		if sent.closed.Load() != 1 {
			t.Errorf("the body was closed %d times", sent.closed.Load())
		}
	}
}

func TestABodyThatNobodyTakesIsClosed(t *testing.T) {
	registry := inmemory.New()
	dead(t, registry)
	client := httpClient(t, registry)
	sent := &once{Reader: io.MultiReader()}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://test.service.consul/", sent)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := client.Do(request); err == nil {
		response.Body.Close()
		t.Error("answered by nobody")
	}
	if sent.closed.Load() != 1 {
		t.Errorf("the body was closed %d times", sent.closed.Load())
	}
}
