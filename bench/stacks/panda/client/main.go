// Command client calls the hello service by its name through Panda; CONSUL_HTTP_ADDR sets where it looks.
package main

import (
	"flag"
	"os"

	"github.com/pandakit/panda"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	target := flag.String("target", "hello", "name of the service")
	flag.Parse()
	os.Exit(child.Drive(os.Stdin, os.Stdout, os.Stderr, func() ([]child.Call, func() error, error) {
		conn, err := panda.Dial(*target)
		if err != nil {
			return nil, nil, err
		}
		return []child.Call{hello.Call(hellopb.NewHelloClient(conn))}, conn.Close, nil
	}))
}
