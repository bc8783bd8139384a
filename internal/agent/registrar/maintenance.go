package registrar

import (
	"cmp"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// What a maintenance check says when who started it gave no reason.
const (
	nodeReason    = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
	serviceReason = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."
)

// SetServiceMaintenance makes a service critical while on, whatever its checks say. To turn on what is
// on already keeps the first reason. The error is an *[UnknownServiceError].
func (r *Registrar) SetServiceMaintenance(id string, on bool, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.local(id) == nil {
		return &UnknownServiceError{id}
	}
	return r.setMaintenance(on, consulwire.HealthCheck{
		CheckID:   consulwire.ServiceMaintenancePrefix + id,
		Name:      "Service Maintenance Mode",
		Notes:     cmp.Or(reason, serviceReason),
		ServiceID: id,
		Type:      "maintenance",
	})
}

// SetNodeMaintenance makes every service of the node critical while on.
func (r *Registrar) SetNodeMaintenance(on bool, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.setMaintenance(on, consulwire.HealthCheck{
		CheckID: consulwire.NodeMaintenance,
		Name:    "Node Maintenance Mode",
		Notes:   cmp.Or(reason, nodeReason),
		Type:    "maintenance",
	})
}

func (r *Registrar) setMaintenance(on bool, c consulwire.HealthCheck) error {
	exists := r.localCheck(c.CheckID) != nil
	if on == exists {
		return nil
	}
	if !on {
		return r.deleteCheck(c.CheckID)
	}
	c.Node, c.Status = r.cfg.Node, consulwire.Critical
	return r.cfg.Catalog.Write(func(w *catalog.Writer) error {
		return w.SetCheck(&catalog.Check{Local: true, HealthCheck: c})
	})
}
