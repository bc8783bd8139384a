package consul_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

func ExampleNew() {
	// A program passes os.Getenv.
	getenv := func(name string) string {
		return map[string]string{"CONSUL_HTTP_ADDR": "10.0.0.1:8500, 10.0.0.2:8500"}[name]
	}
	registry, err := consul.New(consul.ConfigFromEnv(getenv))
	if err != nil {
		fmt.Println(err) // it names the variable and its value
		return
	}
	fmt.Println(registry) // New has not connected: the registry may be away
	// Output: consul at 10.0.0.1:8500, 10.0.0.2:8500
}

func ExampleRegistry_Watch() {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "42")
		fmt.Fprint(w, `[{
			"Node":    {"Node": "one", "Address": "10.0.0.1"},
			"Service": {"ID": "orders-1", "Service": "orders", "Port": 8000, "Tags": ["v2"]},
			"Checks":  [{"CheckID": "service:orders-1", "Status": "passing"}]
		}]`)
	}))
	defer agent.Close()
	registry, err := consul.New(consul.Config{Addresses: []string{agent.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = registry.Watch(ctx, "orders", func(s discovery.Snapshot) {
		for _, i := range s.Usable() {
			fmt.Println(i.ID, i.Endpoint(), i.Tags)
		}
		cancel()
	})
	fmt.Println(err)
	// Output:
	// orders-1 10.0.0.1:8000 [v2]
	// context canceled
}
