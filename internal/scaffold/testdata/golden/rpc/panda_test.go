package main

import (
	"io"
	"math"
	"net/http"
	"testing"

	"github.com/pandakit/panda/pandatest"
)

// start runs the service until the test ends, in the registry that it returns.
func start(t *testing.T) *pandatest.Registry {
	t.Helper()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	return registry
}

func TestGetInfo(t *testing.T) {
	client := pandatest.DialRPC(t, start(t), "info-rpc")
	var reply int
	if err := client.Call(t.Context(), "Panda.GetInfo", 100, &reply); err != nil || reply != 200 {
		t.Errorf("got %d, %v, want 200", reply, err)
	}
	if err := client.Call(t.Context(), "Panda.GetInfo", math.MaxInt, &reply); err == nil {
		t.Errorf("a number too large: got %d, want an error", reply)
	}
}

func TestIndex(t *testing.T) {
	client := pandatest.HTTPClient(t, start(t))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://info-rpc.service.consul/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "hello world!" {
		t.Errorf("got %q, %v", body, err)
	}
}
