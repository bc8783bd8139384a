// Command rpc-cli calls the service "rpc", which it finds by that name: it knows no address, and waits when
// it is started first. It registers nothing.
//
//	rpc-cli [-wait 15s] [-count 3] [NAME]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"

	"github.com/pandakit/panda"

	rpcv1 "example.com/rpc-cli/proto/rpc/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rpc-cli:", err)
		os.Exit(1)
	}
}

// run reads the arguments, calls the service and prints what it answers.
func run(ctx context.Context, args []string, out io.Writer, options ...panda.ClientOption) error {
	flags := flag.NewFlagSet("rpc-cli", flag.ContinueOnError)
	wait := flags.Duration("wait", 15*time.Second, "how long to wait for all answers")
	count := flags.Int("count", 0, "count up to this number, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *count < 0 || *count > math.MaxInt32 {
		return fmt.Errorf("-count %d: want 0 or more", *count)
	}
	name := "Lin"
	if flags.NArg() > 0 {
		name = flags.Arg(0)
	}
	conn, err := panda.Dial("rpc", options...)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	return call(ctx, conn, out, name, int32(*count))
}

// call greets, and counts when limit is not 0.
func call(ctx context.Context, conn grpc.ClientConnInterface, out io.Writer, name string, limit int32) error {
	client := rpcv1.NewRpcServiceClient(conn)
	greeting, err := client.Greet(ctx, &rpcv1.GreetRequest{Name: name})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, greeting.GetMessage()); err != nil || limit == 0 {
		return err
	}
	stream, err := client.Count(ctx, &rpcv1.CountRequest{Limit: limit})
	if err != nil {
		return err
	}
	for {
		next, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, next.GetNumber()); err != nil {
			return err
		}
	}
}
