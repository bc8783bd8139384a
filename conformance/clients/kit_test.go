package clients

import (
	"io"
	"testing"

	"github.com/go-kit/kit/endpoint"
	kitsd "github.com/go-kit/kit/sd"
	kit "github.com/go-kit/kit/sd/consul"
	"github.com/go-kit/log"
	"github.com/hashicorp/consul/api"
)

// TestGoKit registers and finds an instance through Go kit's Consul registry.
func TestGoKit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := kit.NewClient(a.client(t))
		instancer := kit.NewInstancer(c, log.NewNopLogger(), "kit", []string{"v1"}, true)
		defer instancer.Stop()
		events := make(chan kitsd.Event, 16)
		instancer.Register(events)
		defer instancer.Deregister(events)
		registrar := kit.NewRegistrar(c, &api.AgentServiceRegistration{ID: "kit-1", Name: "kit", Tags: []string{"v1"}, Address: "10.0.0.7", Port: 70}, log.NewNopLogger())
		registrar.Register()
		last := []string(nil)
		seen := func() int {
			select {
			case e := <-events:
				if e.Err == nil {
					last = e.Instances
				}
			default:
			}
			return len(last)
		}
		eventually(t, "the instance is found", func() bool { return seen() == 1 })
		if last[0] != "10.0.0.7:70" {
			t.Errorf("found %q", last)
		}
		endpointer := kitsd.NewEndpointer(instancer, func(string) (endpoint.Endpoint, io.Closer, error) { return endpoint.Nop, nil, nil }, log.NewNopLogger())
		defer endpointer.Close()
		eventually(t, "the endpointer has been told", func() bool {
			endpoints, err := endpointer.Endpoints()
			return err == nil && len(endpoints) == 1
		})
		registrar.Deregister()
		eventually(t, "the instance is gone", func() bool { return seen() == 0 })
	})
}
