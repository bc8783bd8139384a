package call

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

// dialService connects to a service by its name. It asks the registry first, because a person wants to
// be told of a wrong name at once, and not when the deadline has passed.
func dialService(ctx context.Context, env *command.Env, service string) (grpc.ClientConnInterface, io.Closer, error) {
	registry, err := command.Registry(env)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := command.Lookup(ctx, registry, service)
	if err != nil {
		return nil, nil, err
	}
	if err := discovery.Explain(snapshot, nil); err != nil {
		return nil, nil, err
	}
	conn, err := panda.Dial(service, panda.WithRegistry(registry), panda.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil, command.Usage(err)
	}
	return conn, conn, nil
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
