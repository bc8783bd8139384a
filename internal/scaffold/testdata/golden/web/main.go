// Command rpc-web is a page in a browser, and the same as JSON, in front of the service "rpc", which it
// finds by that name.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"os"

	"github.com/pandakit/panda"

	rpcv1 "example.com/rpc-web/proto/rpc/v1"
)

func main() {
	probe := flag.Bool("health", false, "ask the instance that listens on PANDA_ADDR whether it serves")
	flag.Parse()
	act := run
	if *probe {
		act = checkHealth
	}
	if err := act(context.Background()); err != nil {
		slog.Error("rpc-web ends", "error", err)
		os.Exit(1)
	}
}

// run serves until it is told to stop. Dialling opens no connection: rpc may start later.
func run(ctx context.Context) error {
	conn, err := panda.Dial("rpc")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return newService(rpcv1.NewRpcServiceClient(conn)).Run(ctx)
}

// newService puts together what runs; a test gives it a registry and an address of its own.
func newService(client rpcv1.RpcServiceClient, options ...panda.ServiceOption) *panda.Service {
	svc := panda.NewService("rpc-web", options...)
	p := newPage(client, slog.Default())
	svc.Handle("GET /{$}", http.HandlerFunc(p.html))
	svc.Handle("GET /api/greet", http.HandlerFunc(p.json))
	return svc
}
