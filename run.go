package panda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pandakit/panda/discovery"
)

// Run listens, serves, registers the instance, and does so until ctx is done or the process gets
// SIGINT or SIGTERM; then it drains. It returns nil after a clean drain, and an error when it could not
// listen, when what was registered on the service is wrong, or when calls had to be cut off at the end.
// A second signal ends the process at once. Run may be called once.
//
// A registry that is away stops nothing: the service serves, and is registered as soon as that is possible.
//
// The drain: health turns NOT_SERVING and the instance leaves the registry; it goes on serving until
// clients have had time to see that ([WithLeaveDelay]); it takes no more connections, tells gRPC
// clients to go elsewhere, and lets what is in flight finish, for at most the time of [WithDrainTimeout].
func (s *Service) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("run service %q: Run was called before; a Service runs once", s.name)
	}
	if err := s.invalid(); err != nil {
		return err
	}
	if err := s.config.readEnvironment(); err != nil {
		return fmt.Errorf("run service %q: %w", s.name, err)
	}
	if s.config.weight < 1 || s.config.weight > maxWeight {
		return fmt.Errorf("run service %q: weight %d: want 1 to %d", s.name, s.config.weight, maxWeight)
	}
	if !s.config.hermetic() {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		defer context.AfterFunc(ctx, stop)() // from then on a signal does what it does without us
	}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("run service %q: %w", s.name, err)
	}
	return nil
}

func (s *Service) run(ctx context.Context) error {
	registry, err := s.config.openRegistry()
	if err != nil {
		return err
	}
	place := newLocator(ctx, registry, s.config.address, s.config.advertise)
	listener, err := listen(ctx, s.config.address, place.where.loopback)
	if err != nil {
		return err
	}
	if place.listens, err = listenAddress(listener); err != nil {
		return errors.Join(err, listener.Close())
	}
	reached, err := place.find(ctx)
	if _, undecided := errors.AsType[*undecidedError](err); err != nil && !undecided {
		return errors.Join(err, listener.Close())
	}
	server, serverErr := s.newServer(listener)
	if serverErr != nil {
		return errors.Join(serverErr, listener.Close())
	}
	if err != nil {
		s.config.logger.Info("service listens; what it advertises is decided once the registry answers", "service", s.name,
			"address", listener.Addr().String(), "because", err)
	} else {
		s.config.logger.Info("service listens", "service", s.name, "address", listener.Addr().String(),
			"advertised", reached.String(), "because", reached.reason)
		place.decided = reached
	}
	return s.serve(ctx, server, registry, place)
}

func listen(ctx context.Context, address string, noOtherMachine bool) (net.Listener, error) {
	if address == "" {
		address = defaultAddress(noOtherMachine)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the port is taken; stop what listens there, or set PANDA_ADDR to another address (port 0 takes a free one)", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; set PANDA_ADDR to host:port", address, err)
	}
	return listener, nil
}

func listenAddress(l net.Listener) (netip.AddrPort, error) {
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("listen: %s is not a TCP address", l.Addr())
	}
	return tcp.AddrPort(), nil
}

// instance describes this process to the registry.
func (s *Service) instance(reached advertised) discovery.Instance {
	id := s.config.instanceID
	if id == "" {
		id = instanceID(s.name, reached, s.config.containerName)
	}
	return discovery.Instance{
		ID: id, Service: s.name, Address: reached.host, Port: reached.port,
		Tags: s.config.tags, Meta: s.config.meta, Weight: s.config.weight,
	}
}

// serve runs the parts of the service until ctx is done or one of them fails, then drains.
func (s *Service) serve(ctx context.Context, server *server, registry discovery.Registry, place *locator) error {
	if s.config.unregistered {
		s.config.logger.Info("service is not registered, as PANDA_REGISTER says; nobody finds it by its name", "service", s.name)
		registry = unannounced{registry}
	}
	failed := server.start()
	server.setServing(true)

	announcing, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	presence := &presence{service: s.name, registry: registry.String(), logger: s.config.logger}
	left := make(chan error, 1)
	go func() { left <- s.announce(announcing, server, registry, place, presence) }()

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-failed:
	case failure = <-left: // only what can never be registered ends an announcement early
		left <- nil
	}
	s.config.logger.Info("service drains", "service", s.name)
	server.setServing(false)
	leave()
	if err := <-left; err != nil {
		s.config.logger.Warn("instance did not leave the registry; it will be critical there until it is forgotten",
			"service", s.name, "registry", registry.String(), "error", err)
	}
	if failure == nil && presence.registered.Load() {
		select {
		case <-time.After(s.config.leaveDelay):
		case failure = <-failed:
		}
	}
	return errors.Join(failure, server.drain(s.config.drain)) //nolint:contextcheck // ctx is done: the drain has its own
}

// announce keeps the instance registered until ctx is done, from when its address is known.
func (s *Service) announce(ctx context.Context, server *server, registry discovery.Registry, place *locator, presence *presence) error {
	reached := place.decided
	if reached.host == "" {
		var err error
		reached, err = place.await(ctx, func(err error) { presence.observe(discovery.Event{Kind: discovery.Failed, Err: err}) })
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the service ends, and was never registered
		case err != nil:
			return err
		}
		if reached.port == 0 {
			if reached.port, err = server.also(ctx, reached.host); err != nil {
				return err
			}
		}
		s.config.logger.Info("service is reached by others", "service", s.name, "advertised", reached.String(), "because", reached.reason)
	}
	return registry.Announce(ctx, discovery.Announcement{ //nolint:wrapcheck // it says all there is to say
		Instance: s.instance(reached), TTL: s.config.ttl, Health: server.healthStatus, Observe: presence.observe,
		OwnAddress: s.config.advertise == "",
	})
}

// unannounced is a registry that knows nothing of the service.
type unannounced struct{ discovery.Registry }

// Announce implements [discovery.Registry]: it waits for the end.
func (unannounced) Announce(ctx context.Context, _ discovery.Announcement) error {
	<-ctx.Done()
	return nil
}

// presence logs what becomes of the registration, once per change, not per attempt.
type presence struct {
	service    string
	registry   string
	logger     *slog.Logger
	registered atomic.Bool
	lastError  string
}

func (p *presence) observe(event discovery.Event) {
	switch event.Kind {
	case discovery.Registered:
		p.registered.Store(true)
		p.lastError = ""
		p.logger.Info("service registered", "service", p.service, "registry", p.registry)
	case discovery.Renamed:
		p.logger.Warn("instance registers under another ID", "service", p.service, "registry", p.registry, "because", event.Err)
	case discovery.Lost:
		p.logger.Warn("registry has lost the instance; registering it again", "service", p.service, "registry", p.registry, "reason", event.Err)
	case discovery.Failed:
		if text := event.Err.Error(); text != p.lastError {
			p.lastError = text
			p.logger.Warn("registry cannot be reached; the service serves all the same and keeps trying",
				"service", p.service, "registry", p.registry, "error", event.Err)
		}
	}
}
