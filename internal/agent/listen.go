package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/net/netutil"
)

// Listen is an address that the agent answers on.
type Listen struct {
	Addr string      // host:port, or unix:///path
	TLS  *tls.Config // nil: without TLS
}

// unixScheme begins the address of a socket in the file system.
const unixScheme = "unix://"

// NoHTTP as HTTPAddr leaves MoreAddrs alone to listen on.
const NoHTTP = "none"

func (c *Config) addresses() []Listen {
	if c.HTTPAddr == NoHTTP {
		return c.MoreAddrs
	}
	return append([]Listen{{Addr: c.HTTPAddr}}, c.MoreAddrs...)
}

func listenAll(cfg *Config, long *heads) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, at := range cfg.addresses() {
		listener, err := listen(at.Addr)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close() // it has taken no connection
			}
			return nil, err
		}
		listener = long.listener(listener)
		if at.TLS != nil {
			listener = tls.NewListener(listener, at.TLS)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

func listen(address string) (net.Listener, error) {
	network := "tcp"
	path, unix := strings.CutPrefix(address, unixScheme)
	if unix {
		network, address = "unix", path
		if err := dropStale(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen(network, address) //nolint:noctx // an IP address is not looked up: nothing waits
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &InUseError{address}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return netutil.LimitListener(listener, maxConnections), nil
}

// InUseError is that another program has the address, host:port. It wraps syscall.EADDRINUSE.
type InUseError struct{ Addr string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("listen on %s: another program has this address; stop it or choose another port", e.Addr)
}

// Unwrap returns syscall.EADDRINUSE.
func (*InUseError) Unwrap() error { return syscall.EADDRINUSE }

// dropStale removes the socket that a killed agent has left behind, and nothing else.
func dropStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil //nolint:nilerr // to listen tells
	}
	conn, err := net.Dial("unix", path) //nolint:noctx // a local socket answers at once
	if err == nil {
		_ = conn.Close() // somebody is there
		return fmt.Errorf("listen on %s: another program has this address; stop it or choose another path: %w", path, syscall.EADDRINUSE)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	return nil
}

func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback() || address.Network() == "unix"
}

func allLoopback(listeners []net.Listener) bool {
	for _, listener := range listeners {
		if !loopback(listener.Addr()) {
			return false
		}
	}
	return true
}

// serve answers on all listeners. The first that fails tells; Wait returns once all have ended.
func (a *Agent) serve() (failures <-chan error, serving *sync.WaitGroup) {
	failed := make(chan error, len(a.listeners))
	serving = new(sync.WaitGroup)
	for _, listener := range a.listeners {
		serving.Go(func() { failed <- fmt.Errorf("serve %s: %w", listener.Addr(), a.server.Serve(listener)) })
	}
	return failed, serving
}

// Reload reads the settings again and applies what has changed. On an error, which is logged too, nothing has changed.
func (a *Agent) Reload(context.Context) error {
	err := a.apply()
	if err != nil {
		a.logger.Error("files are not read again: nothing has changed", "error", err)
	}
	return err
}

// apply reads the settings and puts them into effect, or changes nothing.
func (a *Agent) apply() error {
	if a.settings == nil {
		return nil
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	next, err := a.settings()
	if err != nil {
		return err
	}
	if err := a.setDNSOptions(next.DNS); err != nil {
		return err
	}
	if err := a.registrar.Load(next.Services, next.Checks); err != nil {
		return errors.Join(err, a.setDNSOptions(a.dnsOptions))
	}
	a.dnsOptions = next.DNS
	if next.Applied != nil {
		next.Applied()
	}
	return nil
}

// Leave makes Run end as when its context is done. It does not wait for that.
func (a *Agent) Leave(context.Context) error {
	select {
	case a.leave <- struct{}{}:
	default: // it is leaving already
	}
	return nil
}
