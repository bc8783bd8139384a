package consul_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// The fakes here show only what a real agent cannot be made to do: an index that goes backwards, a query that
// hangs, an answer that is cut. The contract itself is tested against real agents, in the conformance module.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is pipes in place of sockets, so that a test can run in fake time.
type network struct {
	t      *testing.T
	mu     sync.Mutex
	agents map[string]http.Handler
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	return &network{t: t, agents: make(map[string]http.Handler)}
}

// set puts an agent at the address; a nil one refuses connections.
func (n *network) set(address string, agent http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.agents[address] = nil
	if agent != nil {
		n.agents[address] = agent
	}
}

func (n *network) dial(_ context.Context, kind, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.agents[address] == nil {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	serve(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.current(address).ServeHTTP(w, r) }))
	return client, nil
}

// current returns the agent that is at the address now, also for a connection from before.
func (n *network) current(address string) http.Handler {
	n.mu.Lock()
	defer n.mu.Unlock()
	if handler := n.agents[address]; handler != nil {
		return handler
	}
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// serve serves one connection until it is closed.
func serve(c net.Conn, handler http.Handler) {
	l := &onceListener{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- &closingConn{Conn: c, closed: sync.OnceFunc(func() { close(l.closed) })}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }() // it ends with the connection
}

type onceListener struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *onceListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, io.EOF
	}
}
func (l *onceListener) Close() error   { return nil }
func (l *onceListener) Addr() net.Addr { return &net.TCPAddr{} }

type closingConn struct {
	net.Conn
	closed func()
}

func (c *closingConn) Close() error {
	defer c.closed()
	return c.Conn.Close() //nolint:wrapcheck // a connection is transparent
}

func (n *network) registry(cfg consul.Config) *consul.Registry {
	n.t.Helper()
	r, err := consul.NewWithDial(cfg, n.dial)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// answer writes what the health endpoint answers.
func answer(w http.ResponseWriter, index int, ids ...string) {
	w.Header().Set("X-Consul-Index", strconv.Itoa(index))
	entries := make([]string, len(ids))
	for i, id := range ids {
		entries[i] = fmt.Sprintf(`{"Node":{"Node":"n","Address":"10.0.0.1","Datacenter":"dc1"},
			"Service":{"ID":%q,"Service":"orders","Port":%d},
			"Checks":[{"CheckID":"service:%s","Type":"ttl","Status":"passing"}]}`, id, 8000+int(id[0]), id)
	}
	_, _ = fmt.Fprintf(w, "[%s]", strings.Join(entries, ","))
}

// hang answers nothing until the client goes away.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // before that, the server does not see a client go
	<-r.Context().Done()
}

// hold answers nothing until the wait that a blocking query asks for is over, or the client goes away.
func hold(r *http.Request) {
	wait, err := time.ParseDuration(r.FormValue("wait"))
	if err != nil {
		return
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
	}
}

func isHeld(r *http.Request) bool { return r.FormValue("index") != "" }

// told is what a watch has told and when.
type told struct {
	mu        sync.Mutex
	snapshots []discovery.Snapshot
	at        []time.Time
}

func (n *network) watch(r *consul.Registry) *told {
	n.t.Helper()
	w := &told{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		_ = r.Watch(ctx, "orders", func(s discovery.Snapshot) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.snapshots, w.at = append(w.snapshots, s), append(w.at, time.Now())
		})
	})
	n.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return w
}

// lines returns each snapshot as text: its usable instances and its error.
func (w *told) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := make([]string, len(w.snapshots))
	for i, s := range w.snapshots {
		for _, instance := range s.Usable() {
			lines[i] += instance.ID + " "
		}
		if s.Err != nil {
			lines[i] += "error: " + s.Err.Error()
		}
	}
	return lines
}

// record keeps the queries that an agent was asked.
type record struct {
	mu   sync.Mutex
	urls []string
	at   []time.Time
}

func (q *record) add(r *http.Request) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.urls, q.at = append(q.urls, r.Method+" "+r.URL.RequestURI()), append(q.at, time.Now())
	return len(q.urls)
}

func (q *record) all() ([]string, []time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.urls...), append([]time.Time(nil), q.at...)
}

// onSocket serves handler on a real socket.
func onSocket(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}
