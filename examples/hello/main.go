// Command hello greets people over gRPC. It keeps nothing, so any number of instances can run side by
// side; callers find them by the name "hello".
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/examples/hellopb"
)

// version is registered with each instance; a release sets it: go build -ldflags=-X=main.version=1.1.0.
var version = "1.0.0"

type hello struct {
	hellopb.UnimplementedHelloServiceServer
}

func (hello) SayHello(_ context.Context, in *hellopb.HelloRequest) (*hellopb.HelloResponse, error) {
	return &hellopb.HelloResponse{Msg: "你好," + in.GetName()}, nil
}

func (hello) SayName(_ context.Context, in *hellopb.NameRequest) (*hellopb.NameResponse, error) {
	return &hellopb.NameResponse{Msg: "你的名字是：" + in.GetName()}, nil
}

func main() {
	svc := panda.NewService("hello", panda.WithVersion(version))
	hellopb.RegisterHelloServiceServer(svc, hello{})
	if err := svc.Run(context.Background()); err != nil {
		slog.Error("hello ends", "error", err)
		os.Exit(1)
	}
}
