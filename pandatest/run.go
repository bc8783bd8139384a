package pandatest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
)

// Running is an instance of a service that runs until the test ends.
type Running struct {
	tb       testing.TB
	service  string
	stop     context.CancelFunc
	found    chan struct{} // closed when the registry knows the instance
	finding  sync.Once
	ended    chan struct{} // closed when Run has returned
	instance discovery.Instance
	err      error // what Run returned, once ended is closed
	stopping sync.Once
}

// runningKey leads from the context of Service.Run to the Running that it belongs to.
type runningKey struct{}

// Run runs the service until the test ends, and returns as soon as clients find it by its name. The service has
// been made with the registry's ServiceOptions. Run it again, made anew, for a second instance.
//
// The test fails at once when the service does not come up, and at its end when the service ended with an error or
// before the test did: a handler that does not return within the drain timeout is such an error.
func Run(tb testing.TB, registry *Registry, service *panda.Service) *Running {
	tb.Helper()
	r := &Running{tb: tb, service: service.Name(), found: make(chan struct{}), ended: make(chan struct{})}
	ctx, stop := context.WithCancel(context.WithValue(context.WithoutCancel(tb.Context()), runningKey{}, r))
	r.stop = stop
	go func() {
		defer close(r.ended)
		r.err = service.Run(ctx)
	}()
	tb.Cleanup(r.Stop)
	timeout := time.NewTimer(registry.patience)
	defer timeout.Stop()
	select {
	case <-r.found:
	case <-r.ended: // Stop tells why
		tb.FailNow()
	case <-timeout.C:
		tb.Fatalf("run service %q: %s does not know it after %v; was it made with the registry's ServiceOptions, and is the registry connected?",
			r.service, registry, registry.patience)
	}
	return r
}

// Addr returns the address on which the instance listens, host:port.
func (r *Running) Addr() string { return r.instance.Endpoint() }

// Stop drains the service before the test ends and returns when it has ended. An error of the service, or that
// it had ended before, fails the test. Stopping it twice does nothing more.
func (r *Running) Stop() {
	r.tb.Helper()
	r.stopping.Do(func() {
		early := false
		select {
		case <-r.ended:
			early = true
		default:
		}
		r.stop()
		<-r.ended
		switch {
		case r.err != nil:
			r.tb.Error(r.err)
		case early:
			r.tb.Errorf("run service %q: it ended before the test did", r.service)
		}
	})
}

// watch learns when the registry knows the instance.
func (r *Running) watch(a *discovery.Announcement) {
	observe := a.Observe
	a.Observe = func(event discovery.Event) {
		if observe != nil {
			observe(event)
		}
		if event.Kind == discovery.Registered {
			r.finding.Do(func() {
				r.instance = a.Instance
				close(r.found)
			})
		}
	}
}

// Dial returns a connection to the named service, which need not run yet. The test closes it when it ends.
func Dial(tb testing.TB, registry *Registry, service string, options ...panda.ClientOption) *panda.Conn {
	tb.Helper()
	conn, err := panda.Dial(service, registry.clientOptions(options)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Errorf("close the connection to service %q: %v", service, err)
		}
	})
	return conn
}

// DialRPC returns a net/rpc client of the named service, which need not run yet. The test closes it when it ends.
func DialRPC(tb testing.TB, registry *Registry, service string, options ...panda.ClientOption) *panda.RPCClient {
	tb.Helper()
	client := panda.DialRPC(service, registry.clientOptions(options)...)
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Errorf("close the net/rpc client of service %q: %v", service, err)
		}
	})
	return client
}

// HTTPClient returns a client that finds services by name, as http://web.service.consul/. The test ends its
// connections and watches when it ends.
func HTTPClient(tb testing.TB, registry *Registry, options ...panda.ClientOption) *http.Client {
	tb.Helper()
	client := panda.HTTPClient(registry.clientOptions(options)...)
	tb.Cleanup(client.CloseIdleConnections)
	return client
}

func (r *Registry) clientOptions(more []panda.ClientOption) []panda.ClientOption {
	return append([]panda.ClientOption{panda.WithRegistry(r), r.client}, more...)
}
