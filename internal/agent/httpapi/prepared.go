package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// queryEndpoints are those of prepared queries. There are none, and none can be made.
func (h *Handler) queryEndpoints() []endpoint {
	return []endpoint{
		{"GET,POST", "/v1/query", h.preparedQueries},
		{"", "/v1/query/{name...}", h.preparedQuery},
	}
}

func (h *Handler) preparedQueries(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method == http.MethodPost {
		return createPreparedQuery(w, r)
	}
	w.Header().Set("X-Consul-Effective-Consistency", consistency(r))
	return h.blocking(whole(catalog.Services), func(catalog.View, *http.Request) (any, error) { return []struct{}{}, nil })(w, r)
}

func createPreparedQuery(_ http.ResponseWriter, r *http.Request) (any, error) {
	var query map[string]any
	if err := decode(r, &query); err != nil {
		return nil, err
	}
	return nil, fail("this agent has no prepared queries: ask /v1/health/service/ with ?passing, ?tag and ?near instead")
}

func (*Handler) preparedQuery(w http.ResponseWriter, r *http.Request) (any, error) {
	id, action := r.PathValue("name"), ""
	for _, name := range []string{"/execute", "/explain"} {
		if whose, ok := strings.CutSuffix(id, name); ok {
			id, action = whose, name
		}
	}
	allowed := "GET,PUT,DELETE"
	if action != "" {
		allowed = http.MethodGet
	}
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", "OPTIONS,"+allowed)
		return struct{}{}, nil
	case !strings.Contains(","+allowed+",", ","+r.Method+","):
		w.Header().Set("Allow", allowed)
		return nil, &statusError{http.StatusMethodNotAllowed, fmt.Sprintf("method %s not allowed", r.Method)}
	}
	err := uuidError(id)
	if r.Method != http.MethodGet {
		return nil, changeQuery(id, err)
	}
	meta(w, 0, false)
	if err != nil && action == "" {
		return nil, fail("failed prepared query lookup: index error: %v", err)
	}
	return nil, &statusError{http.StatusNotFound, "Query not found"}
}

func changeQuery(id string, invalid error) error {
	if invalid != nil {
		return fail("Prepared Query lookup failed: failed prepared query lookup: index error: %v", invalid)
	}
	return fail("Cannot modify non-existent prepared query: '%s'", id)
}
