package registrar

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/consulwire"
)

// definedCheck is a check's row and how to run it.
type definedCheck struct {
	row        catalog.Check
	definition check.Definition
}

// serviceChecks returns the checks inside a service's registration.
func (r *Registrar) serviceChecks(i *catalog.Instance, s *consulwire.ServiceRegistration) ([]*definedCheck, error) {
	var given []*consulwire.CheckRegistration
	if !s.Check.Empty() {
		given = append(given, s.Check)
	}
	for _, c := range s.Checks {
		if c != nil {
			given = append(given, c)
		}
	}
	checks := make([]*definedCheck, 0, len(given))
	for n, c := range given {
		c.ServiceID = i.ID
		if c.CheckID == "" {
			c.CheckID = "service:" + i.ID
			if len(given) > 1 {
				c.CheckID += fmt.Sprintf(":%d", n+1)
			}
		}
		if c.Name == "" {
			c.Name = fmt.Sprintf("Service '%s' check", i.Service)
		}
		if c.Status != "" && !ValidStatus(c.Status) {
			return nil, invalid("Status for checks must 'passing', 'warning', 'critical'")
		}
		defined, err := r.define(c.CheckID, c)
		if err != nil {
			return nil, err
		}
		defined.row.Interval, defined.row.Timeout = c.Interval.String(), ""
		if c.Timeout != 0 {
			defined.row.Timeout = defined.row.Interval // as Consul shows it
		}
		checks = append(checks, defined)
	}
	return checks, nil
}

// loneCheck returns a check that is registered by itself.
func (r *Registrar) loneCheck(c *consulwire.CheckRegistration) (*definedCheck, error) {
	if c.Name == "" {
		return nil, invalid("Missing check name")
	}
	if c.Status != "" && !ValidStatus(c.Status) {
		return nil, invalid("Bad check status")
	}
	if !defaultOnly(c.Namespace) || !defaultOnly(c.Partition) {
		return nil, invalid("Invalid Namespace or Partition: this agent has only the default one")
	}
	return r.define(cmp.Or(c.ID, c.CheckID, c.Name), c)
}

// define returns the check with the durations written as those of a lone check.
func (r *Registrar) define(id string, c *consulwire.CheckRegistration) (*definedCheck, error) {
	if id == consulwire.SerfHealth || id == consulwire.NodeMaintenance || strings.HasPrefix(id, consulwire.ServiceMaintenancePrefix) {
		return nil, invalid("Check ID %q is the agent's own", id)
	}
	definition, err := check.FromRegistration(c)
	if err != nil {
		return nil, invalid("Invalid check: %v", err)
	}
	return &definedCheck{definition: definition, row: catalog.Check{Local: true, Registration: c, HealthCheck: consulwire.HealthCheck{
		Node: r.cfg.Node, CheckID: id, Name: c.Name, Status: cmp.Or(c.Status, consulwire.Critical), Notes: c.Notes, ServiceID: c.ServiceID,
		Type: definition.Kind(), Interval: time.Duration(c.Interval).String(), Timeout: time.Duration(c.Timeout).String(),
	}}}, nil
}

// ValidStatus reports whether a check can have the status.
func ValidStatus(status string) bool {
	return status == consulwire.Passing || status == consulwire.Warning || status == consulwire.Critical
}
