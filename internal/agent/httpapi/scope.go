package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// scope says which of the general parameters an endpoint looks at. The others it ignores, as in Consul.
type scope struct {
	namespace  bool // refuses ?ns
	partition  bool // refuses ?partition
	options    bool // reads consistency, caching and waiting
	datacenter bool // refuses another ?dc
}

// scopes are by path, the longest prefix first.
var scopes = []struct {
	prefix string
	scope  scope
}{
	{"/v1/acl/", scope{}},
	{"/v1/agent/connect/ca/roots", scope{options: true, datacenter: true}},
	{"/v1/agent/connect/ca/leaf", scope{namespace: true, partition: true, options: true, datacenter: true}},
	{"/v1/agent/members", scope{partition: true}},
	{"/v1/agent/join", scope{partition: true}},
	{"/v1/agent/force-leave", scope{partition: true}},
	{"/v1/agent/service", scope{namespace: true, partition: true}},
	{"/v1/agent/check", scope{namespace: true, partition: true}},
	{"/v1/agent/health", scope{namespace: true, partition: true}},
	{"/v1/agent/connect/authorize", scope{namespace: true, partition: true}},
	{"/v1/agent/", scope{}},
	{"/v1/catalog/datacenters", scope{}},
	{"/v1/catalog/nodes", scope{partition: true, options: true, datacenter: true}},
	{"/v1/catalog/register", scope{namespace: true, partition: true}},
	{"/v1/catalog/deregister", scope{namespace: true, partition: true}},
	{"/v1/coordinate/datacenters", scope{}},
	{"/v1/coordinate/update", scope{namespace: true, partition: true, datacenter: true}},
	{"/v1/coordinate/", scope{partition: true, options: true, datacenter: true}},
	{"/v1/event/list", scope{}},
	{"/v1/event/", scope{datacenter: true}},
	{"/v1/operator/keyring", scope{}},
	{"/v1/operator/raft/peer", scope{datacenter: true}},
	{"/v1/operator/", scope{options: true, datacenter: true}},
	{"/v1/connect/ca", scope{options: true, datacenter: true}},
	{"/v1/query", scope{options: true, datacenter: true}},
	{"/v1/status/", scope{datacenter: true}},
	{"/v1/snapshot", scope{options: true, datacenter: true}},
	{"/v1/", scope{namespace: true, partition: true, options: true, datacenter: true}},
}

func scopeOf(path string) scope {
	for _, s := range scopes {
		if strings.HasPrefix(path, s.prefix) {
			return s.scope
		}
	}
	return scope{}
}

// checked refuses what applies to every endpoint of a scope before it runs.
func (h *Handler) checked(e endpoint) func(http.ResponseWriter, *http.Request) (any, error) {
	scope := scopeOf(e.path)
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		if err := scope.enterprise(r); err != nil {
			return nil, err
		}
		if scope.options && r.Method == http.MethodGet {
			if err := options(r); err != nil {
				return nil, err
			}
		}
		if dc := r.URL.Query().Get("dc"); scope.datacenter && dc != "" && dc != h.cfg.Datacenter {
			if r.Method == http.MethodGet && tellsMeta(e.path) {
				meta(w, 0, false)
			}
			return nil, errNoDatacenter
		}
		return e.handle(w, r)
	}
}

var errNoDatacenter = &statusError{http.StatusInternalServerError, "No path to datacenter"}

// tellsMeta reports whether the endpoint has headers about its index even on an error: most of those that block.
func tellsMeta(path string) bool {
	for _, without := range []string{
		"/v1/health/service", "/v1/health/connect", "/v1/health/ingress", "/v1/kv/", "/v1/snapshot", "/v1/status/", "/v1/operator/", "/v1/config/", "/v1/agent/", "/v1/kv/",
		"/v1/connect/intentions/check", "/v1/connect/intentions/exact", "/v1/connect/intentions/{", "/v1/connect/ca/configuration",
	} {
		if strings.HasPrefix(path, without) {
			return false
		}
	}
	return true
}

// enterprise refuses what belongs to another edition of Consul.
func (s scope) enterprise(r *http.Request) error {
	query := r.URL.Query()
	for _, refused := range []struct {
		by                     bool
		header, query, feature string
	}{
		{s.namespace, "X-Consul-Namespace", "ns", "Namespaces"},
		{s.partition, "X-Consul-Partition", "partition", "Partitions"},
	} {
		switch {
		case !refused.by:
		case r.Header.Get(refused.header) != "":
			return badRequest("Invalid header: %q - %s are a Consul Enterprise feature", refused.header, refused.feature)
		case query.Get(refused.query) != "":
			return badRequest("Invalid query parameter: %q - %s are a Consul Enterprise feature", refused.query, refused.feature)
		}
	}
	return nil
}

// options judges the parameters of consistency, caching and waiting. All consistencies are the same here: there is
// one copy of the state.
func options(r *http.Request) error {
	query := r.URL.Query()
	stale := query.Has("stale")
	if text := query.Get("max_stale"); text != "" {
		most, err := time.ParseDuration(text)
		if err != nil {
			return plainBadRequest(fmt.Sprintf("Invalid max_stale value %q", text))
		}
		stale = stale || most > 0
	}
	if query.Has("consistent") && stale {
		return plainBadRequest("Cannot specify ?stale with ?consistent, conflicting semantics.")
	}
	if query.Has("consistent") && query.Has("cached") {
		return plainBadRequest("Cannot specify ?cached with ?consistent, conflicting semantics.")
	}
	if err := cacheControl(r.Header.Get("Cache-Control")); err != nil {
		return err
	}
	_, _, err := waitFor(r)
	return err
}

// cacheControl judges the header: nothing is ever older here than what it may ask for.
func cacheControl(header string) error {
	for directive := range strings.SplitSeq(strings.ToLower(header), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if name != "max-age" && name != "stale-if-error" {
			continue
		}
		if _, err := strconv.Atoi(value); err != nil {
			return plainBadRequest("Invalid Cache-Control header.")
		}
	}
	return nil
}

// consistency returns what X-Consul-Effective-Consistency tells.
func consistency(r *http.Request) string {
	query := r.URL.Query()
	if query.Has("consistent") {
		return "consistent"
	}
	if most, err := time.ParseDuration(query.Get("max_stale")); query.Has("stale") || err == nil && most > 0 {
		return "stale"
	}
	return "leader"
}

// plainBadRequest is a bad request whose text stands alone.
func plainBadRequest(text string) error { return &statusError{http.StatusBadRequest, text} }

// meta sets the headers of an answer that has an index; those of a failure know none and no leader.
func meta(w http.ResponseWriter, index uint64, known bool) {
	header := w.Header()
	header.Set("X-Consul-Index", strconv.FormatUint(max(index, 1), 10))
	header.Set("X-Consul-Knownleader", strconv.FormatBool(known))
	header.Set("X-Consul-Lastcontact", "0")
	header.Set("X-Consul-Query-Backend", "blocking-query")
}
