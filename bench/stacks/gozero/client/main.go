// Command client calls the hello service through go-zero's zrpc, with the defaults that its
// configuration fills in.
package main

import (
	"flag"
	"os"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	target := flag.String("target", "", "address of the server")
	flag.Parse()
	os.Exit(child.Drive(os.Stdin, os.Stdout, os.Stderr, func() ([]child.Call, func() error, error) {
		return dial(*target)
	}))
}

func dial(target string) ([]child.Call, func() error, error) {
	var config zrpc.RpcClientConf
	if err := conf.FillDefault(&config); err != nil {
		return nil, nil, err
	}
	config.Endpoints = []string{target}
	client, err := zrpc.NewClient(config)
	if err != nil {
		return nil, nil, err
	}
	return []child.Call{hello.Call(hellopb.NewHelloClient(client.Conn()))}, client.Conn().Close, nil
}
