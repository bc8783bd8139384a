package httpapi

import (
	"net/http"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) catalogEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/catalog/datacenters", h.datacenters},
		{http.MethodGet, "/v1/catalog/nodes", h.blocking(whole(catalog.Nodes), listNodes)},
		{http.MethodGet, "/v1/catalog/services", h.blocking(whole(catalog.Services), listServices)},
		{http.MethodGet, "/v1/catalog/service/{name...}", h.blocking(named(catalog.Service), catalogService)},
		{http.MethodGet, "/v1/catalog/node/{name...}", h.blocking(named(catalog.Node), nodeServices)},
	}
}

func (h *Handler) datacenters(http.ResponseWriter, *http.Request) (any, error) {
	return []string{h.cfg.Datacenter}, nil
}

func listNodes(v catalog.View, _ *http.Request) (any, error) { return list(v.Nodes()), nil }

func listServices(v catalog.View, _ *http.Request) (any, error) { return v.Services(), nil }

// list returns the list, never nil: Consul answers [] rather than null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func catalogService(v catalog.View, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, badRequest("Missing service name")
	}
	found := []*consulwire.CatalogService{}
	for _, i := range v.Instances(name) {
		if hasTags(i, r) {
			found = append(found, onNode(i, v.Node(i.Node)))
		}
	}
	return found, nil
}

func onNode(i *catalog.Instance, node *consulwire.Node) *consulwire.CatalogService {
	meta := i.Meta
	if meta == nil {
		meta = map[string]string{}
	}
	return &consulwire.CatalogService{
		ID: node.ID, Node: node.Node, Address: node.Address, Datacenter: node.Datacenter,
		TaggedAddresses: node.TaggedAddresses, NodeMeta: node.Meta,
		ServiceKind: i.Kind, ServiceID: i.ID, ServiceName: i.Service, ServiceTags: i.Tags,
		ServiceAddress: i.Address, ServiceTaggedAddresses: i.TaggedAddresses, ServiceWeights: i.Weights,
		ServiceMeta: meta, ServicePort: i.Port, ServiceSocketPath: i.SocketPath,
		ServiceEnableTagOverride: i.EnableTagOverride,
		CreateIndex:              i.CreateIndex, ModifyIndex: i.ModifyIndex,
	}
}

func nodeServices(v catalog.View, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, badRequest("Missing node name")
	}
	answer := &consulwire.NodeServices{Node: v.Node(name), Services: map[string]*consulwire.NodeService{}}
	if answer.Node == nil {
		return (*consulwire.NodeServices)(nil), nil // null
	}
	for _, i := range v.NodeInstances(name) {
		answer.Services[i.ID] = &i.NodeService
	}
	return answer, nil
}
