package consul

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/discovery"
)

const (
	outputLimit        = 1 << 10 // bytes of a check's output that are kept
	nodeMaintenance    = "_node_maintenance"
	serviceMaintenance = "_service_maintenance:"
)

// sighting is an instance as one answer tells of it.
type sighting struct {
	discovery.Instance

	// overdue says that nothing is wrong but TTLs that ran out: the instance did not, or could not,
	// renew them. An instance that says of itself that it is critical is not overdue.
	overdue bool
}

// readEntries turns an answer of the health endpoint into what it tells, in a snapshot's order.
func readEntries(entries []*api.ServiceEntry, distance int) []sighting {
	seen := make([]sighting, 0, len(entries))
	for _, entry := range entries {
		if entry != nil && entry.Service != nil {
			seen = append(seen, readEntry(entry, distance))
		}
	}
	slices.SortStableFunc(seen, func(a, b sighting) int { return compareInstances(&a.Instance, &b.Instance) })
	return seen
}

func compareInstances(a, b *discovery.Instance) int {
	return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID))
}

func readEntry(entry *api.ServiceEntry, distance int) sighting {
	service := entry.Service
	s := sighting{Instance: discovery.Instance{
		ID:         service.ID,
		Service:    service.Service,
		Address:    service.Address,
		Port:       service.Port,
		Tags:       service.Tags,
		Meta:       service.Meta,
		Weight:     max(service.Weights.Passing, 1),
		Datacenter: service.Datacenter,
		Distance:   distance,
	}}
	if node := entry.Node; node != nil {
		s.Node = node.Node
		s.Address = cmp.Or(service.Address, node.Address)
		s.Datacenter = cmp.Or(node.Datacenter, service.Datacenter)
	}
	s.Checks, s.overdue = readChecks(entry.Checks)
	if s.Port < 1 || s.Port > 65535 || s.Address == "" {
		s.Checks = append(s.Checks, discovery.Check{
			ID: "~address", Name: "Address", Status: discovery.Critical,
			Output: "it is registered without a host and a port that can be called",
		})
		s.overdue = false
	}
	return s
}

func readChecks(checks api.HealthChecks) (read []discovery.Check, overdue bool) {
	read = make([]discovery.Check, 0, len(checks)+1)
	expired, ill := 0, 0
	for _, check := range checks {
		if check == nil {
			continue
		}
		c := discovery.Check{
			ID: check.CheckID, Name: check.Name,
			Status: readStatus(check), Output: cut(check.Output, outputLimit),
		}
		read = append(read, c)
		switch {
		case ttlExpired(check):
			expired++
		case c.Status != discovery.Passing:
			ill++
		}
	}
	slices.SortStableFunc(read, func(a, b discovery.Check) int { return cmp.Compare(a.ID, b.ID) })
	return read, expired > 0 && ill == 0
}

func readStatus(check *api.HealthCheck) discovery.Status {
	if check.CheckID == nodeMaintenance || strings.HasPrefix(check.CheckID, serviceMaintenance) {
		return discovery.Maintenance
	}
	return discovery.Status(check.Status)
}

// ttlExpired reports whether a check is critical because nobody has renewed it: since the agent started
// (no output yet), or in time.
func ttlExpired(check *api.HealthCheck) bool {
	return check.Type == "ttl" && check.Status == api.HealthCritical &&
		(check.Output == "" || strings.HasPrefix(check.Output, "TTL expired"))
}
