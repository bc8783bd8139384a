// Command server is a hello server on go-zero's zrpc, with the defaults that its configuration fills in,
// but for load shedding, which is off.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	os.Exit(child.Serve(os.Stdin, os.Stdout, os.Stderr, func(ctx context.Context) error {
		return serve(ctx, *addr)
	}))
}

func serve(ctx context.Context, addr string) error {
	var config zrpc.RpcServerConf
	if err := conf.FillDefault(&config); err != nil {
		return err
	}
	config.Name = "hello"
	config.ListenOn = addr
	config.CpuThreshold = 0 // no shedding: it would refuse calls while the processors are busy, as they are here
	var serving *grpc.Server
	server, err := zrpc.NewServer(config, func(s *grpc.Server) {
		hellopb.RegisterHelloServer(s, &hello.Server{})
		serving = s
		context.AfterFunc(ctx, serving.Stop)
	})
	if err != nil {
		return err
	}
	defer server.Stop()
	server.Start()
	return nil
}
