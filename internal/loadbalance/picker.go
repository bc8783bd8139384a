package loadbalance

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

// picker sends each call to an instance of the pool and tells the pool how it ended.
type picker struct {
	pool  *p2c.Pool
	clock func() int64
	watch func()    // makes sure that someone looks whether instances answer
	hurry func()    // makes sure that it is soon
	calls sync.Pool // of *call
}

// call is one pick until it is done. It is used again afterwards: gRPC calls Done once for each pick.
type call struct {
	picker     *picker
	endpoint   *p2c.Endpoint
	connection *connection
	started    int64
	kind       p2c.Kind
	attempt    *Attempt                // nil when the call must not be sent again
	done       func(balancer.DoneInfo) // the method finish as a value, made once
}

func newPicker(pool *p2c.Pool, clock func() int64, watch, hurry func()) *picker {
	p := &picker{pool: pool, clock: clock, watch: watch, hurry: hurry}
	p.calls.New = func() any {
		c := &call{picker: p}
		c.done = c.finish
		return c
	}
	return p
}

// Pick never fails: while no instance can be used, calls wait for gRPC to be told otherwise.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	now := p.clock()
	kind, attempt := kindOf(info.Ctx)
	endpoint := p.pool.Pick(now, kind)
	if endpoint == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	connection := endpoint.Value.(*member).pick() //nolint:forcetypeassert // the pool's endpoints are those of newMember
	if connection == nil {
		// It was lost this moment; the policy is about to make waiting calls look anew.
		p.pool.Done(endpoint, kind, now, now, p2c.Ignored)
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	if connection.calls.Add(1) == 1 {
		connection.heard.Store(now)
	}
	if !connection.fresh.Load() {
		connection.fresh.Store(true)
		p.hurry()
	}
	p.watch()
	c := p.calls.Get().(*call) //nolint:forcetypeassert // what New makes
	c.endpoint, c.connection, c.started, c.kind = endpoint, connection, now, kind
	if attempt != nil && connection.attempts.Add(&attempt.taking) {
		c.attempt = attempt
	}
	return balancer.PickResult{SubConn: connection.subConn, Done: c.done}, nil
}

func (c *call) finish(info balancer.DoneInfo) {
	now := c.picker.clock()
	c.connection.calls.Add(-1)
	if info.BytesReceived {
		c.connection.heard.Store(now)
	}
	if c.attempt != nil {
		c.connection.attempts.Remove(&c.attempt.taking)
	}
	ended := outcome(info)
	if c.started <= c.connection.excused.Load() && ended != p2c.Failed {
		ended = p2c.Ignored
	}
	c.picker.pool.Done(c.endpoint, c.kind, c.started, now, ended)
	c.endpoint, c.connection, c.attempt = nil, nil, nil
	c.picker.calls.Put(c)
}

// outcome tells what the end of a call says about the instance.
func outcome(info balancer.DoneInfo) p2c.Outcome {
	if info.Err == nil {
		if !info.BytesSent && !info.BytesReceived {
			return p2c.Ignored // the connection was gone before the call began
		}
		return p2c.Succeeded
	}
	switch status.Code(info.Err) {
	case codes.Unavailable:
		if !info.BytesSent {
			return p2c.Avoided // the connection is being closed, perhaps in order: the call goes elsewhere
		}
		return p2c.Failed
	case codes.DeadlineExceeded:
		return p2c.Late
	case codes.Canceled:
		return p2c.Ignored
	default:
		return p2c.Succeeded // an answer, if not the one that was hoped for
	}
}

// MarkStream is a client interceptor that tells the policy of a stream. Without it the lifetime of streams counts as
// latency.
func MarkStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return streamer(context.WithValue(ctx, markKey{}, streamMark{}), desc, cc, method, opts...)
}

func kindOf(ctx context.Context) (p2c.Kind, *Attempt) {
	if ctx == nil {
		return p2c.Call, nil
	}
	switch mark := ctx.Value(markKey{}).(type) {
	case streamMark:
		return p2c.Stream, nil
	case *Attempt:
		return p2c.Call, mark
	}
	return p2c.Call, nil
}
