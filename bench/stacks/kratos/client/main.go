// Command client calls the hello service through Kratos, with recovery and the defaults.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/go-kratos/kratos/v2/middleware/recovery"
	"github.com/go-kratos/kratos/v2/transport/grpc"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	target := flag.String("target", "", "address of the server")
	flag.Parse()
	os.Exit(child.Drive(os.Stdin, os.Stdout, os.Stderr, func() ([]child.Call, func() error, error) {
		conn, err := grpc.DialInsecure(context.Background(), grpc.WithEndpoint(*target), grpc.WithMiddleware(recovery.Recovery()))
		if err != nil {
			return nil, nil, err
		}
		return []child.Call{hello.Call(hellopb.NewHelloClient(conn))}, conn.Close, nil
	}))
}
