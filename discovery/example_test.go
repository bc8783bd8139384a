package discovery_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/pandakit/panda/discovery"
)

// A snapshot tells three cases apart in which a service cannot be called.
func ExampleExplain() {
	none := discovery.Snapshot{Service: "orders", Registry: "consul at 127.0.0.1:8500"}
	fmt.Println(discovery.Explain(none, nil))

	away := none
	away.Err = errors.New("connection refused")
	away.Since = time.Date(2026, 5, 1, 12, 30, 0, 0, time.UTC)
	fmt.Println(discovery.Explain(away, nil))

	ill := none
	ill.Instances = []discovery.Instance{
		{ID: "orders-1", Address: "10.0.0.1", Port: 80, Checks: []discovery.Check{{Status: discovery.Critical, Output: "TTL expired"}}},
		{ID: "orders-2", Address: "::1", Port: 80},
	}
	seen := func(discovery.Instance) string { return "connection refused" } // what the caller knows of orders-2
	fmt.Println(discovery.Explain(ill, seen))
	fmt.Println(discovery.Explain(ill, nil))
	// Output:
	// look up service "orders": consul at 127.0.0.1:8500 has no such service
	// look up service "orders": consul at 127.0.0.1:8500 cannot be reached since 12:30:00: connection refused
	// call service "orders": none of its 2 instances in consul at 127.0.0.1:8500 is usable; orders-1 (10.0.0.1:80): critical: TTL expired; orders-2 ([::1]:80): connection refused
	// <nil>
}
