package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// coordinateEndpoints are those of network coordinates: a single agent is at the origin, and of other nodes it tells what
// they, or who knows them, have told.
func (h *Handler) coordinateEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/coordinate/datacenters", h.datacenterCoordinates},
		{http.MethodGet, "/v1/coordinate/nodes", h.blocking(whole(catalog.Documents(catalog.Coordinates)), nodeCoordinates)},
		{http.MethodGet, "/v1/coordinate/node/{name...}", h.nodeCoordinate},
		{http.MethodPut, "/v1/coordinate/update", h.updateCoordinate},
	}
}

func nodeCoordinates(v catalog.View, r *http.Request) (any, error) {
	segment, all := r.URL.Query().Get("segment"), []consulwire.NodeCoordinate{}
	for _, document := range v.Documents(catalog.Coordinates) {
		var c consulwire.NodeCoordinate
		if err := json.Unmarshal(document.Content, &c); err != nil {
			return nil, err
		}
		if segment == "" || c.Segment == segment {
			all = append(all, c)
		}
	}
	return all, nil
}

func (h *Handler) nodeCoordinate(w http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if h.cfg.Catalog.View().Document(catalog.Coordinates, name) == nil {
		return &codedAnswer{http.StatusNotFound, nil}, nil
	}
	return h.blocking(whole(catalog.Documents(catalog.Coordinates)), func(v catalog.View, _ *http.Request) (any, error) {
		document := v.Document(catalog.Coordinates, name)
		if document == nil {
			return &codedAnswer{http.StatusNotFound, nil}, nil
		}
		var c consulwire.NodeCoordinate
		err := json.Unmarshal(document.Content, &c)
		return []consulwire.NodeCoordinate{c}, err
	})(w, r)
}

// atOrigin is where every agent begins, as sure of it as one that has never measured.
var atOrigin = consulwire.Coordinate{Error: 1.5, Height: 1e-5}

func (h *Handler) datacenterCoordinates(http.ResponseWriter, *http.Request) (any, error) {
	return []consulwire.DatacenterCoordinates{{
		Datacenter: h.cfg.Datacenter, AreaID: "wan",
		Coordinates: []consulwire.NodeCoordinate{{Node: h.cfg.Node, Coord: atOrigin}},
	}}, nil
}

// updateCoordinate keeps the coordinate of a node that there is, and forgets that of another, as Consul does.
func (h *Handler) updateCoordinate(_ http.ResponseWriter, r *http.Request) (any, error) {
	var update struct {
		Datacenter, Token, Node, Segment string
		Coord                            struct {
			Vec                       []float64
			Error, Adjustment, Height float64
		}
	}
	if err := decode(r, &update); err != nil {
		return nil, err
	}
	if len(update.Coord.Vec) != len(atOrigin.Vec) {
		return nil, fail("incompatible coordinate")
	}
	return nil, failure(h.cfg.Catalog.Write(func(w *catalog.Writer) error {
		node := w.Node(update.Node)
		if node == nil {
			return nil
		}
		content, err := json.Marshal(&consulwire.NodeCoordinate{Node: node.Node, Segment: update.Segment, Coord: consulwire.Coordinate{
			Vec: [8]float64(update.Coord.Vec), Error: update.Coord.Error, Adjustment: update.Coord.Adjustment, Height: update.Coord.Height,
		}})
		if err != nil {
			return err
		}
		return w.SetDocument(catalog.Coordinates, node.Node, content)
	}))
}
