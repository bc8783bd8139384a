// Command panda is a service of Go's own net/rpc, with a page of HTTP beside it on the same port. It is
// an example of a service; the command of that name is in the repository's cmd folder.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/pandakit/panda"
)

// Panda is the receiver whose methods net/rpc clients call.
type Panda struct{}

// GetInfo adds 100 to its argument.
func (*Panda) GetInfo(argument int, reply *int) error {
	*reply = argument + 100
	return nil
}

func index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, "hello world!")
}

func main() {
	svc := panda.NewService("panda")
	svc.HandleRPC("Panda", new(Panda))
	svc.Handle("GET /", http.HandlerFunc(index))
	if err := svc.Run(context.Background()); err != nil {
		slog.Error("panda ends", "error", err)
		os.Exit(1)
	}
}
