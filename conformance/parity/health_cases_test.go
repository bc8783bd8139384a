package parity

import "slices"

// streamed are headers of Consul's second way to wait for the health of a service, which says "streaming", and that
// it knows no leader.
var streamed = []string{"X-Consul-Query-Backend", "X-Consul-Knownleader"}

func healthCases() []Case {
	return slices.Concat([]Case{settled(), {Name: "what the next cases ask for", Steps: fleet()}}, healthReads(), healthParameters(), healthFilters(), healthBlocking())
}

func healthReads() []Case {
	return []Case{
		probe("no service named", "GET /v1/health/service/"),
		probe("a service", "GET /v1/health/service/pg"),
		probe("a service in other letters", "GET /v1/health/service/Pg"),
		probe("an unknown service", "GET /v1/health/service/zz"),
		probe("the agent's own service", "GET /v1/health/service/consul").ignoring("0.Service.Port"),
		probe("only passing", "GET /v1/health/service/pg?passing"),
		probe("only passing: true", "GET /v1/health/service/pg?passing=true"),
		probe("only passing: 1", "GET /v1/health/service/pg?passing=1"),
		probe("only passing: false", "GET /v1/health/service/pg?passing=false"),
		probe("only passing: neither", "GET /v1/health/service/pg?passing=zz"),
		probe("a tag", "GET /v1/health/service/pg?tag=replica"),
		probe("tags", "GET /v1/health/service/pg?tag=primary&tag=V14"),
		probe("a wrong tag", "GET /v1/health/service/pg?tag=zz"),
		probe("metadata", "GET /v1/health/service/pg?node-meta=rack:r1"),
		probe("metadata, a tag and passing", "GET /v1/health/service/pg?node-meta=rack:r1&tag=v14&passing"),
		probe("in a mesh", "GET /v1/health/connect/pg"),
		probe("no service named in a mesh", "GET /v1/health/connect/"),
		probe("by a gateway", "GET /v1/health/ingress/pg"),
		probe("no service named by a gateway", "GET /v1/health/ingress/"),
		probe("in a mesh, passing: neither", "GET /v1/health/connect/pg?passing=zz"),
		probe("the checks of a service", "GET /v1/health/checks/pg"),
		probe("the checks of an unknown service", "GET /v1/health/checks/zz"),
		probe("the checks of no service", "GET /v1/health/checks/"),
		probe("the checks of a service by metadata", "GET /v1/health/checks/pg?node-meta=rack:r2"),
		probe("the checks of a node", "GET /v1/health/node/db1"),
		probe("the checks of a node in other letters", "GET /v1/health/node/DB1"),
		probe("the checks of the own node", "GET /v1/health/node/{node}"),
		probe("the checks of an unknown node", "GET /v1/health/node/zz"),
		probe("the checks of no node", "GET /v1/health/node/"),
		probe("checks that are passing", "GET /v1/health/state/passing"),
		probe("checks that are warning", "GET /v1/health/state/warning"),
		probe("checks that are critical", "GET /v1/health/state/critical"),
		probe("checks in any state", "GET /v1/health/state/any"),
		probe("checks in a state by metadata", "GET /v1/health/state/any?node-meta=rack:r1"),
		probe("checks in an unknown state", "GET /v1/health/state/zz"),
		probe("checks in no state", "GET /v1/health/state/"),
		probe("a wrong verb", "DELETE /v1/health/service/pg"),
		probe("gzip", "GET /v1/health/service/pg").with("Accept-Encoding", "gzip"),
		probe("pretty", "GET /v1/health/service/pg?pretty"),
	}
}

func healthParameters() []Case {
	var cases []Case
	for _, path := range []string{
		"/v1/health/service/pg", "/v1/health/connect/pg", "/v1/health/ingress/pg", "/v1/health/checks/pg", "/v1/health/node/db1", "/v1/health/state/warning",
	} {
		for _, parameters := range []string{
			"stale", "consistent", "stale&consistent", "max_stale=10s", "max_stale=x", "cached&consistent", "dc=dc1", "dc=zz", "ns=default", "partition=default",
			"peer=a", "index=x", "wait=x", "wait=-1s", "near=_agent&node-meta=rack:r1", "token=t",
		} {
			cases = append(cases, probe(parameters, "GET "+path+"?"+parameters))
		}
		cases = append(cases, probe("a namespace in a header", "GET "+path).with("X-Consul-Namespace", "a"))
	}
	cached := "GET /v1/health/service/pg?cached&passing"
	return append(cases, Case{Name: "from a cache", Steps: []Step{
		{Do: cached, Differs: "Consul asks its cache before it has heard of a leader, and says so; this agent knows itself", IgnoreHeaders: []string{"X-Consul-Query-Backend"}},
	}})
}

func healthFilters() []Case {
	var cases []Case
	add := func(path string, expressions ...string) {
		for _, e := range expressions {
			cases = append(cases, probe(e, "GET "+path+"?filter="+escape(e)))
		}
	}
	add("/v1/health/service/pg", `Service.Port == 5432`, `Service.Tags contains v14`, `"v14" not in Service.Tags`, `Node.Meta.rack == r1`, `Node.Node != db1`, `Checks.Status == critical`,
		`Checks.Status != passing`, `Checks is empty`, `Checks is not empty`, `Service.Meta.version == 14 and Node.Datacenter == dc1`, `Service.Weights.Warning == 2`, `Service.Connect.Native == false`,
		`not Checks.Status == passing`, `Checks.Name matches "^pg"`, `Foo == 1`, `Service.Foo == 1`, `Node.Node is empty`)
	add("/v1/health/connect/pg", `Service.Port == 5432`, `Foo == 1`)
	add("/v1/health/checks/pg", `Status == passing`, `ServiceTags contains v14`, `Node == db2`, `Definition.HTTP == x`, `Foo == 1`)
	add("/v1/health/node/db1", `ServiceID == ""`, `Name == "pg port"`, `Foo == 1`)
	add("/v1/health/state/any", `ServiceName == pg`, `Notes == "by hand"`, `Foo == 1`)
	return cases
}

func healthBlocking() []Case {
	const register = "PUT /v1/catalog/register"
	wait := func(name, path, body string) Case {
		return Case{Name: name, Steps: []Step{
			{Do: "GET " + path},
			{Do: "GET " + path + parameter(path) + "index={index}&wait=10s", IgnoreHeaders: streamed, Meanwhile: []Step{{Do: register, Body: body}}},
		}}
	}
	return []Case{
		wait("woken by the first instance", "/v1/health/service/h1", `{"Node":"h","Address":"10.4.0.1","Service":{"Service":"h1"}}`),
		wait("woken by a check of the service", "/v1/health/service/h1", `{"Node":"h","Address":"10.4.0.1","Check":{"Name":"a","ServiceID":"h1","Status":"passing"}}`),
		wait("woken by a check of the node", "/v1/health/service/h1", `{"Node":"h","Address":"10.4.0.1","Check":{"Name":"b","Status":"warning"}}`),
		wait("woken by a check that makes it vanish", "/v1/health/service/h1?passing", `{"Node":"h","Address":"10.4.0.1","Check":{"Name":"b","Status":"critical"}}`),
		wait("woken by the node", "/v1/health/service/h1", `{"Node":"h","Address":"10.4.0.2"}`),
		wait("woken by a check", "/v1/health/checks/h1", `{"Node":"h","Address":"10.4.0.2","Check":{"Name":"c","ServiceID":"h1","Status":"passing"}}`),
		wait("woken by a check of the node itself", "/v1/health/node/h", `{"Node":"h","Address":"10.4.0.2","Check":{"Name":"d","Status":"passing"}}`),
		wait("woken by a check in a state", "/v1/health/state/warning", `{"Node":"h","Address":"10.4.0.2","Check":{"Name":"e","Status":"warning"}}`),
		{Name: "how it waits", Steps: []Step{
			{Do: "GET /v1/health/service/pg"},
			{Do: "GET /v1/health/service/pg?index={index}&wait=200ms", Differs: "Consul names its way to wait, streaming, and says that it knows no leader then; this agent has one way to wait and always knows"},
		}},
		{Name: "not woken in time", Steps: []Step{
			{Do: "GET /v1/health/service/pg"},
			{Do: "GET /v1/health/service/pg?index={index}&wait=200ms", IgnoreHeaders: streamed},
		}},
	}
}
