package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) catalogEndpoints() []endpoint {
	const noNode, noService = "Missing node name", "Missing service name"
	return []endpoint{
		{http.MethodPut, "/v1/catalog/register", h.register},
		{http.MethodPut, "/v1/catalog/deregister", h.deregister},
		{http.MethodGet, "/v1/catalog/datacenters", h.datacenters},
		{http.MethodGet, "/v1/catalog/nodes", h.list(listing{topic: everyone(catalog.Nodes), open: listNodes})},
		{http.MethodGet, "/v1/catalog/services", h.list(listing{topic: everyone(catalog.Services), open: listServices, cached: true})},
		{http.MethodGet, "/v1/catalog/service/{name...}", h.list(listing{topic: catalog.Service, open: catalogService, missing: noService, cached: true})},
		{http.MethodGet, "/v1/catalog/connect/{name...}", h.list(listing{topic: catalog.Mesh, open: catalogConnect, missing: noService, cached: true})},
		{http.MethodGet, "/v1/catalog/node/{name...}", h.list(listing{topic: h.nodeTopic, open: nodeServices, missing: noNode})},
		{http.MethodGet, "/v1/catalog/node-services/{name...}", h.list(listing{topic: h.nodeTopic, open: nodeServiceList, missing: noNode})},
		{http.MethodGet, "/v1/catalog/gateway-services/{name...}", h.list(listing{topic: catalog.Service, open: nothing, missing: "Missing gateway name"})},
	}
}

func (h *Handler) datacenters(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.URL.Query().Has("cached") {
		tellCache(w, true)
	}
	return []string{h.cfg.Datacenter}, nil
}

// list returns the list, never nil: Consul answers [] rather than null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// nothing opens what is empty in an agent without a service mesh.
func nothing(*question) (func(catalog.View) any, error) {
	return func(catalog.View) any { return []struct{}{} }, nil
}

// filtered opens a listing whose elements ?filter selects.
func filtered[T any](q *question, read func(catalog.View) []*T) (func(catalog.View) any, error) {
	selected, err := selector[T](q.Values)
	if err != nil {
		return nil, err
	}
	return func(v catalog.View) any { return list(selected.Select(read(v))) }, nil
}

func listNodes(q *question) (func(catalog.View) any, error) {
	return filtered(q, func(v catalog.View) []*consulwire.Node {
		return slices.DeleteFunc(v.Nodes(), func(n *consulwire.Node) bool { return !q.hasNodeMeta(n.Meta) })
	})
}

func listServices(q *question) (func(catalog.View) any, error) {
	if len(q.nodeMeta) == 0 {
		return func(v catalog.View) any { return v.Services() }, nil
	}
	return func(v catalog.View) any {
		return v.ServicesOn(func(n *consulwire.Node) bool { return q.hasNodeMeta(n.Meta) })
	}, nil
}

func catalogService(q *question) (func(catalog.View) any, error) {
	return catalogInstances(q, q.tags, catalog.View.Instances)
}

// catalogConnect opens the instances that stand for a service in a mesh. Tags are not read there, as in Consul.
func catalogConnect(q *question) (func(catalog.View) any, error) {
	return catalogInstances(q, nil, catalog.View.MeshInstances)
}

func catalogInstances(q *question, tags []string, read func(catalog.View, string) []*catalog.Instance) (func(catalog.View) any, error) {
	return filtered(q, func(v catalog.View) []*consulwire.CatalogService {
		var found []*consulwire.CatalogService
		for _, i := range read(v, q.name) {
			if node := v.Node(i.Node); hasTags(i, tags) && q.hasNodeMeta(node.Meta) {
				found = append(found, onNode(i, node))
			}
		}
		return found
	})
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
		ServiceEnableTagOverride: i.EnableTagOverride, ServiceProxy: i.Proxy, ServiceConnect: i.Connect,
		CreateIndex: i.CreateIndex, ModifyIndex: i.ModifyIndex,
	}
}

// nodeNamed returns the node of that name, or the one whose ID begins so. Consul takes whole bytes of the ID, of
// which each is two digits.
func nodeNamed(v catalog.View, name string) *consulwire.Node {
	if node := v.Node(name); node != nil {
		return node
	}
	prefix := name[:len(name)-len(name)%2]
	digits := strings.ReplaceAll(prefix, "-", "")
	if digits == "" || len(digits)%2 != 0 {
		return nil
	}
	return v.NodeByID(prefix)
}

func (h *Handler) nodeTopic(name string) catalog.Topic {
	if node := nodeNamed(h.cfg.Catalog.View(), name); node != nil {
		name = node.Node
	}
	return catalog.Node(name)
}

func nodeServices(q *question) (func(catalog.View) any, error) {
	selected, err := selector[consulwire.NodeService](q.Values)
	if err != nil {
		return nil, err
	}
	return func(v catalog.View) any {
		answer := &consulwire.NodeServices{Node: nodeNamed(v, q.name), Services: map[string]*consulwire.NodeService{}}
		if answer.Node == nil {
			return (*consulwire.NodeServices)(nil) // null
		}
		for _, i := range v.NodeInstances(answer.Node.Node) {
			if selected.Fits(&i.NodeService) {
				answer.Services[i.ID] = &i.NodeService
			}
		}
		return answer
	}, nil
}

func nodeServiceList(q *question) (func(catalog.View) any, error) {
	selected, err := selector[consulwire.NodeService](q.Values)
	if err != nil {
		return nil, err
	}
	return func(v catalog.View) any {
		answer := &consulwire.NodeServiceList{Node: nodeNamed(v, q.name)}
		if answer.Node == nil {
			return answer
		}
		answer.Services = []*consulwire.NodeService{}
		for _, i := range v.NodeInstances(answer.Node.Node) {
			if selected.Fits(&i.NodeService) {
				answer.Services = append(answer.Services, &i.NodeService)
			}
		}
		return answer
	}, nil
}
