package clients

import (
	"reflect"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
)

// Each kind of Consul's watch plans tells what there is, and then what has changed.
func TestWatchPlans(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		for _, w := range []struct {
			name   string
			plan   map[string]any
			change func() error
			seen   func(answer any) bool
		}{
			{
				"key", map[string]any{"type": "key", "key": "w/key"},
				func() error { _, err := c.KV().Put(&api.KVPair{Key: "w/key", Value: []byte("v")}, nil); return err },
				func(answer any) bool { p, ok := answer.(*api.KVPair); return ok && p != nil && string(p.Value) == "v" },
			},
			{
				"keyprefix", map[string]any{"type": "keyprefix", "prefix": "w/prefix/"},
				func() error { _, err := c.KV().Put(&api.KVPair{Key: "w/prefix/a"}, nil); return err },
				func(answer any) bool { p, ok := answer.(api.KVPairs); return ok && len(p) == 1 },
			},
			{
				"services", map[string]any{"type": "services"},
				func() error { return c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "listed"}) },
				func(answer any) bool { s, ok := answer.(map[string][]string); return ok && s["listed"] != nil },
			},
			{
				"nodes", map[string]any{"type": "nodes"},
				func() error {
					_, err := c.Catalog().Register(&api.CatalogRegistration{Node: "elsewhere", Address: "10.0.0.9"}, nil)
					return err
				},
				func(answer any) bool { n, ok := answer.([]*api.Node); return ok && len(n) == 2 },
			},
			{
				"service", map[string]any{"type": "service", "service": "watched", "tag": "t", "passingonly": true},
				func() error {
					return c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "watched", Tags: []string{"t"}})
				},
				func(answer any) bool { e, ok := answer.([]*api.ServiceEntry); return ok && len(e) == 1 },
			},
			{
				"checks", map[string]any{"type": "checks", "state": "critical"},
				func() error {
					return c.Agent().CheckRegister(&api.AgentCheckRegistration{Name: "ill", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h"}})
				},
				func(answer any) bool {
					h, ok := answer.([]*api.HealthCheck)
					return ok && len(h) == 1 && h[0].Name == "ill"
				},
			},
			{
				"event", map[string]any{"type": "event", "name": "watched"},
				func() error { _, _, err := c.Event().Fire(&api.UserEvent{Name: "watched"}, nil); return err },
				func(answer any) bool { e, ok := answer.([]*api.UserEvent); return ok && len(e) == 1 },
			},
			{
				"agent_service", map[string]any{"type": "agent_service", "service_id": "by-hash"},
				func() error {
					return c.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: "by-hash", Name: "hashed", Port: 7})
				},
				func(answer any) bool { s, ok := answer.(*api.AgentService); return ok && s != nil && s.Port == 7 },
			},
		} {
			t.Run(w.name, func(t *testing.T) { watchOne(t, c, w.plan, w.change, w.seen) })
		}
	})
}

func watchOne(t *testing.T, c *api.Client, parameters map[string]any, change func() error, seen func(any) bool) {
	t.Helper()
	if parameters["type"] == "agent_service" { // it fails, and backs off, while there is none
		if err := change(); err != nil {
			t.Fatal(err)
		}
		change = func() error { return nil }
	}
	plan, err := watch.Parse(parameters)
	if err != nil {
		t.Fatal(err)
	}
	answers, done := make(chan any, 16), make(chan error, 1)
	plan.Handler = func(_ uint64, answer any) { answers <- answer }
	go func() { done <- plan.RunWithClientAndHclog(c, nil) }()
	if err := change(); err != nil {
		t.Fatal(err)
	}
	var last any
	eventually(t, "the watch tells of the change", func() bool {
		select {
		case last = <-answers:
		default:
		}
		return !reflect.ValueOf(&last).Elem().IsNil() && seen(last)
	})
	plan.Stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
