// Command helloclient calls hello by name and prints its answers. It knows no address, and when it
// starts first it waits. It registers nothing, and ends when it has its answers.
//
//	helloclient [-wait 15s] [NAME]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/examples/hellopb"
)

func main() {
	wait := flag.Duration("wait", 15*time.Second, "how long to wait for the answers")
	flag.Parse()
	name := "熊猫"
	if flag.NArg() > 0 {
		name = flag.Arg(0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *wait)
	defer cancel()
	if err := greet(ctx, name); err != nil {
		fmt.Fprintln(os.Stderr, "helloclient:", err)
		os.Exit(1) //nolint:gocritic // the process's end cancels ctx too
	}
}

func greet(ctx context.Context, name string) error {
	conn, err := panda.Dial("hello")
	if err != nil {
		return err
	}
	defer conn.Close()
	client := hellopb.NewHelloServiceClient(conn)

	greeting, err := client.SayHello(ctx, &hellopb.HelloRequest{Name: name})
	if err != nil {
		return err
	}
	fmt.Println(greeting.GetMsg())

	answer, err := client.SayName(ctx, &hellopb.NameRequest{Name: name})
	if err != nil {
		return err
	}
	fmt.Println(answer.GetMsg())
	return nil
}
