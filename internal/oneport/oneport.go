// Package oneport lets one address serve gRPC, other HTTP/2 without TLS (h2c) and HTTP/1, net/rpc's
// CONNECT included. It looks at the first bytes of each connection once and hands the connection, with
// those bytes put back, to one of two listeners: grpc-go's own server accepts from the one, net/http's
// from the other.
//
// It never serves a request itself, never looks at a connection again after it was handed over, and
// never adds a hop: the server reads from the socket.
//
// The server behind [Port.HTTP] must speak HTTP/1 and unencrypted HTTP/2 (http.Server.Protocols), also
// when the port has TLS: the port has decrypted already. [ConnContext] and [WithTLS] give handlers
// their Request.TLS back, [Credentials] gives gRPC handlers their peer's certificate.
package oneport

import (
	"container/list"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/backoff"
)

// Options tunes a [Port]; the zero value is usable.
type Options struct {
	// SniffTimeout bounds the time from accepting a connection until it is told apart, the TLS
	// handshake included: 10 s when zero. A client that completes HTTP/2's greeting and then sends no
	// request is not bounded: that is what an idle gRPC channel looks like.
	SniffTimeout time.Duration
	// MaxPending bounds the connections that are under that time limit at once: 1,024 when zero. One
	// more ends the one that has been waiting longest, so that idle connections cannot lock others out.
	MaxPending int
	// MaxConcurrentStreams is told to HTTP/2 clients that wait for the server's settings before they
	// send a request. Give both servers the same number; none is told when zero, and each server's own
	// number arrives with its settings.
	MaxConcurrentStreams uint32
	// TLS makes the port speak TLS only. Its NextProtos are completed with h2 and http/1.1; it is not
	// changed. Nil means plain text.
	TLS *tls.Config
	// Logger is told of connections that end before they are told apart (debug) and of failures to
	// accept (warning); nothing is logged when nil.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.SniffTimeout <= 0 {
		o.SniffTimeout = 10 * time.Second
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 1024
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TLS != nil {
		o.TLS = withProtocols(o.TLS)
	}
	return o
}

// Port is one listening address told apart per connection. Its methods may be called from several
// goroutines at once, except that Serve is called once.
type Port struct {
	inner net.Listener
	opts  Options
	grpc  *listener
	http  *listener
	done  chan struct{} // closed by Close

	looking sync.WaitGroup // a goroutine for each connection in conns

	mu      sync.Mutex // guards the following
	closed  bool
	conns   map[*look]struct{} // not yet handed over
	pending list.List          // of *look: those under SniffTimeout, oldest first
}

// New returns a port over l, which it owns from then on. It accepts nothing before [Port.Serve].
func New(l net.Listener, o Options) *Port {
	done := make(chan struct{})
	return &Port{
		inner: l,
		opts:  o.withDefaults(),
		grpc:  newListener(l.Addr(), done),
		http:  newListener(l.Addr(), done),
		done:  done,
		conns: map[*look]struct{}{},
	}
}

// GRPC returns the listener of the connections whose first request is gRPC. Closing it leaves the port
// open; gRPC connections are then refused in a way that lets clients try another server.
func (p *Port) GRPC() net.Listener { return p.grpc }

// HTTP returns the listener of all other connections. Closing it leaves the port open; such
// connections are then closed.
func (p *Port) HTTP() net.Listener { return p.http }

// Addr returns the address that the port listens on.
func (p *Port) Addr() net.Addr { return p.inner.Addr() }

// acceptRetry paces attempts to accept while the process is out of file descriptors or memory.
var acceptRetry = backoff.Policy{Base: 5 * time.Millisecond, Max: time.Second, Factor: 2, Jitter: 0.2}

// Serve accepts connections until [Port.Close], and then returns nil; any other return is the error of
// a listener that is beyond use. Lack of file descriptors or memory is waited out.
func (p *Port) Serve() error {
	failures := 0
	for {
		c, err := p.inner.Accept()
		if err == nil {
			failures = 0
			p.start(c)
			continue
		}
		if p.isClosed() {
			return nil
		}
		if !temporary(err) {
			return fmt.Errorf("accept on %s: %w", p.inner.Addr(), err)
		}
		delay := acceptRetry.Delay(failures)
		failures++
		p.opts.Logger.Warn("accept a connection", "addr", p.inner.Addr(), "error", err, "retry_in", delay)
		if !p.wait(delay) {
			return nil
		}
	}
}

// temporary reports whether accepting may work again later: EMFILE, ENFILE, a connection that was
// reset before it was accepted and the like.
func temporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// wait waits for d and reports whether the port is still open.
func (p *Port) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.done:
		return false
	}
}

// Close stops accepting, refuses the connections that are not told apart yet, and waits until the port
// has no goroutine left but that of Serve's caller. Connections that were handed over go on. Accept on
// both listeners then returns [net.ErrClosed]. Later calls do nothing and return nil.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.looking.Wait()
		return nil
	}
	p.closed = true
	close(p.done)
	for l := range p.conns {
		l.interrupt()
	}
	p.mu.Unlock()

	err := p.inner.Close()
	p.looking.Wait()
	if err != nil {
		return fmt.Errorf("close listener on %s: %w", p.inner.Addr(), err)
	}
	return nil
}

func (p *Port) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// start looks at c in a goroutine of its own, or closes it when the port is closed.
func (p *Port) start(c net.Conn) {
	l := newLook(p, c)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		l.close()
		return
	}
	p.conns[l] = struct{}{}
	evicted := p.queue(l)
	p.looking.Add(1)
	p.mu.Unlock()

	if evicted != nil {
		evicted.note("too many connections wait, and it waited longest", nil)
		evicted.close()
	}
	go func() {
		defer p.looking.Done()
		l.run()
	}()
}

// queue puts l under the time limit and returns the one that must make room for it, or nil.
func (p *Port) queue(l *look) *look {
	l.queued = p.pending.PushBack(l)
	if p.pending.Len() <= p.opts.MaxPending {
		return nil
	}
	oldest, _ := p.pending.Front().Value.(*look)
	p.dequeue(oldest)
	return oldest
}

// dequeue takes l out of the time limit; p.mu is held.
func (p *Port) dequeue(l *look) {
	if l.queued != nil {
		p.pending.Remove(l.queued)
		l.queued = nil
	}
}

// settle takes l out of the time limit: its client has shown that it is in order.
func (p *Port) settle(l *look) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dequeue(l)
}

// release ends the port's interest in l and reports whether the port is still open.
func (p *Port) release(l *look) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dequeue(l)
	delete(p.conns, l)
	return !p.closed
}

// readBy sets the time until which l waits for bytes; the zero time means no limit. It reports false,
// and changes nothing, once the port is closed: Close has interrupted l, and that must stand.
func (p *Port) readBy(l *look, t time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	return l.conn.SetReadDeadline(t) == nil
}
