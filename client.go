package panda

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/pandakit/panda/internal/loadbalance"
	"github.com/pandakit/panda/internal/retry"
	"github.com/pandakit/panda/internal/tracecontext"
)

// Reconnecting to an instance that refuses is quick at first, because it is most often being restarted,
// and never rarer than this, because the registry, not the backoff, says when an instance is gone.
const (
	reconnectFirst = 100 * time.Millisecond
	reconnectMost  = 3 * time.Second
	connectTimeout = 5 * time.Second
)

// A host that has vanished for longer than goneAfter fails the calls in flight on it that have a later deadline or none: on
// Linux data that nobody takes for so long breaks the connection. Servers do not mind a ping as rare as pingEvery.
const (
	goneAfter = 10 * time.Second
	pingEvery = 10 * time.Minute
)

// Conn reaches one service by its name. It implements [grpc.ClientConnInterface], which generated stubs
// take; it may be used from several goroutines at once, and one Conn for a service is enough for a process.
//
// Calls go to instances that the registry calls passing, by power of two choices over their latency and
// their calls in flight; an instance that fails is left out for a while. A call made while there is no
// usable instance waits for one until its deadline, or for the time of [WithWaitTimeout] if it has none,
// and then fails with an error in which errors.As finds a *discovery.UnreachableError, a
// *discovery.NotFoundError or a *discovery.UnusableError.
//
// A call whose connection broke is sent again, inside a retry budget and its deadline, when the method's
// idempotency_level in the .proto file is NO_SIDE_EFFECTS or IDEMPOTENT. Other calls are sent again only
// where it is certain that no instance has seen them.
//
// An instance that says nothing for 0.8 s while calls wait for it, as when its host has vanished or stands still, gets no
// more until it gives a sign of life. Calls in flight on it that may be sent again go to another one; give them a deadline
// of more than a second. Others wait for it until their deadline, or for about 10 s when its host has vanished.
type Conn struct {
	grpc      *grpc.ClientConn
	target    *target
	available *loadbalance.Availability
	again     grpc.UnaryClientInterceptor // called by unary: a chain of two would cost each call an allocation
	wait      time.Duration
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// Dial returns a connection to the named service. It does no I/O: the first call does, so the service,
// and the registry, may start later. The error is for an option or a variable that makes no sense.
func Dial(service string, options ...ClientOption) (*Conn, error) {
	config := newClientConfig(options)
	available := loadbalance.NewAvailability()
	t, err := newTarget(service, &config, available)
	if err != nil {
		return nil, fmt.Errorf("dial service %q: %w", service, err)
	}
	policy, err := config.servicePolicy()
	if err != nil {
		return nil, fmt.Errorf("dial service %q: %w", service, err)
	}
	c := &Conn{target: t, available: available, again: retry.NewInterceptor(protoregistry.GlobalFiles), wait: config.wait}
	dialOptions := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithResolvers(&resolverBuilder{target: t, available: available}),
		grpc.WithDefaultServiceConfig(policy),
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectFirst, Multiplier: 2, Jitter: 0.2, MaxDelay: reconnectMost},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: goneAfter}),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream, loadbalance.MarkStream),
	}
	c.grpc, err = grpc.NewClient(resolverScheme+":///"+url.PathEscape(service), append(dialOptions, config.grpc...)...)
	if err != nil {
		return nil, fmt.Errorf("dial service %q: %w", service, err)
	}
	return c, nil
}

// servicePolicy is gRPC's service config: how to balance, and which methods may be retried.
func (c *clientConfig) servicePolicy() (string, error) {
	balance := loadbalance.DefaultConfig()
	balance.UnavailableAfter = loadbalance.Duration(c.wait)
	if c.connections != 0 {
		balance.ConnectionsPerInstance = c.connections
	}
	settings, err := json.Marshal(balance)
	if err != nil {
		return "", err
	}
	if _, err := loadbalance.ParseConfig(settings); err != nil {
		return "", err
	}
	return retry.ServiceConfig(protoregistry.GlobalFiles, fmt.Appendf(nil, `{%q:%s}`, loadbalance.PolicyName, settings))
}

// Invoke performs a unary call; generated stubs call it.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.grpc.Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a streaming call; generated stubs call it.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.grpc.NewStream(ctx, desc, method, opts...)
}

// ClientConn returns the gRPC connection underneath, for code that takes nothing else. It behaves the
// same, and is closed by Conn.Close.
func (c *Conn) ClientConn() *grpc.ClientConn { return c.grpc }

// Close ends the connections and the watch, and waits for them. Calls in flight fail.
func (c *Conn) Close() error {
	err := c.grpc.Close()
	c.target.watching.Wait()
	return err
}

func (c *Conn) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !c.available.Ready() {
		if err := c.awaitInstance(ctx, cc); err != nil {
			return err
		}
	}
	err := c.again(tracecontext.Outgoing(ctx), method, req, reply, cc, invoke, opts...)
	if err != nil && !c.available.Ready() {
		return c.target.clarify(err)
	}
	return err
}

func (c *Conn) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !c.available.Ready() {
		if err := c.awaitInstance(ctx, cc); err != nil {
			return nil, err
		}
	}
	stream, err := open(tracecontext.Outgoing(ctx), desc, cc, method, opts...)
	if err != nil && !c.available.Ready() {
		return nil, c.target.clarify(err)
	}
	return stream, err
}

// awaitInstance makes the connection look for instances, in case it is new or was idle, and waits for a
// usable one.
func (c *Conn) awaitInstance(ctx context.Context, cc *grpc.ClientConn) error {
	cc.Connect()
	waiting, cancel := c.target.waiting(ctx, c.wait)
	defer cancel()
	if c.available.Wait(waiting) == nil {
		return nil
	}
	return c.target.unavailable(ctx)
}
