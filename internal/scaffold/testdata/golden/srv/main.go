// Command rpc is a gRPC service that callers find by the name "rpc".
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"github.com/pandakit/panda"

	rpcv1 "example.com/rpc/proto/rpc/v1"
)

func main() {
	probe := flag.Bool("health", false, "ask the instance that listens on PANDA_ADDR whether it serves")
	flag.Parse()
	act := func(ctx context.Context) error { return newService().Run(ctx) }
	if *probe {
		act = checkHealth
	}
	if err := act(context.Background()); err != nil {
		slog.Error("rpc ends", "error", err)
		os.Exit(1)
	}
}

// newService puts together what runs; a test gives it a registry and an address of its own.
func newService(options ...panda.ServiceOption) *panda.Service {
	svc := panda.NewService("rpc", options...)
	rpcv1.RegisterRpcServiceServer(svc, handler{})
	return svc
}
