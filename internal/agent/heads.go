package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Bounds of what requests begin with, their line and headers, in bytes. A key of the KV store stands in the line, and
// Consul takes as many.
const (
	maxHeaderBytes = 1 << 20  // of one request
	freeHead       = 64 << 10 // each connection may have so many without asking
	sharedHeads    = 32 << 20 // all connections may have so many beyond that together
)

var errHeads = errors.New("too many requests have long lines or headers")

// heads keeps what requests begin with from filling the memory, however many connections there are.
type heads struct{ left atomic.Int64 }

func newHeads() *heads {
	h := new(heads)
	h.left.Store(sharedHeads)
	return h
}

// listener returns one whose connections are counted.
func (h *heads) listener(l net.Listener) net.Listener { return &headListener{l, h} }

// install makes the server tell at which part of a request its connections are.
func (*heads) install(server *http.Server) {
	next := server.Handler
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, headKey{}, headOf(c))
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if conn := headOf(c); conn != nil && state == http.StateIdle {
			conn.begin()
		}
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(headKey{}).(*headConn); ok && conn != nil {
			conn.complete()
		}
		next.ServeHTTP(w, r)
	})
}

type headKey struct{}

// headOf returns the counted connection, which may be below TLS, or nil.
func headOf(c net.Conn) *headConn {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	conn, _ := c.(*headConn)
	return conn
}

type headListener struct {
	net.Listener

	heads *heads
}

func (l *headListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headConn{Conn: c, heads: l.heads}, nil
}

// headConn counts what is read of a request until its handler begins, and gives back what it took once the request is over:
// until then the request is kept.
type headConn struct {
	net.Conn

	heads  *heads
	mu     sync.Mutex
	read   int64 // of the request under way
	taken  int64 // of what all share
	inBody bool  // or after it
}

func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inBody {
		return n, err
	}
	c.read += int64(n)
	if more := c.read - freeHead - c.taken; more > 0 {
		if c.heads.left.Add(-more) < 0 {
			c.heads.left.Add(more)
			return 0, errHeads
		}
		c.taken += more
	}
	return n, err
}

// complete is called once all that a request begins with has been read.
func (c *headConn) complete() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inBody = true
}

// begin is called when the connection waits for a request.
func (c *headConn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads.left.Add(c.taken)
	c.read, c.taken, c.inBody = 0, 0, false
}

// Close gives back what was taken; what is still being read counts no more.
func (c *headConn) Close() error {
	c.begin()
	c.complete()
	return c.Conn.Close()
}
