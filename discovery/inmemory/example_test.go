package inmemory_test

import (
	"context"
	"fmt"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

// A test needs no agent: it puts instances in and takes the registry away.
func ExampleRegistry() {
	registry := inmemory.New()
	registry.Put(discovery.Instance{ID: "orders-1", Service: "orders", Address: "127.0.0.1", Port: 8000})

	ctx, cancel := context.WithCancel(context.Background())
	told := 0
	err := registry.Watch(ctx, "orders", func(s discovery.Snapshot) {
		fmt.Println(len(s.Usable()), "usable;", "error:", s.Err)
		switch told++; told {
		case 1:
			registry.Disconnect()
		case 2:
			cancel()
		}
	})
	fmt.Println(err)
	// Output:
	// 1 usable; error: <nil>
	// 1 usable; error: the in-memory registry is disconnected
	// context canceled
}
