// Command info-rpc is a service of Go's own net/rpc, with a page of HTTP on the same port. Callers find it by the name
// "info-rpc"; programs that know its address call it with net/rpc alone.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"os"

	"github.com/pandakit/panda"
)

func main() {
	probe := flag.Bool("health", false, "ask the instance that listens on PANDA_ADDR whether it serves")
	flag.Parse()
	act := func(ctx context.Context) error { return newService().Run(ctx) }
	if *probe {
		act = checkHealth
	}
	if err := act(context.Background()); err != nil {
		slog.Error("info-rpc ends", "error", err)
		os.Exit(1)
	}
}

// newService puts together what runs; a test gives it a registry and an address of its own.
func newService(options ...panda.ServiceOption) *panda.Service {
	svc := panda.NewService("info-rpc", options...)
	svc.HandleRPC("Panda", new(Panda))
	svc.Handle("GET /{$}", http.HandlerFunc(index))
	return svc
}
