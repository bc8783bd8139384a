// Package pandatest runs a service, its registry and its clients inside a test:
//
//	func TestHello(t *testing.T) {
//		registry := pandatest.NewRegistry(t)
//		pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
//		conn := pandatest.Dial(t, registry, "hello")
//		reply, err := hellov1.NewHelloServiceClient(conn).SayHello(t.Context(), &hellov1.SayHelloRequest{Name: "panda"})
//		...
//	}
//
// where newService is the program's own, taking options so that main and the test make the same service:
//
//	func newService(options ...panda.ServiceOption) *panda.Service {
//		svc := panda.NewService("hello", options...)
//		hellov1.RegisterHelloServiceServer(svc, hello{})
//		return svc
//	}
//
// Everything is real but the registry, which is in memory: services listen on a free port of the loopback
// address and clients find them by name. The test owns what it starts: when it ends, clients are closed, services
// are drained, and a service that ended with an error fails the test. What services and clients log goes to
// the test's log. Each test has a registry of its own, so that parallel tests never meet, and no variable of the
// environment (PANDA_ADDR, CONSUL_HTTP_ADDR, ...) has a say. A signal ends the test, as it does without services.
//
// [Faults] delays calls, fails them and cuts their connections, to show what a client does then.
//
// The package is for tests alone and never part of a program.
package pandatest

import (
	"context"
	"testing"
	"time"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

const (
	// patience is how long a service may take to be found.
	patience = 10 * time.Second
	// drainTimeout bounds how long a test waits for calls in flight when it ends.
	drainTimeout = 5 * time.Second
)

// Registry is where the services and clients of one test meet. It is an [inmemory.Registry], whose methods make
// it fail as a real one does: Disconnect and Reconnect, Restart, and Put for an instance that is not there.
// It is a [discovery.Registry], too. Its methods may be called from several goroutines at once.
type Registry struct {
	*inmemory.Registry
	client   panda.Option  // the logger of clients
	patience time.Duration // how long a service may take to be found
}

var _ discovery.Registry = (*Registry)(nil)

// NewRegistry returns an empty registry for the test. Services and clients log to it.
func NewRegistry(tb testing.TB) *Registry {
	tb.Helper()
	return &Registry{Registry: inmemory.New(), client: panda.WithLogger(newLogger(tb)), patience: patience}
}

// ServiceOptions returns what makes a service one of the test: this registry, a free port on the loopback
// address, the test's log, no delay when it leaves, and 5 s for calls in flight to finish when it drains.
// Options that are given after them win.
func (r *Registry) ServiceOptions(tb testing.TB) []panda.ServiceOption {
	tb.Helper()
	return []panda.ServiceOption{
		panda.WithRegistry(r),
		panda.WithAddress("127.0.0.1:0"),
		panda.WithLogger(newLogger(tb)),
		panda.WithLeaveDelay(0),
		panda.WithDrainTimeout(drainTimeout),
	}
}

// Hermetic tells package panda that variables and signals of the process have no say in services which use this registry.
func (*Registry) Hermetic() {}

// Announce implements [discovery.Registry]; services call it.
func (r *Registry) Announce(ctx context.Context, a discovery.Announcement) error {
	if running, ok := ctx.Value(runningKey{}).(*Running); ok {
		running.watch(&a)
	}
	return r.Registry.Announce(ctx, a)
}
