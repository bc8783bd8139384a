package panda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/rpc"
	"reflect"
	"slices"
	"sync"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance/lifesign"
	"github.com/pandakit/panda/internal/loadbalance/p2c"
	"github.com/pandakit/panda/internal/netrpc"
)

// RPCClient calls one service's net/rpc methods by the service's name. It may be used from several
// goroutines at once, and one is enough for a process. It keeps one connection to an instance.
type RPCClient struct {
	group   *group
	invalid error // of DialRPC, returned by every Call

	mu          sync.Mutex
	connections map[*p2c.Endpoint]*rpcConnection
	aside       map[*rpcConnection]struct{} // those that get no more calls, and have some
	closed      bool
}

// DialRPC returns a client for the named service. It does no I/O: the first call does, so the service, and
// the registry, may start later. An option or a variable that makes no sense is told by Call.
func DialRPC(service string, options ...ClientOption) *RPCClient {
	config := newClientConfig(options)
	c := &RPCClient{connections: map[*p2c.Endpoint]*rpcConnection{}, aside: map[*rpcConnection]struct{}{}}
	g, err := newGroup(service, &config, func(i discovery.Instance) lifesign.Question {
		return lifesign.Question{Address: i.Endpoint(), Text: netrpc.Greeting}
	})
	if err != nil {
		c.invalid = fmt.Errorf("dial service %q: %w", service, err)
		return c
	}
	g.removed = c.forget
	// What was sent to a host that is back comes late on a connection on which nothing arrived.
	g.silenced = c.forget
	c.group = g
	return c
}

// Call calls "Name.Method" on an instance that is picked as by [Conn], waits for its answer or for the
// end of ctx, and stores the result in what reply points to; after an error that is left as it was.
//
// An error that the method returned is an [rpc.ServerError]. A call that no instance has seen is
// sent to another; one whose connection broke under way is not, because net/rpc knows nothing of
// idempotency. An instance that answers nothing any more while calls are in flight gets no more within 0.8 s, until it gives a
// sign of life; calls that wait for it there stay until their own deadline. Waiting for an instance, and the errors of that,
// are as by [Conn].
func (c *RPCClient) Call(ctx context.Context, method string, args, reply any) error {
	if c.invalid != nil {
		return c.invalid
	}
	result := reflect.ValueOf(reply)
	if result.Kind() != reflect.Pointer || result.IsNil() {
		return fmt.Errorf("call %s: reply is %T, want a pointer to store the result in", method, reply)
	}
	return c.group.call(ctx, func(ctx context.Context, a *attempt) (bool, error) {
		// The result goes to a value of its own, because net/rpc may still write to it when ctx has
		// ended and the caller has moved on.
		own := reflect.New(result.Type().Elem())
		again, err := c.try(ctx, a, method, args, own.Interface())
		if err == nil {
			result.Elem().Set(own.Elem())
		}
		return again, err
	})
}

// Close ends the connections and the watch, and waits for the watch. Calls in flight fail.
func (c *RPCClient) Close() error {
	if c.group == nil { // DialRPC has found fault
		return nil
	}
	c.mu.Lock()
	c.closed = true
	open := slices.AppendSeq(slices.Collect(maps.Values(c.connections)), maps.Keys(c.aside))
	clear(c.connections)
	clear(c.aside)
	c.mu.Unlock()
	c.group.close()
	var errs []error
	for _, connection := range open {
		errs = append(errs, connection.close())
	}
	return errors.Join(errs...)
}

// try makes one attempt, and reports whether it is certain that the instance has not seen the call.
func (c *RPCClient) try(ctx context.Context, a *attempt, method string, args, reply any) (unseen bool, err error) {
	connection, err := c.connection(a.endpoint)
	if err != nil {
		a.abandoned()
		return false, err
	}
	defer c.unuse(connection)
	client, err := c.connect(ctx, a, connection)
	switch {
	case errors.Is(err, errSilent):
		a.abandoned()
		return true, err
	case err != nil && ctx.Err() != nil:
		a.givenUp(ctx)
		return false, c.group.target.unavailable(ctx)
	case err != nil:
		a.failed(err)
		return true, err
	}
	call := client.Go(method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		return c.ended(a, connection, client, call.Error)
	case <-ctx.Done():
		a.givenUp(ctx)
		return false, fmt.Errorf("call %s of service %q at %s: %w", method, c.group.target.service, a.address(), ctx.Err())
	}
}

// connect returns the connected client. Nothing has been sent until it does, so the attempt may be taken back.
func (c *RPCClient) connect(ctx context.Context, a *attempt, connection *rpcConnection) (*rpc.Client, error) {
	if client := connection.existing(); client != nil {
		return client, nil
	}
	defer a.release()
	client, err := connection.use(a.movable(ctx), a.address())
	if a.takenBack() {
		return nil, errSilent
	}
	return client, err
}

func (c *RPCClient) ended(a *attempt, connection *rpcConnection, client *rpc.Client, err error) (unseen bool, _ error) {
	if answer, ok := errors.AsType[rpc.ServerError](err); ok {
		a.succeeded()
		return false, answer
	}
	switch {
	case err == nil:
		a.succeeded()
		return false, nil
	case errors.Is(err, rpc.ErrShutdown): // net/rpc refused before it wrote anything
		connection.drop(client)
		a.abandoned()
		return true, err
	case broken(err):
		connection.drop(client)
		a.failed(err)
	default: // the arguments or the result could not be encoded
		a.abandoned()
	}
	return false, fmt.Errorf("call service %q at %s: %w", c.group.target.service, a.address(), err)
}

func broken(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// connection returns the connection to the endpoint for one call, which unuse ends. One that has left since it was picked gets
// one for this call alone: nobody would close it later.
func (c *RPCClient) connection(e *p2c.Endpoint) (*rpcConnection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fmt.Errorf("call service %q: %w", c.group.target.service, rpc.ErrShutdown)
	}
	connection := c.connections[e]
	if connection == nil {
		connection = &rpcConnection{dialing: make(chan struct{}, 1), leaving: endpointOf(e).hasLeft()}
		if connection.leaving {
			c.aside[connection] = struct{}{}
		} else {
			c.connections[e] = connection
		}
	}
	connection.begin()
	return connection, nil
}

// unuse ends a call on the connection.
func (c *RPCClient) unuse(connection *rpcConnection) {
	if connection.unuse() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.aside, connection)
	}
}

// forget closes the connection to an endpoint, which gets no more calls on it, once those in flight have ended.
func (c *RPCClient) forget(e *p2c.Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	connection := c.connections[e]
	if connection == nil {
		return
	}
	delete(c.connections, e)
	if !connection.leave() {
		c.aside[connection] = struct{}{}
	}
}

// rpcConnection is the connection to one instance; it is made when it is first used, and made again when it broke.
type rpcConnection struct {
	dialing chan struct{} // holds a token while someone dials

	mu      sync.Mutex
	client  *rpc.Client
	calls   int
	leaving bool
	closed  bool
}

// use returns the connected client. Of several callers one dials.
func (c *rpcConnection) use(ctx context.Context, address string) (*rpc.Client, error) {
	if client := c.existing(); client != nil {
		return client, nil
	}
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if client := c.existing(); client != nil {
		return client, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	client, err := netrpc.DialHTTP(ctx, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed { // by the caller, meanwhile
		_ = client.Close() // nobody has used it
		return nil, rpc.ErrShutdown
	}
	c.client = client
	return client, nil
}

func (c *rpcConnection) existing() *rpc.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client
}

func (c *rpcConnection) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
}

// unuse ends a call, and reports whether that was the last one.
func (c *rpcConnection) unuse() (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	return c.closeIfLeft()
}

// leave closes the connection as soon as no call uses it, and reports whether that is now.
func (c *rpcConnection) leave() (now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	return c.closeIfLeft()
}

func (c *rpcConnection) closeIfLeft() bool {
	if !c.leaving || c.calls > 0 {
		return false
	}
	if c.client != nil {
		_ = c.client.Close() // nobody is left whom its error could concern
		c.client = nil
	}
	return true
}

// drop forgets a client that has broken, so that the next call dials.
func (c *rpcConnection) drop(client *rpc.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == client {
		_ = client.Close() // it is broken already
		c.client = nil
	}
}

func (c *rpcConnection) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.client == nil {
		return nil
	}
	err := c.client.Close()
	c.client = nil
	if errors.Is(err, rpc.ErrShutdown) {
		return nil
	}
	return err
}
