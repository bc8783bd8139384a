// Package rpccall calls any method of a gRPC server from JSON: it learns the methods and their messages
// by server reflection (v1, and v1alpha where that is all there is), turns JSON values into messages and
// answers into lines of JSON. Normal use is [NewClient], [Client.Method], [Client.Call].
//
// It never looks a service up, opens a connection, or touches a standard stream: the connection, the
// input and the output are the caller's.
package rpccall

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// DefaultMaxMessage is the largest message, in bytes, that a Client sends or takes unless told otherwise.
const DefaultMaxMessage = 16 << 20

// Client calls methods over one connection. Its methods may be called from several goroutines at once;
// it keeps what reflection has told and starts no goroutine of its own but during a Call.
type Client struct {
	conn       grpc.ClientConnInterface
	maxMessage int
	schema     *schema
}

// NewClient returns a client over conn, which stays the caller's to close. maxMessage bounds each
// message in bytes, as JSON and as protobuf alike, in both directions; 0 means [DefaultMaxMessage].
func NewClient(conn grpc.ClientConnInterface, maxMessage int) *Client {
	if maxMessage <= 0 {
		maxMessage = DefaultMaxMessage
	}
	return &Client{conn: conn, maxMessage: maxMessage, schema: newSchema(conn)}
}

// MaxMessage returns the bound on one message, in bytes: what to give to [NewInput].
func (c *Client) MaxMessage() int { return c.maxMessage }

// Method is a method of a server, found by [Client.Method].
type Method struct {
	descriptor protoreflect.MethodDescriptor
}

// String returns the full name, such as "myproto.HelloService/SayHello".
func (m *Method) String() string {
	return string(m.descriptor.Parent().FullName()) + "/" + string(m.descriptor.Name())
}

// Name returns the bare name, such as "SayHello".
func (m *Method) Name() string { return string(m.descriptor.Name()) }

// TakesStream reports whether the method takes any number of messages rather than one.
func (m *Method) TakesStream() bool { return m.descriptor.IsStreamingClient() }

// SendsStream reports whether the method answers with any number of messages rather than one.
func (m *Method) SendsStream() bool { return m.descriptor.IsStreamingServer() }

// Method finds the method that name means: its bare name ("SayHello"), or with its service's name in
// full or from any dot on, joined by a slash or a dot ("HelloService/SayHello",
// "myproto.HelloService.SayHello"); a leading slash is ignored. A bare name means a method of the
// server's own services before one of gRPC's (health, reflection). It asks the server each time.
//
// Errors: a [*UnknownMethodError], an [*AmbiguousMethodError], [ErrNoReflection], or a [*StatusError]
// of the server.
func (c *Client) Method(ctx context.Context, name string) (*Method, error) {
	session := c.schema.open(ctx)
	defer session.close()
	services, err := session.services()
	if err != nil {
		return nil, err
	}
	descriptor, err := resolveMethod(name, services, session.service)
	if err != nil {
		return nil, err
	}
	return &Method{descriptor}, nil
}

// Methods returns the full names of all methods of the server's own services, sorted: for completion
// and for listings. Errors are those of [Client.Method].
func (c *Client) Methods(ctx context.Context) ([]string, error) {
	session := c.schema.open(ctx)
	defer session.close()
	services, err := session.services()
	if err != nil {
		return nil, err
	}
	return methodNames(ownServices(services), session.service), nil
}
