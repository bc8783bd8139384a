// Command server is a hello server on grpc-go alone. Without flags it has grpc-go's defaults; each
// setting that is given replaces one of them.
package main

import (
	"context"
	"flag"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

// settings are grpc-go's, by flag.
var settings = map[string]func(int) grpc.ServerOption{
	"workers":      func(n int) grpc.ServerOption { return grpc.NumStreamWorkers(uint32(n)) },
	"write-buffer": grpc.WriteBufferSize,
	"read-buffer":  grpc.ReadBufferSize,
	"window":       func(n int) grpc.ServerOption { return grpc.StaticStreamWindowSize(int32(n)) },
	"conn-window":  func(n int) grpc.ServerOption { return grpc.StaticConnWindowSize(int32(n)) },
	"max-streams":  func(n int) grpc.ServerOption { return grpc.MaxConcurrentStreams(uint32(n)) },
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	delay := flag.Duration("delay", 0, "how long each call takes")
	given := make(map[string]*int, len(settings))
	for name := range settings {
		given[name] = flag.Int(name, -1, "setting of grpc-go; its default when negative")
	}
	flag.Parse()
	var options []grpc.ServerOption
	for name, value := range given {
		if *value >= 0 {
			options = append(options, settings[name](*value))
		}
	}
	os.Exit(child.Serve(os.Stdin, os.Stdout, os.Stderr, func(ctx context.Context) error {
		return serve(ctx, *addr, *delay, options)
	}))
}

func serve(ctx context.Context, addr string, delay time.Duration, options []grpc.ServerOption) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := grpc.NewServer(options...)
	hellopb.RegisterHelloServer(server, &hello.Server{Delay: delay})
	defer server.Stop()
	context.AfterFunc(ctx, server.Stop)
	return server.Serve(listener)
}
