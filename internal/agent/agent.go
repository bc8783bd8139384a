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
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/config"
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
	maxConnections    = 16384 // of which 10,000 may be blocked queries; a process may have fewer files
	shutdownTimeout   = 5 * time.Second
)

// Config says how an agent is. The zero value is usable.
type Config struct {
	HTTPAddr   string       // host:port or unix:///path to listen on; DefaultHTTPAddr when empty
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

	ResponseHeaders map[string]string // of every answer of the HTTP API

	// Pretty makes answers of the HTTP API indented JSON, as Consul's are in development mode and for ?pretty.
	Pretty bool

	Debug bool // the process can be watched at /debug/pprof/

	UI         bool // the pages for people are at /ui/
	UIReadOnly bool // nothing can be changed through them

	MoreAddrs []Listen          // to listen on besides HTTPAddr
	NodeID    string            // a UUID; a random one when empty
	NodeMeta  map[string]string // of the node in the catalog
	// RemoteScripts and LocalScripts allow programs to be run as checks: when a request asks for it, when Definitions do.
	RemoteScripts, LocalScripts bool
	// Settings returns what can change while the agent runs. It is called by New and for every reload, never twice at
	// once. On an error New fails, and a reload changes nothing. nil: nothing changes.
	Settings func() (Settings, error)
}

// Settings are what files say and a reload can change.
type Settings struct {
	config.Definitions
	DNS dnsapi.Options
	// Applied is called once all of these are in effect, and not when they cannot be; may be nil.
	Applied func()
}

// Agent is a running agent, once Run is called.
type Agent struct {
	logger    *slog.Logger
	listeners []net.Listener
	registrar *registrar.Registrar
	sessions  *session.Expirer
	server    *http.Server
	dns       []*dnsapi.Server
	kept      *keeper

	reloading  sync.Mutex
	settings   func() (Settings, error)
	dnsOptions dnsapi.Options
	leave      chan struct{} // takes one value; the agent ends when it does
	first      Listen        // what the first listener was asked for
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
	a := &Agent{
		kept: kept, settings: cfg.Settings, dnsOptions: cfg.DNS.Options, leave: make(chan struct{}, 1),
		first: cfg.addresses()[0],
	}
	if err := a.open(&cfg); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// open starts the parts, each on those before it.
func (a *Agent) open(cfg *Config) error {
	var err error
	long := newHeads()
	if a.listeners, err = listenAll(cfg, long); err != nil {
		return err
	}
	state, watched := a.kept.catalog, logs.NewHub()
	cfg.Logger = slog.New(slog.NewMultiHandler(cfg.Logger.Handler(), watched.Handler()))
	a.logger = cfg.Logger
	if err := a.openDNS(cfg); err != nil {
		return err
	}
	a.registrar = registrar.New(registrar.Config{
		Catalog: state, Node: cfg.Node, Logger: cfg.Logger, Limits: cfg.CheckLimits,
		RemoteScripts: cfg.RemoteScripts, LocalScripts: cfg.LocalScripts,
	})
	a.sessions = newSessions(state, cfg)
	policy := origin.Policy{Loopback: allLoopback(a.listeners), Hosts: cfg.Hosts}
	api := httpapi.New(httpapi.Config{
		Catalog: state, Registrar: a.registrar, Sessions: a.sessions, Logger: cfg.Logger,
		Node: cfg.Node, Datacenter: cfg.Datacenter, Version: Version, ServerPort: serverPort, Pretty: cfg.Pretty, Debug: cfg.Debug,
		Loopback: policy.Loopback, Hosts: policy.Hosts,
		ResponseHeaders: cfg.ResponseHeaders, Reload: a.Reload, Leave: a.Leave, Logs: watched, Settle: a.kept.settle,
	})
	a.server = newServer(front(cfg, a.kept, policy, api), cfg.Logger)
	long.install(a.server)
	return errors.Join(a.registrar.Resume(), a.apply())
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

// Addr returns the address that the agent listens on, the first of several.
func (a *Agent) Addr() net.Addr { return a.listeners[0].Addr() }

// URL returns the agent's address as clients write it, "http://127.0.0.1:8500": with the host as it was given, since the
// system may name it otherwise, and with the port that it has.
func (a *Agent) URL() string {
	if a.Addr().Network() == "unix" {
		return unixScheme + a.Addr().String()
	}
	address := a.Addr().String()
	given, _, err := net.SplitHostPort(a.first.Addr)
	_, port, other := net.SplitHostPort(address)
	if err == nil && other == nil && given != "" {
		address = net.JoinHostPort(given, port)
	}
	if a.first.TLS != nil {
		return "https://" + address
	}
	return "http://" + address
}

// Run serves until ctx is done or Leave is called: then queries that wait are answered at once, all checks are stopped,
// and Run returns nil. It ends with an error when the data dir can no longer be trusted. It is called once.
func (a *Agent) Run(ctx context.Context) error {
	queries, endQueries := context.WithCancel(ctx)
	defer endQueries()
	a.server.BaseContext = func(net.Listener) context.Context { return queries }
	failures, serving := a.serve()
	resolver := a.runDNS(queries)
	var failed error
	select {
	case <-ctx.Done():
	case <-a.leave:
	case <-a.kept.failed:
		failed = a.kept.err()
	case failed = <-failures:
	case failed = <-resolver:
	}
	endQueries()
	a.shutdown(context.WithoutCancel(ctx))
	serving.Wait()
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

// Close releases an agent that is not run, also one of which only some parts were opened. It must not be called while
// Run runs.
func (a *Agent) Close() error {
	if a.registrar != nil {
		a.registrar.Close()
	}
	if a.sessions != nil {
		a.sessions.Close()
	}
	var failed []error
	if a.server != nil {
		failed = append(failed, a.server.Close())
	}
	for _, listener := range a.listeners {
		failed = append(failed, listener.Close())
	}
	return errors.Join(append(failed, a.closeDNS(), a.kept.close())...)
}
