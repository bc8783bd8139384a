package parity

import "strings"

// refusedService registers what both refuse, and sees that nothing came of it.
func refusedService(name, body string) Case {
	return Case{Name: name, Steps: []Step{{Do: serviceRegister, Body: body}, {Do: "GET /v1/agent/services"}}}
}

// takenService registers a service, looks at it in the agent and in the catalog, and removes it.
func takenService(name, id, service, body string) Case {
	return Case{Name: name, Steps: []Step{
		{Do: serviceRegister, Body: body},
		{Do: "GET /v1/agent/services"},
		{Do: "GET /v1/health/service/" + service, Until: `"Service": {`, Ignore: []string{"0.Node.Meta", "0.Checks.*.Output"}, IgnoreHeaders: backends},
		{Do: "PUT /v1/agent/service/deregister/" + id},
		{Do: "GET /v1/agent/services"},
	}}
}

func definitionsCases() []Case {
	return []Case{
		refusedService("no name", `{"ID":"x"}`),
		refusedService("an unspecified address", `{"Name":"w","Address":"0.0.0.0"}`),
		refusedService("weights of nothing", `{"Name":"w","Weights":{"Passing":0,"Warning":1}}`),
		refusedService("a negative weight", `{"Name":"w","Weights":{"Passing":1,"Warning":-1}}`),
		refusedService("a weight that DNS cannot tell", `{"Name":"w","Weights":{"Passing":65536,"Warning":1}}`),
		refusedService("a value of meta that is too long", `{"Name":"w","Meta":{"k":"`+strings.Repeat("v", 513)+`"}}`),
		refusedService("a key of meta with a space", `{"Name":"w","Meta":{"a b":"c"}}`),
		refusedService("a reserved key of meta", `{"Name":"w","Meta":{"consul-x":"c"}}`),
		refusedService("an unknown field", `{"Name":"w","Nope":1}`),
		refusedService("not JSON", `{"Name":`),
		refusedService("a port that is text", `{"Name":"w","Port":"80"}`),
		refusedService("a status of a check that is none", `{"Name":"w","Check":{"TTL":"1s","Status":"fine"}}`),
		refusedService("a check without kind", `{"Name":"w","Check":{"Name":"c"}}`),
		refusedService("a script while scripts are off", `{"Name":"w","Check":{"Args":["/bin/true"],"Interval":"1s"}}`),
		refusedService("lan_ipv4 that is IPv6", `{"Name":"w","TaggedAddresses":{"lan_ipv4":{"Address":"::1"}}}`),
		refusedService("wan_ipv4 that is a name", `{"Name":"w","TaggedAddresses":{"wan_ipv4":{"Address":"host"}}}`),
		refusedService("lan_ipv6 that is IPv4", `{"Name":"w","TaggedAddresses":{"lan_ipv6":{"Address":"1.2.3.4"}}}`),

		takenService("a service with everything", "w1", "web", `{"ID":"w1","Name":"web","Tags":["a","b"],"Address":"10.0.0.1","Port":80,
			"Meta":{"k":"v"},"Weights":{"Passing":10,"Warning":2},"EnableTagOverride":true,
			"TaggedAddresses":{"lan":{"Address":"10.0.0.2","Port":81},"virtual":{"Address":"x"}},
			"Check":{"TTL":"1h","Status":"passing"}}`),
		takenService("snake case", "web", "web", `{"Name":"web","enable_tag_override":true,"tagged_addresses":{"wan":{"Address":"1.1.1.1","Port":1}},
			"Check":{"ttl":"1h","deregister_critical_service_after":"10m"}}`),
		takenService("an IPv6 address", "web", "web", `{"Name":"web","Address":"fe80::1","Port":1}`),
		takenService("a socket", "web", "web", `{"Name":"web","SocketPath":"/tmp/s"}`),
		takenService("a name that DNS cannot find", "a_b%20c", "a_b%20c", `{"Name":"a_b c","Tags":["x y"]}`),
		takenService("invalid UTF-8", "w", "w", "{\"Name\":\"w\",\"Tags\":[\"\xff\"]}"),
		takenService("an empty check", "web", "web", `{"Name":"web","Check":{}}`),

		{Name: "a port that is none", Steps: []Step{{
			Do: serviceRegister, Body: `{"Name":"w","Port":70000}`, Differs: "nobody can call such a port; Consul takes it",
		}}},
		{Name: "the agent's own ID", Steps: []Step{{
			Do: serviceRegister, Body: `{"ID":"consul","Name":"x"}`,
			Differs: "refused: in Consul it takes the place of the service that stands for the servers, which nobody finds any more",
		}}},
		{Name: "files are read again", Steps: []Step{{Do: "PUT /v1/agent/reload"}, {Do: "GET /v1/agent/reload"}}},
	}
}
