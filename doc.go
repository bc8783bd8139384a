// Package panda runs a service and reaches a service by its name.
//
// A server is a [Service]: it listens on one port for gRPC, net/rpc and HTTP, registers itself with
// Consul (or the agent that the panda command embeds), answers health checks, and drains before it
// exits. Generated code registers on it as on a *grpc.Server:
//
//	svc := panda.NewService("hello")
//	hellopb.RegisterHelloServiceServer(svc, hello{})
//	err := svc.Run(ctx)
//
// A client is a [Conn], which every generated gRPC stub takes; it needs no address, may start before the
// server does, and spreads calls over the healthy instances:
//
//	conn, err := panda.Dial("hello")
//	reply, err := hellopb.NewHelloServiceClient(conn).SayHello(ctx, req)
//
// [DialRPC] does the same for Go's net/rpc and [HTTPClient] for HTTP.
//
// # Configuration
//
// Options in code set what the program knows; these environment variables, read when a service starts
// or a client is made, set what only its operator knows, and win over options:
//
//	PANDA_ADDR        the address that a service listens on, host:port
//	PANDA_ADVERTISE   the host, or host:port, under which others reach it
//	PANDA_INSTANCE    the ID under which it registers
//	PANDA_WEIGHT      its share of the calls relative to the others of its service, 1 to 65535 (1)
//	PANDA_REGISTER    false: it serves and finds others, and is not registered itself (true)
//	CONSUL_HTTP_ADDR  the registry: one agent's address or several, comma separated (127.0.0.1:8500)
//
// CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL, CONSUL_CACERT and the other variables of Consul's own clients
// mean what they mean there.
//
// # What it is not
//
// Panda generates no code and owns none of yours: a handler is what protoc-gen-go-grpc generates, and to
// leave is to delete this import. Registries other than Consul implement discovery.Registry.
package panda
