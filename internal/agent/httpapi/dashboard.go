package httpapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// dashboardEndpoints are those that Consul's own web pages read. What the mesh would fill is not there.
func (h *Handler) dashboardEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/internal/ui/catalog-overview", h.catalogOverview},
		{http.MethodGet, "/v1/internal/ui/metrics-proxy/{name...}", func(http.ResponseWriter, *http.Request) (any, error) {
			return nil, &statusError{http.StatusNotFound, "Metrics proxy is not enabled"}
		}},
	}
}

func (h *Handler) catalogOverview(http.ResponseWriter, *http.Request) (any, error) {
	view := h.cfg.Catalog.View()
	nodes, services, checks := tally{}, tally{}, tally{}
	for _, node := range view.Nodes() {
		own := view.OwnChecks(node.Node)
		nodes.add("", worst(own))
		for _, i := range view.NodeInstances(node.Node) {
			services.add(i.Service, max(worst(own), worst(view.InstanceChecks(i.Node, i.ID))))
		}
	}
	for _, c := range view.ChecksIn(consulwire.Any) {
		checks.add(c.Name, rankOf(c.Status))
	}
	return &consulwire.CatalogOverview{Nodes: nodes.list(), Services: services.list(), Checks: checks.list()}, nil
}

// tally counts by name and health.
type tally map[string]*consulwire.Health

func (t tally) add(name string, rank int) {
	one := t[name]
	if one == nil {
		one = &consulwire.Health{Name: name}
		t[name] = one
	}
	one.Total++
	switch statuses[rank].name {
	case consulwire.Passing:
		one.Passing++
	case consulwire.Warning:
		one.Warning++
	default:
		one.Critical++
	}
}

func (t tally) list() []consulwire.Health {
	all := []consulwire.Health{}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		all = append(all, *t[name])
	}
	return all
}

// worst returns the place in statuses of the worst check.
func worst(checks []*catalog.Check) int {
	most := 0
	for _, c := range checks {
		most = max(most, rankOf(c.Status))
	}
	return most
}
