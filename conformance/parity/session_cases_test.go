package parity

func sessionCases() []Case {
	return concat(sessionCreateCases(), sessionReadCases(), sessionCheckCases(), sessionBlockingCases())
}

// created is a case of one creation, and of what is then told of it.
func created(name, body string) Case {
	return Case{Name: name, Steps: []Step{
		session("s", body), {Do: "GET /v1/session/info/{s}"}, {Do: "PUT /v1/session/destroy/{s}"},
	}}
}

func refusedSession(name, body string) Case {
	return Case{Name: name, Steps: []Step{{Do: "PUT /v1/session/create", Body: body}}}
}

func sessionCreateCases() []Case {
	const typeName = "the text names a type of the program"
	return []Case{
		created("by default", ""),
		created("an empty object", "{}"),
		created("a name", `{"Name":"n"}`),
		created("the node by name", `{"Node":"n1"}`),
		created("the behavior delete", `{"Behavior":"delete"}`),
		created("an empty behavior", `{"Behavior":""}`),
		created("a lock delay in words", `{"LockDelay":"5s"}`),
		created("a lock delay in seconds", `{"LockDelay":5}`),
		created("a lock delay in nanoseconds", `{"LockDelay":5000000000}`),
		created("a lock delay below zero", `{"LockDelay":-1}`),
		created("a lock delay of another kind", `{"LockDelay":true}`),
		created("a lock delay beyond the most", `{"LockDelay":"2h"}`),
		created("the shortest TTL", `{"TTL":"10s"}`),
		created("the longest TTL", `{"TTL":"24h"}`),
		created("a TTL of zero", `{"TTL":"0s"}`),
		created("no checks, the older way", `{"Checks":[]}`),
		created("null checks", `{"Checks":null}`),
		created("serfHealth, the older way", `{"Checks":["serfHealth"]}`),
		created("no node checks", `{"NodeChecks":[]}`),
		created("node checks beside older ones", `{"NodeChecks":["serfHealth"],"Checks":["serfHealth"]}`),
		created("an older check without node checks", `{"NodeChecks":[],"Checks":["other"]}`),
		created("keys in small letters", `{"name":"x","ttl":"15s","behavior":"delete","lockdelay":"1s"}`),
		created("an unknown field", `{"Nope":1}`),
		created("text after the object", `{"Name":"a"} tail`),
		created("an ID of one's own is not taken", `{"ID":"x"}`),
		refusedSession("a TTL too short", `{"TTL":"9.9s"}`),
		refusedSession("a TTL too long", `{"TTL":"24h1s"}`),
		refusedSession("a TTL below zero", `{"TTL":"-1s"}`),
		refusedSession("a TTL that is none", `{"TTL":"soon"}`),
		refusedSession("a TTL without a unit", `{"TTL":"20"}`),
		refusedSession("a behavior that is none", `{"Behavior":"keep"}`),
		refusedSession("a node that is not there", `{"Node":"none"}`),
		refusedSession("no node", `{"Node":""}`),
		refusedSession("a check that is not there", `{"NodeChecks":["none"]}`),
		refusedSession("an older check that is not there", `{"Checks":["none"]}`),
		refusedSession("a service check that is not there", `{"ServiceChecks":[{"ID":"none"}]}`),
		refusedSession("a lock delay that is none", `{"LockDelay":"soon"}`),
		refusedSession("broken JSON", `{`),
		refusedSession("no JSON", `x`),
		{Name: "a list", Steps: []Step{{Do: "PUT /v1/session/create", Body: `[]`, Differs: typeName}}},
		{Name: "a name of another kind", Steps: []Step{{Do: "PUT /v1/session/create", Body: `{"Name":5}`, Differs: typeName}}},
		one("a wrong verb", "GET /v1/session/create"),
		one("another datacenter", "PUT /v1/session/create?dc=elsewhere"),
	}
}

func sessionReadCases() []Case {
	const unknown = "00000000-0000-4000-8000-000000000000"
	return []Case{
		{Name: "the sessions of a node", Steps: []Step{session("s", `{"Name":"a"}`), {Do: "GET /v1/session/node/n1"}, {Do: "PUT /v1/session/destroy/{s}"}}},
		{Name: "the node in other letters", Steps: []Step{session("s", `{"Name":"a"}`), {Do: "GET /v1/session/node/N1"}, {Do: "PUT /v1/session/destroy/{s}"}}},
		{Name: "all sessions", Steps: []Step{session("s", `{"TTL":"10m"}`), {Do: "GET /v1/session/list"}, {Do: "PUT /v1/session/destroy/{s}"}, {Do: "GET /v1/session/list"}}},
		one("a session that is not there", "GET /v1/session/info/"+unknown),
		one("an ID that is none", "GET /v1/session/info/x"),
		one("no ID", "GET /v1/session/info/"),
		one("a node that is not there", "GET /v1/session/node/none"),
		one("no node", "GET /v1/session/node/"),
		one("another datacenter", "GET /v1/session/list?dc=elsewhere"),
		one("stale and consistent", "GET /v1/session/list?stale&consistent"),
		one("a bad index", "GET /v1/session/list?index=x"),
		one("a wrong verb for the list", "PUT /v1/session/list"),
		one("a wrong verb for one", "DELETE /v1/session/info/x"),
		{Name: "renew", Steps: []Step{session("s", `{"TTL":"10m"}`), {Do: "PUT /v1/session/renew/{s}"}, {Do: "PUT /v1/session/destroy/{s}"}, {Do: "PUT /v1/session/renew/{s}"}}},
		{Name: "renew without a TTL", Steps: []Step{session("s", `{}`), {Do: "PUT /v1/session/renew/{s}"}, {Do: "PUT /v1/session/destroy/{s}"}}},
		one("renew what is not there", "PUT /v1/session/renew/"+unknown),
		one("renew nothing", "PUT /v1/session/renew/"),
		one("a wrong verb to renew", "GET /v1/session/renew/x"),
		{Name: "destroy twice", Steps: []Step{session("s", `{}`), {Do: "PUT /v1/session/destroy/{s}"}, {Do: "PUT /v1/session/destroy/{s}"}}},
		one("destroy what is not there", "PUT /v1/session/destroy/"+unknown),
		one("destroy nothing", "PUT /v1/session/destroy/"),
		one("a wrong verb to destroy", "DELETE /v1/session/destroy/x"),
	}
}

// nodeWith registers a node with a check of its own, and of a service.
func nodeWith(node, status string) []Step {
	return []Step{
		{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"set","Node":{"Node":"` + node + `","Address":"10.1.1.1"}}},
			{"Service":{"Verb":"set","Node":"` + node + `","Service":{"Service":"web","Port":80}}},
			{"Check":{"Verb":"set","Check":{"Node":"` + node + `","CheckID":"own","Status":"` + status + `"}}},
			{"Check":{"Verb":"set","Check":{"Node":"` + node + `","CheckID":"web","ServiceID":"web","Status":"` + status + `"}}}]`},
	}
}

func sessionCheckCases() []Case {
	lost := func(name, body, op string) Case {
		steps := append(nodeWith("ext", "passing"), session("s", body), Step{Do: "PUT /v1/kv/held?acquire={s}", Body: "v"}, Step{Do: "GET /v1/session/node/ext"},
			Step{Do: "PUT /v1/txn", Body: op}, Step{Do: "GET /v1/session/info/{s}"}, Step{Do: "GET /v1/kv/held"},
			Step{Do: "DELETE /v1/kv/held"}, Step{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"delete","Node":{"Node":"ext"}}}]`})
		return Case{Name: name, Steps: steps}
	}
	const (
		byNode    = `{"Node":"ext","NodeChecks":["own"],"LockDelay":"0s"}`
		byService = `{"Node":"ext","NodeChecks":[],"ServiceChecks":[{"ID":"web"}],"LockDelay":"0s"}`
	)
	return []Case{
		lost("a node check turns critical", byNode, `[{"Check":{"Verb":"set","Check":{"Node":"ext","CheckID":"own","Status":"critical"}}}]`),
		lost("a node check turns warning", byNode, `[{"Check":{"Verb":"set","Check":{"Node":"ext","CheckID":"own","Status":"warning"}}}]`),
		lost("a node check is removed", byNode, `[{"Check":{"Verb":"delete","Check":{"Node":"ext","CheckID":"own"}}}]`),
		lost("another check turns critical", byNode, `[{"Check":{"Verb":"set","Check":{"Node":"ext","CheckID":"web","ServiceID":"web","Status":"critical"}}}]`),
		lost("a service check turns critical", byService, `[{"Check":{"Verb":"set","Check":{"Node":"ext","CheckID":"web","ServiceID":"web","Status":"critical"}}}]`),
		lost("the service of a check is removed", byService, `[{"Service":{"Verb":"delete","Node":"ext","Service":{"ID":"web","Service":"web"}}}]`),
		lost("the node is removed", `{"Node":"ext","NodeChecks":[],"LockDelay":"0s"}`, `[{"Node":{"Verb":"delete","Node":{"Node":"ext"}}}]`),
		{Name: "a check that is critical already", Steps: append(nodeWith("sick", "critical"),
			Step{Do: "PUT /v1/session/create", Body: `{"Node":"sick","NodeChecks":["own"]}`},
			Step{Do: "PUT /v1/session/create", Body: `{"Node":"sick","ServiceChecks":[{"ID":"web"}],"NodeChecks":[]}`},
			Step{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"delete","Node":{"Node":"sick"}}}]`})},
	}
}

func sessionBlockingCases() []Case {
	return []Case{
		{Name: "wait for a session to end", Steps: []Step{
			session("s", `{}`), {Do: "GET /v1/session/info/{s}"},
			{Do: "GET /v1/session/info/{s}?index={index}&wait=10s", Meanwhile: []Step{{Do: "PUT /v1/session/destroy/{s}"}}},
		}},
		{Name: "wait for a session to come", Steps: []Step{
			{Do: "GET /v1/session/list"},
			{Do: "GET /v1/session/list?index={index}&wait=10s", Meanwhile: []Step{session("s", `{"Name":"new"}`)}},
			{Do: "PUT /v1/session/destroy/{s}"},
		}},
		{Name: "wait for a session of the node to come", Steps: []Step{
			{Do: "GET /v1/session/node/n1"},
			{Do: "GET /v1/session/node/n1?index={index}&wait=10s", Meanwhile: []Step{session("s", `{"Name":"new"}`)}},
			{Do: "PUT /v1/session/destroy/{s}"},
		}},
		{Name: "a wait that is over", Steps: []Step{{Do: "GET /v1/session/list"}, {Do: "GET /v1/session/list?index={index}&wait=50ms"}}},
	}
}
