package ui

import (
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// worstFirst are the statuses in the order in which people want to see them.
var worstFirst = []string{consulwire.Critical, consulwire.Maintenance, consulwire.Warning, consulwire.Passing}

// rank orders statuses, the worst first; one that is unknown is as bad as critical.
func rank(status string) int { return max(slices.Index(worstFirst, status), 0) }

func worst(a, b string) string {
	if rank(b) < rank(a) {
		return b
	}
	return a
}

// statusOf returns what a check makes of its instance or node.
func statusOf(c *catalog.Check) string {
	if c.CheckID == consulwire.NodeMaintenance || strings.HasPrefix(c.CheckID, consulwire.ServiceMaintenancePrefix) {
		return consulwire.Maintenance
	}
	return worstFirst[rank(c.Status)]
}

// statusAll returns the worst of the checks' statuses, and passing when there is none. Maintenance hides everything
// else, as in Consul: what is under maintenance is expected to fail.
func statusAll(checks []*catalog.Check) string {
	status := consulwire.Passing
	for _, c := range checks {
		s := statusOf(c)
		if s == consulwire.Maintenance {
			return s
		}
		status = worst(status, s)
	}
	return status
}

// tally counts things by status.
type tally map[string]int

// Status returns the worst status that something has.
func (t tally) Status() string {
	for _, s := range worstFirst {
		if t[s] > 0 {
			return s
		}
	}
	return consulwire.Passing
}

// Counts returns the statuses that something has, the worst first.
func (t tally) Counts() []statusCount {
	var all []statusCount
	for _, s := range worstFirst {
		if t[s] > 0 {
			all = append(all, statusCount{s, t[s]})
		}
	}
	return all
}

type statusCount struct {
	Status string
	N      int
}

// owner is who a check is of: an instance, or a node where the ID is empty.
type owner struct{ node, id string }

// health is the status of everything, from one pass over all checks.
type health map[owner]string

func healthOf(v catalog.View) health {
	h := make(health)
	for _, c := range v.ChecksIn(consulwire.Any) {
		who := owner{strings.ToLower(c.Node), c.ServiceID}
		h[who] = combine(h[who], statusOf(c))
	}
	return h
}

// combine adds what another check says; "" is nothing yet.
func combine(before, s string) string {
	if before == "" || s == consulwire.Maintenance {
		return s
	}
	if before == consulwire.Maintenance {
		return before
	}
	return worst(before, s)
}

// node and instance return a status; that of a node counts for what runs on it.
func (h health) node(name string) string {
	return combine(consulwire.Passing, orPassing(h[owner{strings.ToLower(name), ""}]))
}

func (h health) instance(i *catalog.Instance) string {
	return combine(h.node(i.Node), orPassing(h[owner{strings.ToLower(i.Node), i.ID}]))
}

func orPassing(status string) string {
	if status == "" {
		return consulwire.Passing
	}
	return status
}
