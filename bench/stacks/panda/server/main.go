// Command server is a hello server on Panda as a user writes it; PANDA_ADDR and CONSUL_HTTP_ADDR set
// where it listens and registers.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/pandakit/panda"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	name := flag.String("name", "hello", "name to register")
	delay := flag.Duration("delay", 0, "how long each call takes")
	flag.Parse()
	os.Exit(child.Serve(os.Stdin, os.Stdout, os.Stderr, func(ctx context.Context) error {
		svc := panda.NewService(*name)
		hellopb.RegisterHelloServer(svc, &hello.Server{Delay: *delay})
		return svc.Run(ctx)
	}))
}
