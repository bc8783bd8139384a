package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/discovery/discoverytest"
)

func TestContractWithRealConsul(t *testing.T) {
	t.Parallel()
	runContract(t, realconsul.Start(t, realconsul.Options{}).Address())
}

// runContract runs the suite over discovery/consul and the agent at the address. Each case reaches the agent
// through a link of its own, which it can break.
func runContract(t *testing.T, address string) {
	t.Helper()
	discoverytest.Run(t, func(t *testing.T) discoverytest.Harness {
		l := newLink(t, address)
		registry, err := consul.New(consul.Config{Addresses: []string{l.address}})
		if err != nil {
			t.Fatal(err)
		}
		return discoverytest.Harness{
			Registry:   registry,
			Put:        func(i discovery.Instance) { register(t, address, i) },
			Forget:     func(id string) { put(t, address, "/v1/agent/service/deregister/"+url.PathEscape(id), nil) },
			Disconnect: l.cut,
			Reconnect:  func() { l.restore(t) },
		}
	})
}

// register is what any other program does: one plain request.
func register(t testing.TB, address string, i discovery.Instance) {
	t.Helper()
	put(t, address, "/v1/agent/service/register?replace-existing-checks=true", map[string]any{
		"ID": i.ID, "Name": i.Service, "Address": i.Address, "Port": i.Port, "Tags": i.Tags, "Meta": i.Meta,
	})
}

func put(t testing.TB, address, path string, body any) {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		content = nil
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://"+address+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, req)
}

func get(t testing.TB, address, path string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(exchange(t, req), into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

func exchange(t testing.TB, req *http.Request) []byte {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s (%v)", req.Method, req.URL.Path, resp.Status, content, err)
	}
	return content
}

// link is a TCP address that leads to another one until it is cut.
type link struct {
	address string
	target  string

	mu          sync.Mutex
	listener    net.Listener
	connections map[net.Conn]bool
	running     sync.WaitGroup
}

func newLink(t testing.TB, target string) *link {
	t.Helper()
	l := &link{address: "127.0.0.1:0", target: target}
	l.restore(t)
	t.Cleanup(l.cut)
	return l
}

// cut refuses new connections, breaks those that there are, and waits for their end.
func (l *link) cut() {
	l.mu.Lock()
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for c := range l.connections {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

func (l *link) restore(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		t.Fatalf("listen again: %v", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.address, l.listener, l.connections = listener.Addr().String(), listener, make(map[net.Conn]bool)
	l.running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			l.running.Go(func() { l.carry(listener, c) })
		}
	})
}

func (l *link) carry(listener net.Listener, from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer to.Close()
	l.mu.Lock()
	if l.listener != listener {
		l.mu.Unlock()
		return
	}
	l.connections[from], l.connections[to] = true, true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.connections, from)
		delete(l.connections, to)
	}()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	_, _ = io.Copy(to, from)
	_ = to.Close()
	back.Wait()
}
