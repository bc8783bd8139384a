package httpapi

import (
	"testing"

	"github.com/pandakit/panda/internal/consulwire"
)

// TestContentHash holds hashes that Consul 1.12.9 has told of the same services.
func TestContentHash(t *testing.T) {
	plain := func() *consulwire.AgentService {
		return &consulwire.AgentService{
			ID: "foo", Service: "foo", Tags: []string{"bar", "baz"}, Port: 8000, Weights: consulwire.Weights{Passing: 1, Warning: 1},
			Meta: map[string]string{}, Datacenter: "dc1",
		}
	}
	other := plain()
	other.Datacenter = "dc2"
	for want, services := range map[string][]*consulwire.AgentService{"3e352f348d44f7eb": {plain(), other}} {
		for _, s := range services {
			if got := contentHash(s); got != want {
				t.Errorf("%+v: %s, want %s", s, got, want)
			}
		}
	}
	other.Meta["a"] = "b"
	if got := contentHash(other); got == contentHash(plain()) {
		t.Errorf("another service has the same hash %s", got)
	}
}
