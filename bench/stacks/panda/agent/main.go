// Command agent is Panda's own agent, where Panda's servers register and its clients look.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/pandakit/panda/internal/agent"

	"github.com/pandakit/panda/bench/internal/child"
)

func main() {
	addr := flag.String("addr", agent.DefaultHTTPAddr, "address to listen on")
	flag.Parse()
	os.Exit(child.Serve(os.Stdin, os.Stdout, os.Stderr, func(ctx context.Context) error {
		a, err := agent.New(agent.Config{HTTPAddr: *addr})
		if err != nil {
			return err
		}
		return a.Run(ctx)
	}))
}
