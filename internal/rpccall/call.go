package rpccall

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Request is one call.
type Request struct {
	Method *Method
	// Input has the messages: exactly one, or none for an empty message, when the method takes one.
	Input *Input
	// Ahead reads and checks all of the input before the call begins, rather than while it goes on. It is
	// always so for a method that takes one message.
	Ahead    bool
	Metadata metadata.MD

	// Message is told each answer as one line of JSON without the line break. Its error ends the call.
	Message func(line []byte) error
	// Header and Trailer, when not nil, are told the server's metadata, the header before any message.
	Header, Trailer func(metadata.MD)
}

// Call makes the call and returns when the server has ended it, or ctx has. Input is read while
// messages arrive; the functions of r are called one at a time, from this goroutine.
//
// Errors: an [*InputError] when the input is wrong (no call was begun, unless the input is a stream read
// as it goes, whose call is then cancelled), a [*StatusError] when the call failed, or the error of
// Message. Reading cannot be interrupted: a Read of the input that is under way when Call returns goes
// on until that reader returns, and then nothing more is read.
func (c *Client) Call(ctx context.Context, r Request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := c.read(ctx, r)
	if r.Ahead || !r.Method.TakesStream() {
		messages, err := all(ctx, next)
		if err != nil {
			return err
		}
		next = replay(messages)
	}
	if r.Method.TakesStream() || r.Method.SendsStream() {
		return c.stream(ctx, r, next)
	}
	return c.unary(ctx, r, next)
}

// source returns the next message to send; its error is io.EOF after the last.
type source func(ctx context.Context) item

// item is a message, or what is wrong with it, and the line on which it begins.
type item struct {
	message proto.Message
	line    int
	err     error
}

// read decodes the input in a goroutine of its own, because a Read may block for longer than the call
// takes. The goroutine ends with the input, or with ctx as soon as it is not inside a Read.
func (c *Client) read(ctx context.Context, r Request) source {
	items := make(chan item)
	go func() {
		defer close(items)
		one := c.decoder(r)
		for {
			it := one(ctx)
			select {
			case items <- it:
			case <-ctx.Done():
				return
			}
			if it.err != nil && !(r.Input.lines && asInputError(it.err)) {
				return
			}
		}
	}()
	return func(ctx context.Context) item {
		select {
		case it, ok := <-items:
			if ok {
				return it
			}
			if ctx.Err() == nil {
				return item{err: io.EOF}
			}
		case <-ctx.Done():
		}
		// A reader that stopped because ctx did is no end of the input: the server must not be told of one.
		return item{err: fmt.Errorf("read JSON: %w", context.Cause(ctx))}
	}
}

// decoder returns the messages of the input one by one, and holds the input to one message, an empty
// one by default, when the method takes no more and the input is not one message a line.
func (c *Client) decoder(r Request) source {
	md, count := r.Method.descriptor.Input(), 0
	single := !r.Method.TakesStream() && !r.Input.lines
	return func(ctx context.Context) item {
		v, err := r.Input.next()
		switch {
		case errors.Is(err, io.EOF) && single && count == 0:
			count++
			return item{message: dynamicpb.NewMessage(md)}
		case err != nil:
			return item{line: v.at.line, err: err}
		}
		if count++; single && count > 1 {
			return item{line: v.at.line, err: v.at.errorf("%s takes one message, and this is another", r.Method)}
		}
		message, err := c.schema.decode(ctx, v, md)
		return item{message, v.at.line, err}
	}
}

func all(ctx context.Context, next source) ([]proto.Message, error) {
	var messages []proto.Message
	for {
		it := next(ctx)
		if errors.Is(it.err, io.EOF) {
			return messages, nil
		}
		if it.err != nil {
			return nil, it.err
		}
		messages = append(messages, it.message)
	}
}

func replay(messages []proto.Message) source {
	return func(context.Context) item {
		if len(messages) == 0 {
			return item{err: io.EOF}
		}
		first := messages[0]
		messages = messages[1:]
		return item{message: first}
	}
}

func (c *Client) options() []grpc.CallOption {
	return []grpc.CallOption{grpc.MaxCallRecvMsgSize(c.maxMessage), grpc.MaxCallSendMsgSize(c.maxMessage)}
}

func (m *Method) path() string { return "/" + m.String() }

func (m *Method) stream() *grpc.StreamDesc {
	return &grpc.StreamDesc{StreamName: m.Name(), ClientStreams: m.TakesStream(), ServerStreams: m.SendsStream()}
}

func (c *Client) unary(ctx context.Context, r Request, next source) error {
	request := next(ctx)
	if request.err != nil {
		return request.err
	}
	var header, trailer metadata.MD
	reply := dynamicpb.NewMessage(r.Method.descriptor.Output())
	err := c.conn.Invoke(outgoing(ctx, r), r.Method.path(), request.message, reply,
		append(c.options(), grpc.Header(&header), grpc.Trailer(&trailer))...)
	tell(r.Header, header)
	if err == nil {
		err = c.tellMessage(ctx, r, reply)
	} else {
		err = c.statusError(ctx, err)
	}
	tell(r.Trailer, trailer)
	return err
}

func (c *Client) stream(ctx context.Context, r Request, next source) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := c.conn.NewStream(outgoing(ctx, r), r.Method.stream(), r.Method.path(), c.options()...)
	if err != nil {
		return c.statusError(ctx, err)
	}
	sent := make(chan error, 1)
	go func() {
		err := send(ctx, stream, next)
		if err != nil {
			cancel(err)
		}
		sent <- err
	}()
	err = c.receive(ctx, r, stream)
	cancel(nil)
	if wrong := <-sent; wrong != nil {
		return wrong
	}
	return err
}

// send sends all messages and returns what is wrong with the input, if anything is: what is wrong with
// the stream, receiving tells.
func send(ctx context.Context, stream grpc.ClientStream, next source) error {
	for {
		it := next(ctx)
		switch {
		case errors.Is(it.err, io.EOF):
			_ = stream.CloseSend() // always nil
			return nil
		case it.err != nil && ctx.Err() != nil && !asInputError(it.err):
			return nil
		case it.err != nil:
			return it.err
		}
		if stream.SendMsg(it.message) != nil {
			return nil //nolint:nilerr // receiving tells what is wrong with the stream
		}
	}
}

// receive tells the server's messages until the call ends.
func (c *Client) receive(ctx context.Context, r Request, stream grpc.ClientStream) error {
	if r.Header != nil {
		if header, err := stream.Header(); err == nil {
			tell(r.Header, header)
		}
	}
	for {
		reply := dynamicpb.NewMessage(r.Method.descriptor.Output())
		if err := stream.RecvMsg(reply); err != nil {
			tell(r.Trailer, stream.Trailer())
			if errors.Is(err, io.EOF) {
				return nil
			}
			return c.statusError(ctx, err)
		}
		if err := c.tellMessage(ctx, r, reply); err != nil {
			return err
		}
		if !r.Method.SendsStream() {
			tell(r.Trailer, stream.Trailer())
			return nil
		}
	}
}

func outgoing(ctx context.Context, r Request) context.Context {
	return metadata.NewOutgoingContext(ctx, r.Metadata)
}

func tell(to func(metadata.MD), md metadata.MD) {
	if to != nil && len(md) > 0 {
		to(md)
	}
}

func (c *Client) tellMessage(ctx context.Context, r Request, reply protoreflect.ProtoMessage) error {
	line, err := c.schema.encode(ctx, reply.ProtoReflect())
	if err != nil {
		return err
	}
	return r.Message(line)
}

func (c *Client) statusError(ctx context.Context, err error) error {
	return newStatusError(err, func(detail protoreflect.Message) ([]byte, error) {
		return c.schema.encode(context.WithoutCancel(ctx), detail) // the call is over, its details are still to be read
	})
}
