package httpapi

import (
	"net/http"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// coordinateEndpoints are those of network coordinates: a single agent is at the origin, and no other node has one.
func (h *Handler) coordinateEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/coordinate/datacenters", h.datacenterCoordinates},
		{http.MethodGet, "/v1/coordinate/nodes", h.blocking(whole(catalog.Nodes), func(catalog.View, *http.Request) (any, error) {
			return []consulwire.NodeCoordinate{}, nil
		})},
		{http.MethodGet, "/v1/coordinate/node/{name...}", func(http.ResponseWriter, *http.Request) (any, error) {
			return &codedAnswer{http.StatusNotFound, nil}, nil
		}},
		{http.MethodPut, "/v1/coordinate/update", updateCoordinate},
	}
}

// atOrigin is where every agent begins, as sure of it as one that has never measured.
var atOrigin = consulwire.Coordinate{Error: 1.5, Height: 1e-5}

func (h *Handler) datacenterCoordinates(http.ResponseWriter, *http.Request) (any, error) {
	return []consulwire.DatacenterCoordinates{{
		Datacenter: h.cfg.Datacenter, AreaID: "wan",
		Coordinates: []consulwire.NodeCoordinate{{Node: h.cfg.Node, Coord: atOrigin}},
	}}, nil
}

func updateCoordinate(_ http.ResponseWriter, r *http.Request) (any, error) {
	var update consulwire.NodeCoordinate
	if err := decode(r, &update); err != nil {
		return nil, err
	}
	return nil, fail("this agent keeps no network coordinates: it is alone on its machine")
}
