package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) healthEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/health/service/{name...}", h.blocking(named(catalog.Service), serviceEntries)},
		{http.MethodGet, "/v1/health/checks/{name...}", h.blocking(named(catalog.Service), serviceChecks)},
		{http.MethodGet, "/v1/health/node/{name...}", h.blocking(whole(catalog.Checks), nodeChecks)},
		{http.MethodGet, "/v1/health/state/{name...}", h.blocking(whole(catalog.Checks), checksInState)},
	}
}

func serviceEntries(v catalog.View, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, badRequest("Missing service name")
	}
	onlyPassing, err := passing(r)
	if err != nil {
		return nil, err
	}
	entries := []*consulwire.ServiceEntry{}
	for _, i := range v.Instances(name) {
		if !hasTags(i, r) {
			continue
		}
		checks := append(v.OwnChecks(i.Node), v.InstanceChecks(i.Node, i.ID)...)
		if onlyPassing && slices.ContainsFunc(checks, notPassing) {
			continue
		}
		entries = append(entries, &consulwire.ServiceEntry{Node: v.Node(i.Node), Service: &i.NodeService, Checks: wire(checks)})
	}
	return entries, nil
}

// passing reads ?passing, which may have no value.
func passing(r *http.Request) (bool, error) {
	query := r.URL.Query()
	value := query.Get("passing")
	if value == "" {
		return query.Has("passing"), nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, badRequest("Invalid value for ?passing")
	}
	return on, nil
}

func notPassing(c *catalog.Check) bool { return c.Status != consulwire.Passing }

// hasTags reports whether the instance has every ?tag, in any case.
func hasTags(i *catalog.Instance, r *http.Request) bool {
	for _, tag := range r.URL.Query()["tag"] {
		if tag != "" && !slices.ContainsFunc(i.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) {
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

func serviceChecks(v catalog.View, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, badRequest("Missing service name")
	}
	return wire(v.ServiceChecks(name)), nil
}

func nodeChecks(v catalog.View, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, badRequest("Missing node name")
	}
	return wire(v.NodeChecks(name)), nil
}

func checksInState(v catalog.View, r *http.Request) (any, error) {
	state := r.PathValue("name")
	if state == "" {
		return nil, badRequest("Missing check state")
	}
	return wire(v.ChecksIn(state)), nil
}
