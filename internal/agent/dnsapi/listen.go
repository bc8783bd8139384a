package dnsapi

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// portAttempts is how often a free port is looked for: one that TCP got may be another's for UDP.
const portAttempts = 16

// listen takes the address for TCP and UDP both.
func listen(address string) (net.Listener, net.PacketConn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("configure DNS: address %q is not host:port", address)
	}
	attempts := 1
	if port == "0" {
		attempts = portAttempts
	}
	for {
		attempts--
		tcp, udp, err := listenBoth(address)
		if err == nil {
			return netutil.LimitListener(newListener(tcp), maxConnections), udp, nil
		}
		if attempts == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}

func listenBoth(address string) (net.Listener, net.PacketConn, error) {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, listenError("TCP", address, err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(listenError("UDP", address, err), tcp.Close())
	}
	return tcp, udp, nil
}

func listenError(network, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen for DNS on %s %s: another program has this address; stop it or choose another port: %w", network, address, syscall.EADDRINUSE)
	}
	return fmt.Errorf("listen for DNS on %s %s: %w", network, address, err)
}

// acceptPause is the wait after a connection could not be accepted, as when the process has too many files.
const acceptPause = 50 * time.Millisecond

// listener bounds how long a client may take to read an answer, and pauses after a failure that may pass.
type listener struct {
	net.Listener
	closed    chan struct{}
	closeOnce sync.Once
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		return &connection{conn}, nil
	}
	if !errors.Is(err, net.ErrClosed) {
		pause := time.NewTimer(acceptPause)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-l.closed:
		}
	}
	return nil, err
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// connection gives up on a client that does not read.
type connection struct{ net.Conn }

// Write implements net.Conn.
func (c *connection) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
