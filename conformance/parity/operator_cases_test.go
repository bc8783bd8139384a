package parity

import "slices"

const (
	noMesh      = "there is no service mesh: answered as by a Consul with connect disabled, where a development agent has it enabled"
	noQueries   = "refused: there are no prepared queries, and the text says what to ask instead"
	ownPages    = "an endpoint between Consul and its own pages, without promise; this agent has pages of its own"
	noUUIDQuery = "8f246b77-f3e1-ff88-5b48-8ec93abf3e05"
)

func operatorCases() []Case {
	return slices.Concat([]Case{settled()}, raftCases(), meshOffCases(), preparedQueryCases(), aclCases(), coordinateCases())
}

func raftCases() []Case {
	return []Case{
		probe("the leader in another datacenter", "GET /v1/status/leader?dc=zz"),
		probe("the peers in another datacenter", "GET /v1/status/peers?dc=zz"),
		probe("the leader with a namespace", "GET /v1/status/leader?ns=a"),
		probe("the servers", "GET /v1/operator/raft/configuration"),
		probe("the servers, stale", "GET /v1/operator/raft/configuration?stale"),
		probe("the servers, stale and consistent", "GET /v1/operator/raft/configuration?stale&consistent"),
		probe("the servers in another datacenter", "GET /v1/operator/raft/configuration?dc=zz"),
		probe("remove no server", "DELETE /v1/operator/raft/peer"),
		probe("remove by ID", "DELETE /v1/operator/raft/peer?id=x"),
		probe("remove by address", "DELETE /v1/operator/raft/peer?address=x"),
		probe("remove by both", "DELETE /v1/operator/raft/peer?address=x&id=x"),
		probe("a wrong verb", "GET /v1/operator/raft/peer"),
		probe("autopilot", "GET /v1/operator/autopilot/configuration"),
		probe("autopilot in another datacenter", "GET /v1/operator/autopilot/configuration?dc=zz"),
		probe("configure autopilot with cut JSON", "PUT /v1/operator/autopilot/configuration", `{`),
		probe("configure autopilot with an unknown field", "PUT /v1/operator/autopilot/configuration", `{"Nope":1}`),
		probe("configure autopilot with a bad cas", "PUT /v1/operator/autopilot/configuration?cas=x", `{}`),
		probe("configure autopilot with an old cas", "PUT /v1/operator/autopilot/configuration?cas=1", `{}`),
		probe("configure autopilot", "PUT /v1/operator/autopilot/configuration", `{"MaxTrailingLogs":300,"LastContactThreshold":"1s","MinQuorum":2}`),
		probe("autopilot as it was configured", "GET /v1/operator/autopilot/configuration"),
		probe("the health of servers", "GET /v1/operator/autopilot/health").
			ignoring("Servers.0.LastIndex", "Servers.0.StableSince").until(`"LastTerm": 2`),
		probe("the health of servers in another datacenter", "GET /v1/operator/autopilot/health?dc=zz"),
		probe("the state of autopilot", "GET /v1/operator/autopilot/state").ignoring("Servers.*.LastIndex", "Servers.*.StableSince").until(`"Meta": {`),
		probe("keys", "GET /v1/operator/keyring"),
		probe("a bad relay factor", "GET /v1/operator/keyring?relay-factor=9"),
		probe("a relay factor that is no number", "GET /v1/operator/keyring?relay-factor=x"),
		probe("local only: neither", "GET /v1/operator/keyring?local-only=x"),
		probe("install local only", "POST /v1/operator/keyring?local-only=true", `{"Key":"x"}`),
		probe("use with cut JSON", "PUT /v1/operator/keyring", `{`),
		probe("remove with an unknown field", "DELETE /v1/operator/keyring", `{"Nope":1}`),
	}
}

func meshOffCases() []Case {
	return []Case{
		probe("root certificates", "GET /v1/agent/connect/ca/roots").differing(noMesh),
		probe("a leaf certificate", "GET /v1/agent/connect/ca/leaf/web").differing(noMesh),
		probe("the roots of the servers", "GET /v1/connect/ca/roots").differing(noMesh),
		probe("the authority's configuration", "GET /v1/connect/ca/configuration").differing(noMesh),
		probe("authorize", "POST /v1/agent/connect/authorize", `{"Target":"web","ClientCertURI":"spiffe://a/ns/default/dc/dc1/svc/b","ClientCertSerial":"1"}`).differing(noMesh),
		probe("a discovery chain", "GET /v1/discovery-chain/web").differing(noMesh),
		probe("intentions", "GET /v1/connect/intentions"),
		probe("intentions with a namespace", "GET /v1/connect/intentions?ns=a"),
		probe("intentions in another datacenter", "GET /v1/connect/intentions?dc=zz"),
		probe("create an intention", "POST /v1/connect/intentions", `{"SourceName":"a","DestinationName":"b","Action":"allow"}`).differing(noMesh),
		probe("match", "GET /v1/connect/intentions/match?by=source&name=web"),
		probe("match several", "GET /v1/connect/intentions/match?by=destination&name=web&name=db"),
		probe("match by nothing", "GET /v1/connect/intentions/match"),
		probe("match by something else", "GET /v1/connect/intentions/match?by=x"),
		probe("match no name", "GET /v1/connect/intentions/match?by=source"),
		probe("match a name with too many slashes", "GET /v1/connect/intentions/match?by=source&name=a/b/c/d"),
		probe("check no source", "GET /v1/connect/intentions/check"),
		probe("check no destination", "GET /v1/connect/intentions/check?source=a"),
		probe("an exact one", "GET /v1/connect/intentions/exact?source=a&destination=zz"),
		probe("an exact one without a source", "GET /v1/connect/intentions/exact?destination=zz"),
		probe("one by ID", "GET /v1/connect/intentions/"+noUUIDQuery),
		probe("one by what is no ID", "GET /v1/connect/intentions/abc"),
		probe("a wrong verb", "PUT /v1/connect/intentions"),
		probe("entries of a kind", "GET /v1/config/service-router"),
		probe("entries of a kind in another datacenter", "GET /v1/config/service-router?dc=zz"),
		probe("an entry", "GET /v1/config/service-router/web"),
		probe("entries of an unknown kind", "GET /v1/config/zz"),
		probe("an entry of an unknown kind", "GET /v1/config/zz/a"),
		probe("delete an entry", "DELETE /v1/config/service-router/web"),
		probe("delete a kind", "DELETE /v1/config/service-router"),
		probe("delete of an unknown kind", "DELETE /v1/config/zz/a"),
		probe("apply cut JSON", "PUT /v1/config", `{`),
		probe("apply an entry", "PUT /v1/config", `{"Kind":"service-defaults","Name":"web","Protocol":"http"}`),
		probe("namespaces", "GET /v1/namespaces"),
		probe("partitions", "GET /v1/partitions"),
		probe("peerings, of later versions", "GET /v1/peerings"),
		probe("metrics of the pages", "GET /v1/internal/ui/metrics-proxy/x"),
		probe("what only Consul's own pages read", "GET /v1/internal/ui/services").differing(ownPages),
		probe("nodes for Consul's own pages", "GET /v1/internal/ui/nodes").differing(ownPages),
		probe("states of a federation", "GET /v1/internal/federation-states").differing("a single agent takes no part in a federation of datacenters"),
	}
}

func preparedQueryCases() []Case {
	return []Case{
		probe("no prepared queries", "GET /v1/query"),
		probe("prepared queries, stale and consistent", "GET /v1/query?stale&consistent"),
		probe("prepared queries in another datacenter", "GET /v1/query?dc=zz"),
		probe("create with cut JSON", "POST /v1/query", `{`),
		probe("create", "POST /v1/query", `{"Name":"a","Service":{"Service":"a"}}`).differing(noQueries),
		probe("an unknown query", "GET /v1/query/"+noUUIDQuery),
		probe("what is no ID", "GET /v1/query/xx"),
		probe("execute", "GET /v1/query/xx/execute"),
		probe("explain", "GET /v1/query/xx/explain"),
		probe("change", "PUT /v1/query/"+noUUIDQuery, `{}`),
		probe("change what is no ID", "PUT /v1/query/xx", `{}`),
		probe("delete", "DELETE /v1/query/"+noUUIDQuery),
		probe("delete what is no ID", "DELETE /v1/query/xx"),
		probe("a wrong verb", "POST /v1/query/xx"),
		probe("a wrong verb to execute", "PUT /v1/query/xx/execute"),
		probe("OPTIONS", "OPTIONS /v1/query/xx"),
		probe("OPTIONS to execute", "OPTIONS /v1/query/xx/execute"),
		probe("a wrong verb for all", "DELETE /v1/query"),
	}
}

func aclCases() []Case {
	var cases []Case
	for _, do := range []string{
		"PUT /v1/acl/bootstrap", "POST /v1/acl/login", "POST /v1/acl/logout", "GET /v1/acl/replication", "GET /v1/acl/policies", "PUT /v1/acl/policy", "GET /v1/acl/policy/a",
		"GET /v1/acl/policy/name/a", "GET /v1/acl/roles", "PUT /v1/acl/role", "DELETE /v1/acl/role/a", "GET /v1/acl/role/name/a", "GET /v1/acl/binding-rules", "PUT /v1/acl/binding-rule",
		"GET /v1/acl/binding-rule/a", "GET /v1/acl/auth-methods", "PUT /v1/acl/auth-method", "GET /v1/acl/auth-method/a", "GET /v1/acl/tokens", "PUT /v1/acl/token", "GET /v1/acl/token/self",
		"GET /v1/acl/token/a", "PUT /v1/acl/create", "PUT /v1/acl/update", "PUT /v1/acl/destroy/a", "GET /v1/acl/info/a", "PUT /v1/acl/clone/a", "GET /v1/acl/list", "POST /v1/acl/rules/translate",
		"GET /v1/acl/rules/translate/a", "PUT /v1/agent/token/default", "PUT /v1/agent/token/zz", "GET /v1/acl/bootstrap", "POST /v1/acl/tokens", "GET /v1/acl/tokens?dc=zz", "POST /v1/internal/acl/authorize",
	} {
		cases = append(cases, probe("access control is off", do))
	}
	return cases
}

func coordinateCases() []Case {
	return []Case{
		probe("coordinates of servers", "GET /v1/coordinate/datacenters").ignoring("0.Coordinates.0.Coord"),
		probe("coordinates of no node", "GET /v1/coordinate/node/zz"),
		probe("coordinates of nodes in another datacenter", "GET /v1/coordinate/nodes?dc=zz"),
		probe("coordinates of nodes, a bad index", "GET /v1/coordinate/nodes?index=x"),
		probe("coordinates of nodes in a partition", "GET /v1/coordinate/nodes?partition=a"),
		probe("update with cut JSON", "PUT /v1/coordinate/update", `{`),
		probe("update", "PUT /v1/coordinate/update", `{"Node":"n1","Coord":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.1}}`),
		probe("an update of few dimensions", "PUT /v1/coordinate/update", `{"Node":"n1","Coord":{"Vec":[0],"Error":1.5,"Adjustment":0,"Height":0.1}}`),
		probe("an update of an unknown node", "PUT /v1/coordinate/update", `{"Node":"zz","Coord":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.1}}`),
		probe("coordinates of a node", "GET /v1/coordinate/node/n1").until("Coord"),
		probe("a wrong verb", "GET /v1/coordinate/update"),
	}
}
