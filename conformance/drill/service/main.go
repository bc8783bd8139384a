// Command service is the instance that failure drills kill, stop and count: it says which process
// answered, after as much work as the caller asked for. It never fails a call by itself.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill/drillpb"
)

type instance struct {
	drillpb.UnimplementedDrillServer
}

func (instance) Read(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) {
	return work(ctx, in)
}

func (instance) Write(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) {
	return work(ctx, in)
}

func work(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) {
	select {
	case <-time.After(time.Duration(in.GetWorkUs()) * time.Microsecond):
		return &drillpb.Reply{Pid: uint32(os.Getpid())}, nil // a process ID is no larger
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// page is the same over HTTP. It answers with its own host:port.
func page(w http.ResponseWriter, r *http.Request) {
	us, err := strconv.ParseUint(r.FormValue("us"), 10, 32)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := work(r.Context(), &drillpb.Request{WorkUs: uint32(us)}); err != nil {
		return // the caller is gone
	}
	_, _ = fmt.Fprint(w, r.Context().Value(http.LocalAddrContextKey)) // the caller may be gone
}

func main() {
	service := panda.NewService("drill")
	drillpb.RegisterDrillServer(service, instance{})
	service.Handle("GET /work", http.HandlerFunc(page))
	service.Handle("POST /work", http.HandlerFunc(page))
	if err := service.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
