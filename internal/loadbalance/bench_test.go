package loadbalance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance"
	"github.com/pandakit/panda/internal/retry"
)

// BenchmarkCall compares a whole call under this policy with gRPC's round_robin: see the difference in allocs/op.
func BenchmarkCall(b *testing.B) {
	for _, bench := range []struct {
		name, policy string
		options      []grpc.DialOption
	}{
		{"round_robin", "round_robin", nil},
		{loadbalance.PolicyName, loadbalance.PolicyName, nil},
		// What may be sent again can be taken back from an instance that answers nothing.
		{"repeatable", loadbalance.PolicyName, []grpc.DialOption{grpc.WithChainUnaryInterceptor(retry.NewInterceptor(storeFiles(b)))}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var instances []discovery.Instance
			var servers []*server
			for i := range 3 {
				s := start(b, fmt.Sprint(i))
				servers = append(servers, s)
				instances = append(instances, s.instance)
			}
			c := dialPlain(b, bench.policy, instances, bench.options...)
			for !served(servers) {
				invoke(b, c)
			}
			b.ReportAllocs()
			for b.Loop() {
				invoke(b, c)
			}
		})
	}
}

func dialPlain(t testing.TB, policy string, instances []discovery.Instance, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	r := manual.NewBuilderWithScheme("test")
	r.InitialState(loadbalance.WithInstances(resolver.State{}, instances, nil))
	config, err := json.Marshal(map[string]any{"loadBalancingConfig": []any{map[string]any{policy: struct{}{}}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := grpc.NewClient("test:///store", append(options, grpc.WithResolvers(r), grpc.WithDefaultServiceConfig(string(config)),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func served(servers []*server) bool {
	for _, s := range servers {
		if s.served.Load() == 0 {
			return false
		}
	}
	return true
}

var request, reply = wrapperspb.String("x"), new(wrapperspb.StringValue)

func invoke(b *testing.B, c *grpc.ClientConn) {
	if err := c.Invoke(context.Background(), read, request, reply); err != nil {
		b.Fatal(err)
	}
}
