// Command service is the instance that failure drills kill, stop and count: it says which process
// answered, after as much work as the caller asked for. It never fails a call by itself.
package main

import (
	"context"
	"log"
	"os"
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

func main() {
	service := panda.NewService("drill")
	drillpb.RegisterDrillServer(service, instance{})
	if err := service.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
