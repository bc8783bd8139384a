package parity

import "strings"

func eventCases() []Case {
	fire := func(name, path string, body ...string) Case { return probe(name, "PUT /v1/event/fire/"+path, body...) }
	return []Case{
		probe("no event yet", "GET /v1/event/list"),
		fire("no name", ""),
		fire("an event", "deploy", "v1"),
		probe("is listed", "GET /v1/event/list").until("deploy"),
		fire("an event without a payload", "empty"),
		probe("is listed too", "GET /v1/event/list").until("empty"),
		probe("events of a name", "GET /v1/event/list?name=deploy"),
		probe("events of a name that none has", "GET /v1/event/list?name=zz"),
		fire("for a node", "a?node=%5En1$"),
		fire("for another node", "b?node=nope"),
		fire("for a service that is not here", "c?service=nope"),
		probe("those for others are not listed", "GET /v1/event/list").until(`"a"`),
		fire("a bad filter of nodes", "a?node=%28"),
		fire("a bad filter of services", "a?service=%28"),
		fire("a bad filter of tags", "a?service=a&tag=%28"),
		fire("a tag without a service", "a?tag=a"),
		fire("in another datacenter", "a?dc=zz"),
		fire("in this datacenter", "d?dc=dc1"),
		fire("a namespace, which is ignored", "e?ns=a"),
		fire("400 bytes", "big", strings.Repeat("x", 400)),
		fire("600 bytes", "big", strings.Repeat("x", 600)),
		fire("9,000 bytes", "big", strings.Repeat("x", 9000)),
		fire("a name with a slash", "a/b"),
		probe("a wrong verb", "POST /v1/event/fire/a"),
		probe("a wrong verb to list", "PUT /v1/event/list"),
		probe("a bad index", "GET /v1/event/list?index=x"),
		probe("a bad wait", "GET /v1/event/list?wait=x"),
		probe("an index that is not the last", "GET /v1/event/list?index=1&wait=1ms&name=deploy"),
		{Name: "not woken in time", Steps: []Step{{Do: "GET /v1/event/list?name=deploy"}, {Do: "GET /v1/event/list?name=deploy&index={index}&wait=50ms"}}},
		{Name: "woken by an event", Steps: []Step{
			{Do: "GET /v1/event/list?name=wake"},
			{Do: "GET /v1/event/list?name=wake&index={index}&wait=10s", Meanwhile: []Step{{Do: "PUT /v1/event/fire/wake", Body: "up"}}},
		}},
		(Case{Name: "for a service and its tag", Steps: []Step{{Do: "PUT /v1/event/fire/tagged?service=we&tag=v."}, {Do: "GET /v1/event/list?name=tagged", Until: "tagged"}}}).
			after(registered("web", `{"Name":"web","Tags":["v1"]}`)...),
	}
}
