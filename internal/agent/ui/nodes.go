package ui

import (
	"net/http"
	"slices"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// nodeRow is a node in the list of all.
type nodeRow struct {
	Name, Address, Status string
	Instances             tally
	Total                 int
}

// nodesData is the page of all nodes.
type nodesData struct {
	Rows   []nodeRow
	Filter filter
	Total  int // of all, of which Pager.Total are left by the filter
	Pager  pager
}

func (h *Handler) nodes(r *request) answer {
	v, index := r.view(topics(catalog.Nodes, catalog.Services, catalog.Checks))
	data := nodesData{Filter: r.filter("filter.nodes")}
	healths := healthOf(v)
	var shown []nodeRow
	for _, n := range v.Nodes() {
		data.Total++
		row := nodeRow{Name: n.Node, Address: n.Address, Status: healths.node(n.Node), Instances: tally{}}
		if f := data.Filter; f.Status != "" && f.Status != row.Status || !f.contains(n.Node, n.Address) {
			continue
		}
		for _, i := range v.NodeInstances(n.Node) {
			row.Instances[healths.instance(i)]++
			row.Total++
		}
		shown = append(shown, row)
	}
	slices.SortStableFunc(shown, func(a, b nodeRow) int { return data.Filter.order(a.Status, b.Status, a.Name, b.Name) })
	data.Rows, data.Pager = cut(r, shown, rowsOnPage)
	return answer{page: page{name: "nodes", Title: r.text("nodes"), Section: "nodes", Data: data, Live: true, Index: index, r: r}}
}

// nodeData is the page of one node.
type nodeData struct {
	Name      string
	Node      *consulwire.Node // nil when there is none
	Status    string
	Meta      []pair
	Addresses []pair
	Checks    []checkView // of the node itself
	Instances []instanceView
	Pager     pager
}

func (h *Handler) node(r *request) answer {
	data := nodeData{Name: r.query.Get("name")}
	v, index := r.view(topics(catalog.Node(data.Name), catalog.Checks))
	p := page{name: "node", Title: data.Name, Section: "nodes", Live: true, Index: index, r: r}
	if data.Node = v.Node(data.Name); data.Node == nil {
		p.status, p.Data = http.StatusNotFound, data
		return answer{page: p}
	}
	data.Name, p.Title = data.Node.Node, data.Node.Node
	own := v.OwnChecks(data.Name)
	data.Status, data.Checks = statusAll(own), viewChecks(own)
	data.Meta, data.Addresses = pairs(data.Node.Meta), pairs(data.Node.TaggedAddresses)
	instances, pager := cut(r, v.NodeInstances(data.Name), rowsOnPage)
	for _, i := range instances {
		data.Instances = append(data.Instances, viewInstance(v, i))
	}
	data.Pager, p.Data = pager, data
	return answer{page: p}
}
