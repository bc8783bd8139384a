// Package netrpc serves net/rpc over HTTP CONNECT to the standard library's clients, and dials such
// servers with a context. On the wire it is net/rpc: gob, its request and response headers, its path,
// its error texts. Unlike net/rpc's server, a method that panics fails its own call and no other, requests
// are bounded, each call is observed, and a server can be drained.
//
// It never listens: an http.Server passes it the CONNECT requests for [Path].
package netrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"time"
)

// Path is where clients look for a net/rpc server.
const Path = rpc.DefaultRPCPath

// connected is the status that clients of net/rpc insist on.
const connected = "200 Connected to Go RPC"

// UnknownMethod is what Observe is told for a call to a method that does not exist: names made up by
// clients are without number.
const UnknownMethod = "unknown"

// Options tunes a [Server]; the zero value is usable.
type Options struct {
	// Logger is told of panics (error) and of connections that end in disorder (debug); nothing is
	// logged when nil.
	Logger *slog.Logger
	// Observe is told of each call when its method has returned: the name as registered
	// ("Panda.GetInfo") or [UnknownMethod], and whether the client gets an error. It is called by
	// several goroutines at once, and may be nil.
	Observe func(method string, elapsed time.Duration, failed bool)
	// MaxRequestBytes bounds one request as it comes over the wire: 64 MiB when zero. A longer one ends
	// its connection.
	MaxRequestBytes int64
	// MaxConcurrent bounds the calls at work for one connection: 1,024 when zero. Further requests wait
	// unread.
	MaxConcurrent int
	// Patience is how long a drained server takes further requests on a connection that has calls at
	// work: 1 s when zero.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration, bool) {}
	}
	if o.MaxRequestBytes <= 0 {
		o.MaxRequestBytes = 64 << 20
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 1024
	}
	if o.Patience <= 0 {
		o.Patience = time.Second
	}
	return o
}

// Server serves net/rpc. Its methods may be called from several goroutines at once.
type Server struct {
	opts Options

	mu       sync.Mutex // guards the following
	services map[string]*service
	conns    map[*conn]struct{}
	draining bool
	gone     chan struct{} // closed when the last connection is gone while draining
}

// NewServer returns a server without methods.
func NewServer(o Options) *Server {
	return &Server{
		opts:     o.withDefaults(),
		services: map[string]*service{},
		conns:    map[*conn]struct{}{},
		gone:     make(chan struct{}),
	}
}

// Register makes the methods of receiver callable as name.Method. As in net/rpc a method must be
// exported, take two arguments of exported or built-in types, the second a pointer, and return an error;
// others are skipped. When none fits, the error names each method and the rule that it breaks. A name
// can be registered once. Methods are called by several goroutines at once.
func (s *Server) Register(name string, receiver any) error {
	svc, err := newService(name, receiver)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services[name] != nil {
		return fmt.Errorf("register net/rpc service %q: a service of that name is registered already", name)
	}
	s.services[name] = svc
	return nil
}

// lookup finds the method of a request, or says in net/rpc's words why there is none.
func (s *Server) lookup(serviceMethod string) (*method, error) {
	dot := strings.LastIndexByte(serviceMethod, '.')
	if dot < 0 {
		return nil, errors.New("rpc: service/method request ill-formed: " + serviceMethod)
	}
	s.mu.Lock()
	svc := s.services[serviceMethod[:dot]]
	s.mu.Unlock()
	if svc == nil {
		return nil, errors.New("rpc: can't find service " + serviceMethod)
	}
	m := svc.methods[serviceMethod[dot+1:]]
	if m == nil {
		return nil, errors.New("rpc: can't find method " + serviceMethod)
	}
	return m, nil
}

// ServeHTTP takes over the connection of a CONNECT request and serves it until the client hangs up or
// the server is drained. It needs HTTP/1.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodConnect:
		w.Header().Set("Allow", http.MethodConnect)
		http.Error(w, "405 must CONNECT", http.StatusMethodNotAllowed)
		return
	case s.isDraining():
		http.Error(w, "503 the server is shutting down", http.StatusServiceUnavailable)
		return
	}
	netConn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "501 net/rpc needs HTTP/1", http.StatusNotImplemented)
		return
	}
	c := newConn(s, netConn, buffered.Reader)
	defer c.close()
	if err := netConn.SetDeadline(time.Time{}); err != nil { // those of HTTP do not hold here
		return
	}
	if !s.add(c) {
		return
	}
	defer s.remove(c)
	if _, err := io.WriteString(netConn, "HTTP/1.0 "+connected+"\n\n"); err != nil {
		return
	}
	c.serve()
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.draining && len(s.conns) == 0 {
		close(s.gone)
	}
}

// Drain takes no new connection, closes each one as soon as it has no call at work, and returns nil when
// none is left. A connection that is never without a call is read no further after Options.Patience; its calls
// are finished. When ctx is done first, what is left is closed at once and the error says how many
// connections that were; their methods may still be running.
func (s *Server) Drain(ctx context.Context) error {
	s.startDraining()
	timer := time.NewTimer(s.opts.Patience)
	defer timer.Stop()
	for {
		select {
		case <-s.gone:
			return nil
		case <-timer.C:
			for _, c := range s.list() {
				c.drain(true)
			}
		case <-ctx.Done():
			left := s.list()
			for _, c := range left {
				c.close()
			}
			if len(left) == 0 {
				return nil
			}
			return fmt.Errorf("drain net/rpc: %d connections had calls at work and were closed: %w", len(left), context.Cause(ctx))
		}
	}
}

func (s *Server) startDraining() {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		if len(s.conns) == 0 {
			close(s.gone)
		}
	}
	s.mu.Unlock()
	for _, c := range s.list() {
		c.drain(false)
	}
}

func (s *Server) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}
