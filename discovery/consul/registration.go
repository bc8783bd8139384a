package consul

import (
	"errors"
	"maps"
	"net"
	"slices"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/discovery"
)

// registration is an instance as Consul is to know it.
type registration struct{ api.AgentServiceRegistration }

func newRegistration(a *discovery.Announcement) *registration {
	i := &a.Instance
	return &registration{api.AgentServiceRegistration{
		ID:      i.ID,
		Name:    i.Service,
		Address: i.Address,
		Port:    i.Port,
		Tags:    slices.Clone(i.Tags),
		Meta:    maps.Clone(i.Meta),
		Weights: &api.AgentWeights{Passing: max(i.Weight, 1), Warning: 1},
		Check: &api.AgentServiceCheck{
			CheckID:                        "service:" + i.ID,
			Name:                           checkName(i.Service),
			TTL:                            a.TTL.String(),
			DeregisterCriticalServiceAfter: a.DeregisterAfter.String(),
		},
	}}
}

func checkName(service string) string { return "Service '" + service + "' TTL" }

// inState returns the registration to send while the instance's health is status.
func (w *registration) inState(status string) *api.AgentServiceRegistration {
	sent, check := w.AgentServiceRegistration, *w.Check
	check.Status = status
	sent.Check = &check
	return &sent
}

// drift says in what the agent's view of the instance differs from what is wanted, or nothing.
func (w *registration) drift(seen *api.AgentService) string {
	if seen == nil {
		return "the agent does not know the instance"
	}
	for _, field := range []struct {
		name string
		same bool
	}{
		{"ID", seen.ID == w.ID},
		{"name", seen.Service == w.Name},
		{"address", seen.Address == w.Address},
		{"port", seen.Port == w.Port},
		{"tags", slices.Equal(seen.Tags, w.Tags)},
		{"metadata", maps.Equal(seen.Meta, w.Meta)},
		{"weight", seen.Weights.Passing == w.Weights.Passing},
		{"tag override", !seen.EnableTagOverride},
	} {
		if !field.same {
			return "the agent has another " + field.name + " for the instance"
		}
	}
	return ""
}

// neverSent reports whether the agent cannot have seen the request: no connection to it was made.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
