// Package agent is the embedded agent: one process that answers Consul's HTTP API for one machine, so
// that nothing else need be installed to develop or test services. It assembles the catalog, the
// checks and the API, and owns the listener.
//
// It never joins other agents and never calls out but for the checks that were registered with it.
// What is registered lasts as long as the process.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/config"
	"github.com/pandakit/panda/internal/agent/httpapi"
	"github.com/pandakit/panda/internal/agent/registrar"
)

// DefaultHTTPAddr is where the agent listens by default, and where Consul's clients look.
const DefaultHTTPAddr = "127.0.0.1:8500"

// Version is what the agent says it is: the Consul whose API it speaks, and that it is another program.
const Version = "1.12.9+panda"

// serverPort is where a Consul server would take RPCs. Nothing listens there; tools expect a port.
const serverPort = 8300

// Bounds of the HTTP server. There is no bound on writing an answer: blocking queries take minutes.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	maxConnections    = 8192
	shutdownTimeout   = 5 * time.Second
)

// Config says how an agent is. The zero value is usable.
type Config struct {
	HTTPAddr   string       // host:port or unix:///path to listen on; DefaultHTTPAddr when empty
	Node       string       // the machine's name; "localhost" when empty
	Address    string       // the machine's IP address for those who call its services; 127.0.0.1 when empty
	Datacenter string       // dc1 when empty
	Logger     *slog.Logger // nothing is logged when nil

	// Hosts are names that requests may use for the agent while it listens on loopback, besides
	// localhost and IP addresses.
	Hosts []string
	// CheckLimits raises intervals of checks that are too short; Consul's limits when zero.
	CheckLimits check.Limits

	MoreAddrs []Listen          // to listen on besides HTTPAddr
	NodeID    string            // a UUID; a random one when empty
	NodeMeta  map[string]string // of the node in the catalog
	// RemoteScripts and LocalScripts allow programs to be run as checks: when a request asks for it, when Definitions do.
	RemoteScripts, LocalScripts bool
	// Definitions returns what files ask to be registered. It is called by New and for every reload, never twice at once.
	// On an error New fails, and a reload changes nothing. nil: there are no files.
	Definitions func() (config.Definitions, error)
}

// Agent is a running agent, once Run is called.
type Agent struct {
	logger    *slog.Logger
	listeners []net.Listener
	registrar *registrar.Registrar
	server    *http.Server

	reloading   sync.Mutex
	definitions func() (config.Definitions, error)
	leave       chan struct{} // takes one value; the agent ends when it does
	secure      bool          // the first listener speaks TLS
}

// New returns an agent that listens already but answers nothing before Run. Close releases one that is
// not run. The error wraps syscall.EADDRINUSE when another program has the address.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	state, err := newCatalog(&cfg)
	if err != nil {
		return nil, err
	}
	listeners, err := listenAll(&cfg)
	if err != nil {
		return nil, err
	}
	r := registrar.New(registrar.Config{
		Catalog: state, Node: cfg.Node, Logger: cfg.Logger, Limits: cfg.CheckLimits,
		RemoteScripts: cfg.RemoteScripts, LocalScripts: cfg.LocalScripts,
	})
	a := &Agent{
		logger: cfg.Logger, listeners: listeners, registrar: r, definitions: cfg.Definitions, leave: make(chan struct{}, 1),
		secure: cfg.addresses()[0].TLS != nil,
	}
	handler := httpapi.New(httpapi.Config{
		Catalog: state, Registrar: r, Logger: cfg.Logger,
		Node: cfg.Node, Datacenter: cfg.Datacenter, Version: Version, ServerPort: serverPort,
		Loopback: allLoopback(listeners), Hosts: cfg.Hosts,
		Reload: a.Reload, Leave: a.Leave,
	})
	a.server = newServer(handler, cfg.Logger)
	if err := errors.Join(r.Resume(), a.Reload(context.Background())); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Addr returns the address that the agent listens on, the first of several.
func (a *Agent) Addr() net.Addr { return a.listeners[0].Addr() }

// URL returns the agent's address as clients write it: "http://127.0.0.1:8500".
func (a *Agent) URL() string {
	if a.Addr().Network() == "unix" {
		return unixScheme + a.Addr().String()
	}
	if a.secure {
		return "https://" + a.Addr().String()
	}
	return "http://" + a.Addr().String()
}

// Run serves until ctx is done or Leave is called: then queries that wait are answered at once, all checks are stopped,
// and Run returns nil. It is called once.
func (a *Agent) Run(ctx context.Context) error {
	queries, endQueries := context.WithCancel(ctx)
	defer endQueries()
	a.server.BaseContext = func(net.Listener) context.Context { return queries }
	failures, serving := a.serve()
	var failed error
	select {
	case <-ctx.Done():
	case <-a.leave:
	case failed = <-failures:
	}
	endQueries()
	a.shutdown(context.WithoutCancel(ctx))
	serving.Wait()
	return failed
}

// shutdown ends what is under way, by force what takes longer than shutdownTimeout.
func (a *Agent) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		a.logger.Warn("requests cut off at the end", "error", err)
		_ = a.server.Close() // its listener is closed already
	}
	a.registrar.Close()
}

// Close releases an agent that is not run. It must not be called while Run runs.
func (a *Agent) Close() error {
	a.registrar.Close()
	failed := []error{a.server.Close()}
	for _, listener := range a.listeners {
		failed = append(failed, listener.Close())
	}
	return errors.Join(failed...)
}
