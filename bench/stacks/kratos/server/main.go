// Command server is a hello server on Kratos, as "kratos new" lays it out: recovery and the defaults.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/go-kratos/kratos/v2"
	"github.com/go-kratos/kratos/v2/middleware/recovery"
	"github.com/go-kratos/kratos/v2/transport/grpc"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	os.Exit(child.Serve(os.Stdin, os.Stdout, os.Stderr, func(ctx context.Context) error {
		server := grpc.NewServer(grpc.Address(*addr), grpc.Middleware(recovery.Recovery()))
		hellopb.RegisterHelloServer(server, &hello.Server{})
		return kratos.New(kratos.Name("hello"), kratos.Context(ctx), kratos.Server(server)).Run()
	}))
}
