package dnsapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what clients can take.
const (
	maxQueries     = 4096 // over UDP, answered at once; more are dropped, as a full socket drops them
	maxRecursions  = 256  // names asked of recursors at once; more fail
	maxConnections = 1024 // over TCP; more wait
	maxQuerySize   = 4096 // over UDP, in bytes: a question and its options are far smaller
	udpPatience    = time.Hour
	writeTimeout   = 5 * time.Second
	shutdownTime   = 5 * time.Second
)

// Server answers DNS queries, once Run is called.
type Server struct {
	cfg      Config
	zone     zone
	settings atomic.Pointer[settings]

	tcp net.Listener
	udp net.PacketConn

	life       context.Context //nolint:containedctx // of queries under way; set by Run, since handlers are given none
	queries    chan struct{}
	recursions chan struct{}
}

// New returns a server that listens already, on UDP and TCP, but answers nothing before Run. Close
// releases one that is not run. The error wraps syscall.EADDRINUSE when another program has the address.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	z, err := newZone(&cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, zone: z, life: context.Background(),
		queries: make(chan struct{}, maxQueries), recursions: make(chan struct{}, maxRecursions),
	}
	s.cfg.Datacenter = strings.ToLower(cfg.Datacenter)
	if err := s.SetOptions(cfg.Options); err != nil {
		return nil, err
	}
	s.tcp, s.udp, err = listen(cfg.Addr)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// SetOptions replaces the options. Queries that are under way end with the old ones. When it returns an
// error nothing has changed.
func (s *Server) SetOptions(options Options) error {
	set, err := newSettings(options)
	if err != nil {
		return err
	}
	set.mux = s.newMux(set)
	s.settings.Store(set)
	return nil
}

// Addr returns the host and port that the server listens on, the same for UDP and TCP.
func (s *Server) Addr() string { return s.tcp.Addr().String() }

// Close releases a server that is not run. It must not be called while Run runs.
func (s *Server) Close() error { return errors.Join(s.tcp.Close(), s.udp.Close()) }

// Run answers until ctx is done, then ends what is under way and returns nil. It is called once.
func (s *Server) Run(ctx context.Context) error {
	life, end := context.WithCancel(ctx)
	defer end()
	s.life = life
	failures := make(chan error, 2)
	var running sync.WaitGroup
	servers := []*dns.Server{
		{PacketConn: s.udp, UDPSize: maxQuerySize, ReadTimeout: udpPatience, Handler: dns.HandlerFunc(s.serveUDP)},
		{Listener: s.tcp, Handler: dns.HandlerFunc(s.serve)},
	}
	for _, server := range servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = sync.OnceFunc(func() { close(started) })
		running.Go(func() {
			defer server.NotifyStartedFunc() // when it failed before
			failures <- server.ActivateAndServe()
		})
		<-started
	}
	var failed error
	select {
	case <-ctx.Done():
	case err := <-failures:
		failed = fmt.Errorf("serve DNS on %s: %w", s.Addr(), err)
	}
	end()
	s.shutdown(context.WithoutCancel(ctx), servers)
	_ = s.Close() // closed already, unless serving failed
	running.Wait()
	return failed
}

func (s *Server) shutdown(ctx context.Context, servers []*dns.Server) {
	ctx, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	for _, server := range servers {
		if err := server.ShutdownContext(ctx); err != nil {
			s.cfg.Logger.Warn("DNS queries cut off at the end", "error", err)
		}
	}
}

// serveUDP drops a query when too many are being answered.
func (s *Server) serveUDP(w dns.ResponseWriter, r *dns.Msg) {
	select {
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
		s.serve(w, r)
	default:
	}
}

func (s *Server) serve(w dns.ResponseWriter, r *dns.Msg) { s.settings.Load().mux.ServeDNS(w, r) }

// newMux returns the way from a name to who answers it. Names that no one answers are refused.
func (s *Server) newMux(set *settings) *dns.ServeMux {
	mux := dns.NewServeMux()
	handle := func(pattern string, handler func(*query)) {
		mux.HandleFunc(pattern, func(w dns.ResponseWriter, r *dns.Msg) {
			handler(&query{server: s, set: set, writer: w, request: r, question: r.Question[0]})
		})
	}
	handle("arpa.", (*query).reverse)
	handle(s.zone.main, (*query).domain)
	if s.zone.alt != "" {
		handle(s.zone.alt, (*query).domain)
	}
	if len(set.recursors) > 0 {
		handle(".", (*query).recurse)
	}
	return mux
}
