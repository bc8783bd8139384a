package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/filter"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) healthEndpoints() []endpoint {
	const noNode, noService = "Missing node name", "Missing service name"
	entries := func(topic func(string) catalog.Topic, open func(*question) (func(catalog.View) any, error)) func(http.ResponseWriter, *http.Request) (any, error) {
		return h.list(listing{topic: topic, open: open, missing: noService, cached: true, quiet: true})
	}
	return []endpoint{
		{http.MethodGet, "/v1/health/service/{name...}", entries(catalog.Service, serviceEntries)},
		{http.MethodGet, "/v1/health/connect/{name...}", entries(catalog.Mesh, connectEntries)},
		{http.MethodGet, "/v1/health/ingress/{name...}", entries(catalog.Service, noServiceEntries)},
		{http.MethodGet, "/v1/health/checks/{name...}", h.list(listing{topic: catalog.Service, open: serviceChecks, missing: noService})},
		{http.MethodGet, "/v1/health/node/{name...}", h.list(listing{topic: everyone(catalog.Checks), open: nodeChecks, missing: noNode})},
		{http.MethodGet, "/v1/health/state/{name...}", h.list(listing{topic: everyone(catalog.Checks), open: checksInState, missing: "Missing check state"})},
	}
}

func serviceEntries(q *question) (func(catalog.View) any, error) {
	return entriesOf(q, q.tags, catalog.View.Instances)
}

// connectEntries opens the instances that stand for a service in a mesh. Tags are not read there, as in Consul.
func connectEntries(q *question) (func(catalog.View) any, error) {
	return entriesOf(q, nil, catalog.View.MeshInstances)
}

func entriesOf(q *question, tags []string, read func(catalog.View, string) []*catalog.Instance) (func(catalog.View) any, error) {
	onlyPassing, err := passing(q)
	if err != nil {
		return nil, err
	}
	return filtered(q, func(v catalog.View) []*consulwire.ServiceEntry {
		reader := entryReader{view: v}
		var entries []*consulwire.ServiceEntry
		for _, i := range read(v, q.name) {
			if !hasTags(i, tags) {
				continue
			}
			entry := reader.entry(i)
			if !q.hasNodeMeta(entry.Node.Meta) || onlyPassing && slices.ContainsFunc(entry.Checks, notPassing) {
				continue
			}
			entries = append(entries, entry)
		}
		return entries
	})
}

func noServiceEntries(q *question) (func(catalog.View) any, error) {
	if _, err := passing(q); err != nil {
		return nil, err
	}
	return filtered(q, func(catalog.View) []*consulwire.ServiceEntry { return nil })
}

// entryReader reads entries one after another; those of one node share the node and the list of its own checks, which
// saves a sixth of a lookup's time.
type entryReader struct {
	view   catalog.View
	node   *consulwire.Node
	checks []*consulwire.HealthCheck // the node's own
}

func (e *entryReader) entry(i *catalog.Instance) *consulwire.ServiceEntry {
	if e.node == nil || !strings.EqualFold(e.node.Node, i.Node) {
		e.node, e.checks = e.view.Node(i.Node), wire(e.view.OwnChecks(i.Node))
	}
	own := e.view.InstanceChecks(i.Node, i.ID)
	checks := make([]*consulwire.HealthCheck, 0, len(e.checks)+len(own))
	checks = append(checks, e.checks...)
	for _, c := range own {
		checks = append(checks, &c.HealthCheck)
	}
	return &consulwire.ServiceEntry{Node: e.node, Service: &i.NodeService, Checks: checks}
}

// passing reads ?passing, which may have no value.
func passing(q *question) (bool, error) {
	value := q.Get("passing")
	if value == "" {
		return q.Has("passing"), nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, badRequest("Invalid value for ?passing")
	}
	return on, nil
}

func notPassing(c *consulwire.HealthCheck) bool { return c.Status != consulwire.Passing }

// hasTags reports whether the instance has every tag, in any case.
func hasTags(i *catalog.Instance, tags []string) bool {
	for _, tag := range tags {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) {
			return false
		}
	}
	return true
}

func wire(checks []*catalog.Check) []*consulwire.HealthCheck {
	list := make([]*consulwire.HealthCheck, len(checks))
	for n, c := range checks {
		list[n] = &c.HealthCheck
	}
	return list
}

// checksOf opens a listing of checks, of which ?node-meta and ?filter select.
func checksOf(q *question, read func(catalog.View) []*catalog.Check) (func(catalog.View) any, error) {
	return filtered(q, func(v catalog.View) []*consulwire.HealthCheck {
		checks := wire(read(v))
		if len(q.nodeMeta) == 0 {
			return checks
		}
		return slices.DeleteFunc(checks, func(c *consulwire.HealthCheck) bool { return !q.hasNodeMeta(v.Node(c.Node).Meta) })
	})
}

func serviceChecks(q *question) (func(catalog.View) any, error) {
	return checksOf(q, func(v catalog.View) []*catalog.Check { return v.ServiceChecks(q.name) })
}

func nodeChecks(q *question) (func(catalog.View) any, error) {
	q.nodeMeta = nil // not read here, as in Consul
	return checksOf(q, func(v catalog.View) []*catalog.Check { return v.NodeChecks(q.name) })
}

func checksInState(q *question) (func(catalog.View) any, error) {
	return checksOf(q, func(v catalog.View) []*catalog.Check { return v.ChecksIn(q.name) })
}

// selector compiles ?filter.
func selector[T any](query url.Values) (filter.Filter[T], error) {
	compiled, err := filter.Compile[T](query.Get("filter"))
	if err != nil {
		return compiled, &statusError{http.StatusInternalServerError, err.Error()}
	}
	return compiled, nil
}
