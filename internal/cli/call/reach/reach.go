// Package reach connects the commands that ask a running service of its methods to that service, by name or by address,
// and says what keeps them from it. It calls nothing itself.
package reach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

// Server is whom a command asks.
type Server struct {
	Env      *command.Env
	Service  string        // its name in the registry
	Addr     string        // host:port; when it is empty, Service is looked up
	Deadline time.Duration // what bounds the contexts of the methods, for what is said when it runs out; 0 for none
}

// Connect returns a connection to the server, and what ends it. ctx bounds the look-up.
func (s *Server) Connect(ctx context.Context) (grpc.ClientConnInterface, io.Closer, error) {
	if s.Addr != "" {
		return dialAddress(s.Addr)
	}
	return s.dialService(ctx)
}

// dialService connects to a service by its name. It asks the registry first, because a person wants to
// be told of a wrong name at once, and not when the deadline has passed.
func (s *Server) dialService(ctx context.Context) (grpc.ClientConnInterface, io.Closer, error) {
	registry, err := command.Registry(s.Env)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := command.Lookup(ctx, registry, s.Service)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && (err != nil || snapshot.Err != nil) {
		return nil, nil, s.tooLate(registry.String())
	}
	if err != nil {
		return nil, nil, err
	}
	if err := discovery.Explain(snapshot, nil); err != nil {
		return nil, nil, err
	}
	conn, err := panda.Dial(s.Service, panda.WithRegistry(registry), panda.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil, command.Usage(err)
	}
	return conn, conn, nil
}

// tooLate says that the time was over before the registry had answered, which is no word against the registry.
func (s *Server) tooLate(registry string) error {
	return command.Advise(fmt.Errorf("look up service %q: the deadline of %v ran out before %s answered", s.Service, s.Deadline, registry), giveItLonger)
}

// dialAddress connects to one address, without TLS, and without a proxy that the environment names.
func dialAddress(address string) (grpc.ClientConnInterface, io.Closer, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, command.Usagef("--addr %q: %w", address, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, nil, command.Usagef("--addr %q: port %q is not between 1 and 65535", address, port)
	}
	if host == "" {
		return nil, nil, command.Usagef("--addr %q: no host; for this machine write 127.0.0.1:%s", address, port)
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return nil, nil, command.Usagef("--addr %q: %w", address, err)
	}
	return conn, conn, nil
}
