package rpccall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// MaxCallers is the most callers that [Client.Bench] takes.
const MaxCallers = 10_000

// Load is how [Client.Bench] makes its calls.
type Load struct {
	Callers int           // how many make one call after another, 1 to MaxCallers
	For     time.Duration // no call begins after this time; 0 means that Calls alone ends it
	Calls   int           // no more calls than these are made, all callers together; 0 means that For alone ends it
	WarmUp  time.Duration // calls made before are not counted
	Timeout time.Duration // of each call; 0 means none
}

// Failures are the calls that ended with one status.
type Failures struct {
	Code    codes.Code
	Count   int
	Message string // of the first of them
}

// Measured is what [Client.Bench] has seen, the warm-up left out.
type Measured struct {
	Calls    int           // that have ended
	Duration time.Duration // from the first call to the end of the last
	Latency  Histogram     // of calls that ended with OK
	Failed   []Failures    // the most frequent first
}

// Bench makes the same call again and again, as load says, and measures how long each takes, from the first byte sent to
// the last answer. The messages of r.Input are read and checked before; answers are counted and not decoded; of r's
// functions none is called. Calls under way when the time is over are waited for and counted. When ctx is done calls
// end at once; what was measured until then is returned beside the error of ctx.
//
// Errors: those of [Client.Call] for the input. That calls fail is no error.
func (c *Client) Bench(ctx context.Context, r Request, load Load) (*Measured, error) {
	reading, cancel := context.WithCancel(ctx)
	messages, err := all(reading, c.read(reading, r))
	cancel()
	if err != nil {
		return nil, err
	}
	b := &bench{client: c, request: r, load: load}
	for _, m := range messages {
		raw, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
		}
		if len(raw) > c.maxMessage {
			return nil, position{1, 1}.errorf("the message has %d bytes, more than %d", len(raw), c.maxMessage)
		}
		b.messages = append(b.messages, raw)
	}
	if load.WarmUp > 0 {
		b.run(ctx, Load{Callers: load.Callers, For: load.WarmUp, Timeout: load.Timeout})
	}
	measured := b.run(ctx, load)
	return measured, ctx.Err()
}

// bench is one call that is made many times.
type bench struct {
	client   *Client
	request  Request
	load     Load
	messages [][]byte
}

func (b *bench) run(ctx context.Context, load Load) *Measured {
	var left atomic.Int64
	left.Store(int64(load.Calls))
	began := time.Now()
	more := func() bool {
		if ctx.Err() != nil || load.For > 0 && time.Since(began) >= load.For {
			return false
		}
		return load.Calls == 0 || left.Add(-1) >= 0
	}
	tallies := make([]tally, load.Callers)
	var callers sync.WaitGroup
	for i := range tallies {
		callers.Go(func() {
			for more() {
				b.measure(ctx, load.Timeout, &tallies[i])
			}
		})
	}
	callers.Wait()
	measured := &Measured{Duration: time.Since(began)}
	var total tally
	for i := range tallies {
		total.add(&tallies[i])
	}
	measured.Latency, measured.Calls, measured.Failed = total.latency, total.calls(), total.sorted()
	return measured
}

// measure makes a call. One that ctx has ended is not the server's doing and does not count.
func (b *bench) measure(ctx context.Context, timeout time.Duration, t *tally) {
	bounded, cancel := Each{Timeout: timeout}.bound(ctx)
	defer cancel()
	began := time.Now()
	err := b.once(bounded)
	took := time.Since(began)
	switch {
	case err == nil:
		t.latency.Add(took)
	case ctx.Err() == nil:
		t.fail(status.Convert(err))
	}
}

// once makes the call with the bytes of its messages, so that what is measured is not the making of them.
func (b *bench) once(ctx context.Context) error {
	ctx = outgoing(ctx, b.request)
	method := b.request.Method
	options := append(b.client.options(), grpc.ForceCodecV2(rawCodec{}))
	if !method.TakesStream() && !method.SendsStream() {
		return b.client.conn.Invoke(ctx, method.path(), b.messages[0], nil, options...)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := b.client.conn.NewStream(ctx, method.stream(), method.path(), options...)
	if err != nil {
		return err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, m := range b.messages {
			if stream.SendMsg(m) != nil {
				return // receiving tells why
			}
		}
		_ = stream.CloseSend() // always nil
	}()
	err = drain(stream, method.SendsStream())
	cancel()
	<-sent
	return err
}

// drain receives until the call has ended.
func drain(stream grpc.ClientStream, many bool) error {
	for {
		err := stream.RecvMsg(nil)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case !many:
			return nil
		}
	}
}

// rawCodec sends bytes as they are, and takes no more of an answer than that it came.
type rawCodec struct{}

var _ encoding.CodecV2 = rawCodec{}

// Marshal implements [encoding.CodecV2].
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	raw, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("encode %T: want bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
}

// Unmarshal implements [encoding.CodecV2].
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// Name implements [encoding.CodecV2]. It is what the server knows the encoding by.
func (rawCodec) Name() string { return "proto" }
