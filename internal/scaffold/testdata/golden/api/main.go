// Command shop-api serves its methods as gRPC, under the name "shop-api", and as JSON over HTTP on the same port.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"github.com/pandakit/panda"

	shopapiv1 "example.com/shop-api/proto/shopapi/v1"
)

func main() {
	probe := flag.Bool("health", false, "ask the instance that listens on PANDA_ADDR whether it serves")
	flag.Parse()
	act := run
	if *probe {
		act = checkHealth
	}
	if err := act(context.Background()); err != nil {
		slog.Error("shop-api ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	svc, err := newService()
	if err != nil {
		return err
	}
	return svc.Run(ctx)
}

// newService puts together what runs; a test gives it a registry and an address of its own. The error is for a
// google.api.http option that cannot be served.
func newService(options ...panda.ServiceOption) (*panda.Service, error) {
	svc := panda.NewService("shop-api", options...)
	shopapiv1.RegisterShopApiServiceServer(svc, handler{})
	return svc, handleJSON(svc, &shopapiv1.ShopApiService_ServiceDesc, handler{})
}
