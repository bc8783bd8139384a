package oneport

import (
	"net"
	"sync"
)

// listener is what one of the two servers accepts from.
type listener struct {
	addr  net.Addr
	conns chan net.Conn   // unbuffered: a connection is never left behind in it
	port  <-chan struct{} // closed with the port
	done  chan struct{}   // closed by Close
	close sync.Once
}

func newListener(addr net.Addr, port <-chan struct{}) *listener {
	return &listener{addr: addr, conns: make(chan net.Conn), port: port, done: make(chan struct{})}
}

// Accept returns the next connection, or net.ErrClosed once the listener or its port is closed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
	case <-l.port:
	}
	return nil, &net.OpError{Op: "accept", Net: l.addr.Network(), Addr: l.addr, Err: net.ErrClosed}
}

// Close makes Accept return; it may be called several times.
func (l *listener) Close() error {
	l.close.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// offer waits until c is accepted and reports whether it was. When it was not, c is still the caller's.
func (l *listener) offer(c net.Conn) bool {
	select {
	case <-l.done:
		return false
	default:
	}
	select {
	case l.conns <- c:
		return true
	case <-l.done:
	case <-l.port:
	}
	return false
}
