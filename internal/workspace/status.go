package workspace

import (
	"slices"
	"strings"
)

// ServiceStatus is how a service is while its workspace runs.
type ServiceStatus struct {
	Name      string           `json:"name"`
	State     string           `json:"state"`             // running, waiting, stopped, finished, attached or debugged
	Replicas  int              `json:"replicas"`          // that are wanted
	Address   string           `json:"address,omitempty"` // of the attached instance, or of the debugger
	Instances []InstanceStatus `json:"instances"`
}

// InstanceStatus is how an instance is.
type InstanceStatus struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	PID     int    `json:"pid,omitempty"`     // 0 while it has no process
	Address string `json:"address,omitempty"` // host:port, once it is registered
	Role    string `json:"role"`              // serving, starting or draining
	Passing bool   `json:"passing"`
}

// Status returns how the services are, in the order in which they are started.
func (r *Runner) Status() []ServiceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []ServiceStatus
	for _, s := range r.services {
		status := ServiceStatus{Name: s.Name, State: s.state(), Replicas: s.replicas, Instances: []InstanceStatus{}}
		if s.Debugger != nil {
			status.Address = s.Debugger.Address
		}
		if s.attached != nil {
			status.Address = s.attached.address
		}
		for _, i := range r.instances {
			if i.service == s {
				status.Instances = append(status.Instances, i.status())
			}
		}
		slices.SortFunc(status.Instances, func(a, b InstanceStatus) int { return strings.Compare(a.ID, b.ID) })
		all = append(all, status)
	}
	return all
}

func (s *running) state() string {
	switch {
	case s.attached != nil:
		return "attached"
	case s.stopped:
		return "stopped"
	case !s.started:
		return "waiting"
	case s.finished():
		return "finished"
	case s.Debugger != nil:
		return "debugged"
	}
	return "running"
}

func (i *instance) status() InstanceStatus {
	status := InstanceStatus{ID: i.id, Label: i.label, Address: i.seen.Address, Role: "serving", Passing: i.passing}
	if !i.began.IsZero() {
		status.PID = i.pid
	}
	switch i.role {
	case candidate:
		status.Role = "starting"
	case leaving, stopping:
		status.Role = "draining"
	case serving:
	}
	return status
}
