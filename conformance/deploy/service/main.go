// Command service is a service that says nothing but that it is well; a stand-in for those that people deploy.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/pandakit/panda"
)

func main() {
	if err := panda.NewService("hello").Run(context.Background()); err != nil {
		slog.Error("run", "error", err)
		os.Exit(1)
	}
}
