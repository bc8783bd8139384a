// Command client calls a hello service of several instances through grpc-go alone, balanced by one of
// grpc-go's own policies.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/leastrequest" // registers least_request_experimental
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

func main() {
	target := flag.String("target", "", "addresses of the servers, comma separated")
	policy := flag.String("policy", "round_robin", "grpc-go's name of the balancing policy")
	flag.Parse()
	os.Exit(child.Drive(os.Stdin, os.Stdout, os.Stderr, func() ([]child.Call, func() error, error) {
		return dial(strings.Split(*target, ","), *policy)
	}))
}

func dial(addresses []string, policy string) ([]child.Call, func() error, error) {
	var state resolver.State
	for _, address := range addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	builder := manual.NewBuilderWithScheme("instances")
	builder.InitialState(state)
	conn, err := grpc.NewClient("instances:///hello",
		grpc.WithResolvers(builder),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, policy)))
	if err != nil {
		return nil, nil, err
	}
	return []child.Call{hello.Call(hellopb.NewHelloClient(conn))}, conn.Close, nil
}
