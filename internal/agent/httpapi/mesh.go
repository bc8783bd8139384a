package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// meshEndpoints are those of Consul's service mesh, which is off: certificates are refused, and there are no intentions.
func (h *Handler) meshEndpoints() []endpoint {
	return []endpoint{
		{http.MethodPost, "/v1/agent/connect/authorize", meshOff},
		{http.MethodGet, "/v1/agent/connect/ca/roots", meshOff},
		{http.MethodGet, "/v1/agent/connect/ca/leaf/{name...}", meshOff},
		{"GET,PUT", "/v1/connect/ca/configuration", meshOff},
		{http.MethodGet, "/v1/connect/ca/roots", meshOff},
		{"GET,POST", "/v1/discovery-chain/{name...}", meshOff},
		{"GET,POST", "/v1/connect/intentions", readOnly(h.blocking(whole(catalog.Services), noIntentions))},
		{http.MethodGet, "/v1/connect/intentions/match", h.intentionMatch},
		{http.MethodGet, "/v1/connect/intentions/check", intentionCheck},
		{"GET,PUT,DELETE", "/v1/connect/intentions/exact", readOnly(intentionExact)},
		{"GET,PUT,DELETE", "/v1/connect/intentions/{id...}", readOnly(intentionByID)},
	}
}

const meshIsOff = "Connect must be enabled in order to use this endpoint"

func meshOff(http.ResponseWriter, *http.Request) (any, error) { return nil, fail(meshIsOff) }

// readOnly lets reads through and refuses the rest.
func readOnly(read func(http.ResponseWriter, *http.Request) (any, error)) func(http.ResponseWriter, *http.Request) (any, error) {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		if r.Method == http.MethodGet {
			return read(w, r)
		}
		return meshOff(w, r)
	}
}

func noIntentions(catalog.View, *http.Request) (any, error) { return []struct{}{}, nil }

func (h *Handler) intentionMatch(w http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	switch by := query["by"]; {
	case len(by) != 1:
		return nil, fail("required query parameter 'by' not set")
	case by[0] != "source" && by[0] != "destination":
		return nil, fail("'by' parameter must be one of 'source' or 'destination'")
	case len(query["name"]) == 0:
		return nil, fail("required query parameter 'name' not set")
	}
	matches := make(map[string][]struct{}) // null for each: nothing matches
	for _, name := range query["name"] {
		if strings.Count(name, "/") > 2 {
			return nil, fail("name %q is invalid: input can contain at most two '/'", name)
		}
		matches[name] = nil
	}
	w.Header().Set("X-Consul-Effective-Consistency", consistency(r))
	return h.blocking(whole(catalog.Services), func(catalog.View, *http.Request) (any, error) { return matches, nil })(w, r)
}

// pair reads ?source and ?destination.
func pair(r *http.Request) error {
	for _, name := range []string{"source", "destination"} {
		values := r.URL.Query()[name]
		if len(values) != 1 {
			return fail("required query parameter '%s' not set", name)
		}
		if strings.Count(values[0], "/") > 2 {
			return fail("%s %q is invalid: input can contain at most two '/'", name, values[0])
		}
	}
	return nil
}

func intentionCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := pair(r); err != nil {
		return nil, err
	}
	return struct{ Allowed bool }{true}, nil
}

var errNoIntention = &statusError{http.StatusNotFound, "Intention not found"}

func intentionExact(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := pair(r); err != nil {
		return nil, err
	}
	return nil, errNoIntention
}

func intentionByID(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := uuidError(r.PathValue("id")); err != nil {
		return nil, badRequest("failed config entry lookup: index error: %v", err)
	}
	return nil, errNoIntention
}

// uuidError says why a text is no UUID, as Consul's index of UUIDs does.
func uuidError(text string) error {
	if len(text) != uuidLength {
		return fmt.Errorf("UUID must be %d characters", uuidLength)
	}
	if !nodeID.MatchString(text) {
		return fmt.Errorf("UUID %q is improperly formatted", text)
	}
	return nil
}
