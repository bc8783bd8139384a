// Command client calls the hello service through grpc-go alone. Without flags it has grpc-go's defaults.
package main

import (
	"errors"
	"flag"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	target := flag.String("target", "", "address of the server")
	connections := flag.Int("connections", 1, "how many connections the callers share out among themselves")
	writeBuffer := flag.Int("write-buffer", -1, "setting of grpc-go; its default when negative")
	readBuffer := flag.Int("read-buffer", -1, "setting of grpc-go; its default when negative")
	flag.Parse()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if *writeBuffer >= 0 {
		options = append(options, grpc.WithWriteBufferSize(*writeBuffer))
	}
	if *readBuffer >= 0 {
		options = append(options, grpc.WithReadBufferSize(*readBuffer))
	}
	os.Exit(child.Drive(os.Stdin, os.Stdout, os.Stderr, func() ([]child.Call, func() error, error) {
		return dial(*target, *connections, options)
	}))
}

// dial returns one call per connection.
func dial(target string, connections int, options []grpc.DialOption) ([]child.Call, func() error, error) {
	var calls []child.Call
	var conns []*grpc.ClientConn
	closeAll := func() error {
		var errs []error
		for _, conn := range conns {
			errs = append(errs, conn.Close())
		}
		return errors.Join(errs...)
	}
	for range connections {
		conn, err := grpc.NewClient(target, options...)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		conns = append(conns, conn)
		calls = append(calls, hello.Call(hellopb.NewHelloClient(conn)))
	}
	return calls, closeAll, nil
}
