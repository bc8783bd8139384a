package panda

import (
	"context"

	"google.golang.org/grpc/resolver"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance"
)

// resolverScheme is the scheme of a Conn's target, as it appears in gRPC's logs: panda:///hello.
const resolverScheme = "panda"

// resolverBuilder builds the resolver of one Conn. gRPC builds it again when a Conn leaves idleness.
type resolverBuilder struct {
	target    *target
	available *loadbalance.Availability
}

func (b *resolverBuilder) Scheme() string { return resolverScheme }

// Build starts the watch and returns; it does no I/O itself.
func (b *resolverBuilder) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	ctx, cancel := context.WithCancel(context.Background())
	t := b.target
	t.watching.Go(func() {
		t.watch(ctx, func(instances []discovery.Instance) {
			// An error means that the balancer wants other instances; the watch brings them by itself.
			_ = cc.UpdateState(loadbalance.WithInstances(resolver.State{}, instances, b.available))
		})
	})
	return &watchingResolver{cancel}, nil
}

type watchingResolver struct{ cancel context.CancelFunc }

// ResolveNow does nothing: the watch hears of changes when the registry does.
func (r *watchingResolver) ResolveNow(resolver.ResolveNowOptions) {}

// Close ends the watch without waiting for it, because an update under way may be waiting for the caller.
// Conn.Close waits.
func (r *watchingResolver) Close() { r.cancel() }
