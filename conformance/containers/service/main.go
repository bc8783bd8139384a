// Command service is the program of the containers that are upgraded, scaled and drained under load. SERVICE is its
// name; FAULT=calls makes every call fail, and FAULT=start ends it at once, as versions do that nobody wants.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill/drillpb"
)

type instance struct {
	drillpb.UnimplementedDrillServer

	fault string
}

func (i instance) Read(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) {
	return i.work(ctx, in)
}

func (i instance) Write(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) {
	return i.work(ctx, in)
}

func (i instance) work(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) {
	if i.fault == "calls" {
		return nil, status.Error(codes.Internal, "this version is broken")
	}
	select {
	case <-time.After(time.Duration(in.GetWorkUs()) * time.Microsecond):
		return &drillpb.Reply{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func main() {
	fault := os.Getenv("FAULT")
	if fault == "start" {
		log.Fatal("this version does not start")
	}
	service := panda.NewService(os.Getenv("SERVICE"))
	drillpb.RegisterDrillServer(service, instance{fault: fault})
	if err := service.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
