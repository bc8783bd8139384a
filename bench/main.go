// Command bench compares Panda with raw grpc-go and with its peers, and prints the result as Markdown.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pandakit/panda/bench/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Main(ctx, command.Env{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
	})
	stop()
	os.Exit(code)
}
