package parity

import (
	"slices"
	"strings"
)

const (
	laterParser = "the expression is refused with the text of a later version of the same parser, which lists more that could follow"
)

// fleet are nodes and instances without agents, in the catalog of both.
func fleet() []Step {
	return []Step{
		{Do: "PUT /v1/catalog/register", Body: `{"Node":"db1","ID":"11111111-1111-1111-1111-111111111111","Address":"10.0.0.1",
			"TaggedAddresses":{"lan":"10.0.0.1","wan":"1.2.3.4"},"NodeMeta":{"rack":"r1","os":"linux"},
			"Service":{"ID":"pg1","Service":"pg","Port":5432,"Tags":["Primary","v14"],"Meta":{"version":"14"},"Weights":{"Passing":5,"Warning":2}},
			"Checks":[{"CheckID":"alive","Name":"node alive","Status":"passing"},{"CheckID":"pg1:tcp","Name":"pg port","ServiceID":"pg1","Status":"passing","Output":"ok","Notes":"by hand"}]}`},
		{Do: "PUT /v1/catalog/register", Body: `{"Node":"db2","Address":"10.0.0.2","NodeMeta":{"rack":"r2"},
			"Service":{"ID":"pg2","Service":"pg","Port":5433,"Tags":["replica","v14"],"Address":"10.9.9.9","EnableTagOverride":true,
			"TaggedAddresses":{"wan":{"Address":"5.6.7.8","Port":99}}},
			"Check":{"CheckID":"pg2:tcp","Name":"pg port","ServiceID":"pg2","Status":"warning"}}`},
		{Do: "PUT /v1/catalog/register", Body: `{"Node":"db3","Address":"10.0.0.3",
			"Service":{"ID":"pg3","Service":"pg","Port":5434},
			"Check":{"CheckID":"pg3:tcp","Name":"pg port","ServiceID":"pg3","Status":"critical"}}`},
	}
}

// settled waits until a Consul that has just started knows all of its own node.
func settled() Case {
	return probe("once the agent has started", "GET /v1/catalog/node/{node}").until("lan_ipv4").ignoring("Services.consul.Port")
}

func catalogCases() []Case {
	return slices.Concat([]Case{settled()}, catalogWrites(), catalogReads(), filterCases(), blockingCases())
}

func catalogWrites() []Case {
	const register, deregister = "PUT /v1/catalog/register", "PUT /v1/catalog/deregister"
	refused := func(name, body string) Case { return probe(name, register, body) }
	x := func(more string) string { return `{"Node":"x","Address":"10.1.1.1"` + more + `}` }
	return []Case{
		{Name: "nodes, instances and checks without an agent", Steps: fleet()},
		refused("an empty body", ``),
		refused("cut JSON", `{`),
		refused("a number for a text", `{"Node":1}`).differing("the type in the text has another name"),
		refused("null", `null`),
		refused("nothing in it", `{}`),
		refused("no address", `{"Node":"x"}`),
		refused("a short node ID", x(`,"ID":"zz"`)),
		refused("a node ID that is no UUID", x(`,"ID":"zzzzzzzz-1111-1111-1111-111111111111"`)).differing("the text says less of what is wrong"),
		refused("an unknown field", `{"Nope":1}`),
		refused("an unknown field of the service", x(`,"Service":{"Service":"a","Nope":1}`)),
		refused("a namespace", x(`,"Namespace":"a"`)),
		refused("another datacenter", x(`,"Datacenter":"zz"`)),
		refused("this datacenter", x(`,"Datacenter":"dc1"`)),
		refused("a service without a name", x(`,"Service":{"ID":"a"}`)),
		refused("an empty service", `{"Node":"xe","Address":"10.1.1.1","Service":{}}`).differing("refused: Consul keeps a service without a name or ID, which nobody can ask for"),
		refused("a service at an unspecified address", x(`,"Service":{"Service":"a","Address":"0.0.0.0"}`)),
		refused("bad service metadata", x(`,"Service":{"Service":"a","Meta":{"a b":"c"}}`)),
		refused("reserved service metadata", x(`,"Service":{"Service":"a","Meta":{"consul-x":"c"}}`)),
		refused("a check of another node", x(`,"Check":{"Name":"c","Node":"y"}`)),
		refused("a check of an unknown service", x(`,"Check":{"Name":"c","ServiceID":"y"}`)),
		refused("a check without a name", x(`,"Check":{}`)),
		refused("a bad duration in a check's definition", x(`,"Check":{"Name":"c","Definition":{"Interval":"zz"}}`)),
		refused("weights that are none become 1", x(`,"Service":{"Service":"a","Weights":{"Passing":-1,"Warning":1}}`)),
		probe("the result of that", "GET /v1/health/service/a"),
		refused("a check with a definition", x(`,"Check":{"Name":"c","Status":"passing","Definition":{"HTTP":"http://a","Interval":"5s","Timeout":1000000000,"TTL":"3s","Header":{"a":["b"]},"DeregisterCriticalServiceAfter":"1m","Nope":1}}`)),
		refused("a check of any status", x(`,"Check":{"Name":"d","Status":"zz"}`)),
		refused("a TTL check", x(`,"Check":{"Name":"e","Definition":{"TTL":"3s"}}`)),
		probe("the result of those", "GET /v1/health/node/x"),
		refused("no update of the node", `{"Node":"x","SkipNodeUpdate":true,"Service":{"Service":"q"}}`),
		probe("the node is as it was", "GET /v1/catalog/node/x"),
		refused("an update of the node", `{"Node":"x","Address":"10.1.1.9"}`),
		probe("the node has changed", "GET /v1/catalog/node/x"),
		refused("a node without an address", `{"Node":"x9","SkipNodeUpdate":true}`),
		refused("names that DNS does not take", `{"Node":"x y.z","Address":"no address"}`),
		refused("a node in other letters", `{"Node":"X","Address":"10.1.1.2"}`),
		probe("is the same node", "GET /v1/catalog/node/x").ignoring("Node.Node"),
		{Name: "a node renamed by its ID", Steps: []Step{
			{Do: register, Body: `{"Node":"old","ID":"22222222-1111-1111-1111-111111111111","Address":"10.2.2.2"}`},
			{Do: register, Body: `{"Node":"new","ID":"22222222-1111-1111-1111-111111111111","Address":"10.2.2.2"}`},
			{Do: "GET /v1/catalog/node/old"},
			{Do: "GET /v1/catalog/node/new"},
		}},
		refused("the agent's own name with another ID", `{"Node":"{node}","ID":"33333333-1111-1111-1111-111111111111","Address":"10.2.2.2"}`),
		{Name: "a service and checks removed", Steps: []Step{
			{Do: register, Body: x(`,"Service":{"ID":"w1","Service":"gone"},"Checks":[{"Name":"k1","ServiceID":"w1"},{"Name":"k2"}]`)},
			{Do: deregister, Body: `{"Node":"x","CheckID":"k2","Address":"obsolete"}`},
			{Do: deregister, Body: `{"Node":"x","ServiceID":"w1","CheckID":"e"}`},
			{Do: "GET /v1/health/node/x"},
			{Do: "GET /v1/catalog/service/gone"},
		}},
		probe("cut JSON to deregister", deregister, `{`),
		probe("an unknown field to deregister", deregister, `{"Nope":1}`),
		probe("a namespace to deregister", deregister, `{"Node":"x","Namespace":"a"}`),
		probe("deregister nothing", deregister, `{}`),
		probe("deregister in another datacenter", deregister, `{"Node":"x","Datacenter":"zz"}`),
		probe("deregister an unknown node", deregister, `{"Node":"zz"}`),
		probe("deregister an unknown service", deregister, `{"Node":"x","ServiceID":"zz"}`),
		probe("deregister an unknown check", deregister, `{"Node":"x","CheckID":"zz"}`),
		{Name: "deregister a node with all on it", Steps: []Step{
			{Do: deregister, Body: `{"Node":"X"}`},
			{Do: "GET /v1/catalog/node/x"},
			{Do: "GET /v1/health/node/x"},
			{Do: "GET /v1/catalog/service/q"},
		}},
		probe("register with a namespace in the query", "PUT /v1/catalog/register?ns=a", x(``)),
		probe("register in a partition", "PUT /v1/catalog/register?partition=default", x(``)),
		probe("a wrong verb", "POST /v1/catalog/register", x(``)),
		{Name: "tidy up", Steps: []Step{
			{Do: deregister, Body: `{"Node":"x9"}`}, {Do: deregister, Body: `{"Node":"xe"}`}, {Do: deregister, Body: `{"Node":"x y.z"}`}, {Do: deregister, Body: `{"Node":"new"}`},
		}},
	}
}

func catalogReads() []Case {
	cases := []Case{
		probe("the datacenters", "GET /v1/catalog/datacenters"),
		probe("the datacenters of another", "GET /v1/catalog/datacenters?dc=zz"),
		probe("a wrong verb", "PUT /v1/catalog/nodes"),
		probe("HEAD", "HEAD /v1/catalog/nodes"),
		probe("OPTIONS", "OPTIONS /v1/catalog/nodes"),
		probe("a trailing slash", "GET /v1/catalog/nodes/"),
		probe("a double slash", "GET /v1/catalog//nodes?dc=dc1"),
		probe("an escaped slash", "GET /v1/catalog/service/a%2Fb"),
		probe("dots in a path", "GET /v1/catalog/service/a/../b"),
		probe("an unprintable name", "GET /v1/catalog/service/%01"),
		probe("a name in invalid UTF-8", "GET /v1/catalog/service/%ff"),
		probe("a query that cannot be read", "GET /v1/catalog/nodes?a=%zz"),
		probe("a query with a semicolon", "GET /v1/catalog/nodes?a=1;b=2"),
		probe("an unknown endpoint", "GET /v1/nope"),
		probe("an unknown path", "GET /nope"),
		probe("another version", "GET /v2/catalog/nodes"),
		probe("POST to an unknown path", "POST /v1/nope"),
		probe("a token that is not used", "GET /v1/catalog/datacenters").with("X-Consul-Token", "t"),
		probe("a bearer token that is not used", "GET /v1/catalog/datacenters").with("Authorization", "Bearer t"),
		probe("a page of another site", "GET /v1/catalog/datacenters").with("Origin", "http://example.com").
			differing("refused: a page of any site could otherwise read and write what is registered on the machine of who looks at it"),
		probe("gzip", "GET /v1/catalog/service/pg").with("Accept-Encoding", "gzip"),
		probe("gzip refused", "GET /v1/catalog/service/pg").with("Accept-Encoding", "gzip;q=0"),
		probe("gzip among others", "GET /v1/catalog/service/pg").with("Accept-Encoding", "br;q=1.0, gzip;q=0.5, *;q=0.1"),
		probe("gzip of a small answer", "GET /v1/catalog/datacenters").with("Accept-Encoding", "gzip"),
		probe("no node named", "GET /v1/catalog/node/"),
		probe("a node", "GET /v1/catalog/node/db1"),
		probe("a node in other letters", "GET /v1/catalog/node/DB1"),
		probe("a node by the beginning of its ID", "GET /v1/catalog/node/11111111"),
		probe("a node by its ID", "GET /v1/catalog/node/11111111-1111-1111-1111-111111111111"),
		probe("a node by half a byte of its ID", "GET /v1/catalog/node/11111111-11"),
		probe("an unknown node", "GET /v1/catalog/node/zz"),
		probe("the own node", "GET /v1/catalog/node/{node}").ignoring("Services.consul.Port"),
		probe("a node's services as a list", "GET /v1/catalog/node-services/db2"),
		probe("an unknown node's services as a list", "GET /v1/catalog/node-services/zz"),
		probe("no node named for its services", "GET /v1/catalog/node-services/"),
		probe("no service named", "GET /v1/catalog/service/"),
		probe("a service", "GET /v1/catalog/service/pg"),
		probe("a service in other letters", "GET /v1/catalog/service/PG"),
		probe("an unknown service", "GET /v1/catalog/service/zz"),
		probe("the service of the agent itself", "GET /v1/catalog/service/consul").ignoring("0.ServicePort"),
		probe("a service in a mesh", "GET /v1/catalog/connect/pg"),
		probe("no service named in a mesh", "GET /v1/catalog/connect/"),
		probe("the services of a gateway", "GET /v1/catalog/gateway-services/pg"),
		probe("no gateway named", "GET /v1/catalog/gateway-services/"),
		probe("all services", "GET /v1/catalog/services").ignoring("pg"),
		probe("pretty", "GET /v1/catalog/services?pretty").ignoring("pg"),
		probe("metadata of a node to find services", "GET /v1/catalog/services?node-meta=rack:r1").ignoring("pg"),
		probe("metadata that no node has", "GET /v1/catalog/services?node-meta=rack:zz"),
		probe("metadata without a value", "GET /v1/catalog/nodes?node-meta=rack"),
		probe("metadata to find nodes", "GET /v1/catalog/nodes?node-meta=rack:r1"),
		probe("several metadata to find nodes", "GET /v1/catalog/nodes?node-meta=rack:r1&node-meta=os:linux"),
		probe("several metadata of which one is wrong", "GET /v1/catalog/nodes?node-meta=rack:r1&node-meta=os:zz"),
		probe("metadata to find instances", "GET /v1/catalog/service/pg?node-meta=rack:r2"),
		probe("a tag", "GET /v1/catalog/service/pg?tag=replica"),
		probe("a tag in other letters", "GET /v1/catalog/service/pg?tag=primary"),
		probe("several tags", "GET /v1/catalog/service/pg?tag=v14&tag=replica"),
		probe("several tags of which one is wrong", "GET /v1/catalog/service/pg?tag=v14&tag=zz"),
		probe("an empty tag", "GET /v1/catalog/service/pg?tag="),
		probe("an unknown parameter", "GET /v1/catalog/service/pg?nope=1"),
		probe("a peer, which this version ignores", "GET /v1/catalog/service/pg?peer=a"),
	}
	return append(cases, parameterCases()...)
}

// parameterCases are the general parameters on every listing of the catalog.
func parameterCases() []Case {
	var cases []Case
	for _, path := range []string{
		"/v1/catalog/nodes", "/v1/catalog/services", "/v1/catalog/service/pg", "/v1/catalog/connect/pg", "/v1/catalog/node/db1",
		"/v1/catalog/node-services/db1", "/v1/catalog/gateway-services/pg",
	} {
		for _, parameters := range []string{
			"stale", "consistent", "leader", "stale&consistent", "max_stale=10s", "max_stale=0s", "max_stale=x", "max_stale=10s&consistent", "cached&consistent",
			"dc=dc1", "dc=DC1", "dc=zz", "ns=default", "partition=default", "index=x", "index=-1", "wait=x", "wait=-1s", "wait=10", "index=0&wait=1s", "index=1&wait=1ms",
			"near=_agent&node-meta=rack:r1", "near=zz&node-meta=rack:r1", "token=t",
		} {
			c := probe(parameters, "GET "+path+"?"+parameters).ignoring("Services.consul.Port", "pg")
			if strings.HasPrefix(parameters, "index=1&") {
				c = c.ignoring("*.ServicePort")
			}
			cases = append(cases, c)
		}
		cases = append(cases,
			probe("max-age", "GET "+path).with("Cache-Control", "max-age=10, stale-if-error=30, must-revalidate").ignoring("pg"),
			probe("a max-age that is no number", "GET "+path).with("Cache-Control", "max-age=x"),
			probe("a namespace in a header", "GET "+path).with("X-Consul-Namespace", "a").ignoring("Services.consul.Port"),
			probe("a partition in a header", "GET "+path).with("X-Consul-Partition", "a"),
		)
	}
	for _, path := range []string{"/v1/catalog/services", "/v1/catalog/service/pg"} {
		cases = append(cases, Case{Name: "from a cache, the second time", Steps: []Step{
			{Do: "GET " + path + "?cached&node-meta=rack:r1", Ignore: []string{"pg"}}, {Do: "GET " + path + "?cached&node-meta=rack:r1", Ignore: []string{"pg"}},
		}})
	}
	return cases
}

func filterCases() []Case {
	var cases []Case
	add := func(path string, expressions ...string) {
		for _, e := range expressions {
			cases = append(cases, probe(e, "GET "+path+"?filter="+escape(e)))
		}
	}
	add("/v1/catalog/nodes", `Node == db1`, `Meta.rack == r1`, `Meta.rack != r1 and Node matches "^db"`, `rack in Meta and not Node == db1`,
		`Meta is empty and Node != n1`, `Address == "10.0.0.2" or Address == "10.0.0.3"`, `TaggedAddresses.wan == "1.2.3.4"`, `Node contains db and "1" in Node`,
		`Foo == 1`, `CreateIndex == 1`, `Meta.a.b == 1`, `Node is empty`, `Meta == x`, `Node matches "("`)
	add("/v1/catalog/service/pg", `ServicePort == 5432`, `ServicePort != 5432`, `ServicePort == x`, `ServiceTags contains v14`, `v14 not in ServiceTags`, `ServiceTags is empty`,
		`ServiceMeta.version == "14"`, `ServiceMeta is empty`, `ServiceMeta.version matches "1"`, `ServiceWeights.Passing == 5`, `ServiceEnableTagOverride == true`, `ServiceEnableTagOverride == x`,
		`NodeMeta.rack == r2`, `ServiceTaggedAddresses.wan.Port == 99`, `ServiceKind == ""`, `ServiceConnect.Native == true`, `ServiceProxy.DestinationServiceName == x`, `ServicePort is empty`)
	add("/v1/catalog/node/db1", `Service == pg`, `Service != pg`, `Port == 5432`, `Foo == 1`)
	add("/v1/catalog/node-services/db1", `Service == pg`, `Service != pg`, `Foo == 1`)
	add("/v1/catalog/connect/pg", `ServicePort == 1`, `Foo == 1`)
	add("/v1/catalog/nodes", `Node ==`, `(Node == a`, `Node = a`)
	for _, e := range []string{`Node`, `and`, `Node is nil`} {
		cases = append(cases, probe(e, "GET /v1/catalog/nodes?filter="+escape(e)).differing(laterParser))
	}
	return append(cases, probe("a filter where there is none", "GET /v1/catalog/services?filter=Foo").ignoring("pg"))
}

func escape(expression string) string {
	return strings.NewReplacer("%", "%25", " ", "%20", `"`, "%22", "(", "%28", "^", "%5E", "&", "%26", "=", "%3D", "#", "%23", "+", "%2B").Replace(expression)
}

// blockingCases wait for a change, each at an endpoint of its own.
func blockingCases() []Case {
	const register, deregister = "PUT /v1/catalog/register", "PUT /v1/catalog/deregister"
	wait := func(name, path, change, body string) Case {
		return Case{Name: name, Steps: []Step{
			{Do: "GET " + path, Ignore: []string{"pg"}},
			{Do: "GET " + path + parameter(path) + "index={index}&wait=10s", Ignore: []string{"pg"}, Meanwhile: []Step{{Do: change, Body: body}}},
		}}
	}
	return []Case{
		wait("woken by a node", "/v1/catalog/nodes", register, `{"Node":"b1","Address":"10.3.0.1"}`),
		wait("woken by a service", "/v1/catalog/services", register, `{"Node":"b1","Address":"10.3.0.1","Service":{"Service":"bs"}}`),
		wait("woken by the first instance", "/v1/catalog/service/bt", register, `{"Node":"b1","Address":"10.3.0.1","Service":{"Service":"bt"}}`),
		wait("woken by another instance", "/v1/catalog/service/bt", register, `{"Node":"b1","Address":"10.3.0.1","Service":{"ID":"bt2","Service":"bt"}}`),
		wait("woken by the node of an instance", "/v1/catalog/service/bt", register, `{"Node":"b1","Address":"10.3.0.9"}`),
		wait("woken by the end of an instance", "/v1/catalog/service/bt", deregister, `{"Node":"b1","ServiceID":"bt2"}`),
		wait("woken by the end of the last instance", "/v1/catalog/service/bt", deregister, `{"Node":"b1","ServiceID":"bt"}`),
		wait("woken by a service on a node", "/v1/catalog/node/b1", register, `{"Node":"b1","Address":"10.3.0.9","Service":{"Service":"bu"}}`),
		wait("woken by a service in a list", "/v1/catalog/node-services/b1", register, `{"Node":"b1","Address":"10.3.0.9","Service":{"Service":"bv"}}`),
		wait("woken by what the filter leaves out", "/v1/catalog/service/bt?filter=ServiceID==none", register, `{"Node":"b1","Address":"10.3.0.9","Service":{"Service":"bt"}}`),
		{Name: "woken by the end of a node", Steps: []Step{
			{Do: "GET /v1/catalog/node/b1"},
			{Do: "GET /v1/catalog/node/b1?index={index}&wait=1s", Meanwhile: []Step{{Do: deregister, Body: `{"Node":"b1"}`}}},
		}},
		{Name: "not woken in time", Steps: []Step{
			{Do: "GET /v1/catalog/service/pg"},
			{Do: "GET /v1/catalog/service/pg?index={index}&wait=50ms"},
		}},
	}
}

func parameter(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}
