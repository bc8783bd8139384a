// Package agent is the embedded agent: one process that answers Consul's HTTP API and DNS queries for one
// machine, so that nothing else need be installed to develop or test services. It assembles the catalog,
// the checks, the sessions, the API and DNS, and owns the listeners.
//
// It never joins other agents and never calls out but for the checks that were registered with it and
// for what it asks of the recursors that it was given.
// What is registered lasts as long as the process, or as the data dir if there is one.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/dnsapi"
	"github.com/pandakit/panda/internal/agent/httpapi"
	"github.com/pandakit/panda/internal/agent/logs"
	"github.com/pandakit/panda/internal/agent/origin"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/agent/session"
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
	maxConnections    = 16384 // of which 10,000 may be blocked queries; a process may have fewer files
	shutdownTimeout   = 5 * time.Second
)

// Config says how an agent is. The zero value is usable.
type Config struct {
	HTTPAddr   string       // host:port to listen on; DefaultHTTPAddr when empty
	Node       string       // the machine's name; "localhost" when empty
	Address    string       // the machine's IP address for those who call its services; 127.0.0.1 when empty
	Datacenter string       // dc1 when empty
	Logger     *slog.Logger // nothing is logged when nil

	DNS DNSConfig

	// DataDir is the folder that keeps everything over restarts and crashes. Nothing is kept when it is empty.
	DataDir string
	// Hosts are names that requests may use for the agent while it listens on loopback, besides
	// localhost and IP addresses.
	Hosts []string
	// CheckLimits raises intervals of checks that are too short; Consul's limits when zero.
	CheckLimits check.Limits
	// SessionTTLMin is the shortest TTL that a session may ask for; Consul's 10 s when zero.
	SessionTTLMin time.Duration

	UI         bool // the pages for people are at /ui/
	UIReadOnly bool // nothing can be changed through them
}

// Agent is a running agent, once Run is called.
type Agent struct {
	logger    *slog.Logger
	listener  net.Listener
	registrar *registrar.Registrar
	sessions  *session.Expirer
	server    *http.Server
	dns       *dnsapi.Server // nil when off
	kept      *keeper
}

// New returns an agent that listens already but answers nothing before Run. Close releases one that is
// not run. The error wraps syscall.EADDRINUSE when another program has the address; one of the data dir names the file
// and the way out.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	kept, err := keep(&cfg)
	if err != nil {
		return nil, err
	}
	state := kept.catalog
	listener, err := listen(cfg.HTTPAddr)
	if err != nil {
		return nil, errors.Join(err, kept.close())
	}
	watched := logs.NewHub()
	cfg.Logger = slog.New(slog.NewMultiHandler(cfg.Logger.Handler(), watched.Handler()))
	resolver, err := newDNS(&cfg, state, kept.settle)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), kept.close())
	}
	r := registrar.New(registrar.Config{
		Catalog: state, Node: cfg.Node, Logger: cfg.Logger, Limits: cfg.CheckLimits,
	})
	sessions := newSessions(state, &cfg)
	handler := httpapi.New(httpapi.Config{
		Catalog: state, Registrar: r, Sessions: sessions, Logger: cfg.Logger,
		Node: cfg.Node, Datacenter: cfg.Datacenter, Version: Version, ServerPort: serverPort,
		Loopback: loopback(listener.Addr()), Hosts: cfg.Hosts,
		Logs: watched, Settle: kept.settle,
	})
	policy := origin.Policy{Loopback: loopback(listener.Addr()), Hosts: cfg.Hosts}
	all := front(&cfg, kept, policy, handler)
	return &Agent{
		logger: cfg.Logger, listener: listener, registrar: r, sessions: sessions, server: newServer(all, cfg.Logger),
		dns: resolver, kept: kept,
	}, nil
}

// newSessions returns what ends the sessions that the catalog has and will have.
func newSessions(state *catalog.Catalog, cfg *Config) *session.Expirer {
	state.SetClock(time.Now)
	sessions := session.New(session.Config{Catalog: state, Logger: cfg.Logger, MinTTL: cfg.SessionTTLMin})
	sessions.Resume()
	return sessions
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

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address) //nolint:noctx // an IP address is not looked up: nothing waits
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another program has this address; stop it or choose another port: %w", address, syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return netutil.LimitListener(listener, maxConnections), nil
}

func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Addr returns the address that the agent listens on.
func (a *Agent) Addr() net.Addr { return a.listener.Addr() }

// URL returns the agent's address as clients write it: "http://127.0.0.1:8500".
func (a *Agent) URL() string { return "http://" + a.Addr().String() }

// Run serves until ctx is done: then queries that wait are answered at once, all checks are stopped,
// and Run returns nil. It ends with an error when the data dir can no longer be trusted. It is called once.
func (a *Agent) Run(ctx context.Context) error {
	queries, endQueries := context.WithCancel(ctx)
	defer endQueries()
	a.server.BaseContext = func(net.Listener) context.Context { return queries }
	var served error
	done := make(chan struct{})
	go func() {
		defer close(done)
		served = a.server.Serve(a.listener)
	}()
	resolver := a.runDNS(queries)
	var failed error
	select {
	case <-ctx.Done():
	case <-a.kept.failed:
		failed = a.kept.err()
	case <-done:
		failed = fmt.Errorf("serve %s: %w", a.Addr(), served)
	case failed = <-resolver:
	}
	endQueries()
	a.shutdown(context.WithoutCancel(ctx))
	<-done
	for range resolver { // until DNS has ended
	}
	if err := a.kept.close(); failed == nil { // else it says the same
		failed = err
	}
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
	a.sessions.Close()
}

// Close releases an agent that is not run. It must not be called while Run runs.
func (a *Agent) Close() error {
	a.registrar.Close()
	a.sessions.Close()
	return errors.Join(a.server.Close(), a.listener.Close(), a.closeDNS(), a.kept.close())
}
