package parity

import "slices"

func agentCases() []Case {
	return slices.Concat([]Case{settled()}, selfCases(), localCases(), localHealthCases(), maintenanceCases(), rejectedCases())
}

// ports are what differs in members: each agent has its own.
var ports = []string{"*.Port", "*.Tags.port", "*.Tags.wan_join_port"}

func selfCases() []Case {
	return []Case{
		probe("itself", "GET /v1/agent/self").ignoring("DebugConfig", "Stats", "Coord.Vec", "Coord.Adjustment", "Coord.Error", "Coord.Height", "Member.Port", "Member.Tags.port", "Member.Tags.wan_join_port"),
		probe("members", "GET /v1/agent/members").ignoring(ports...),
		probe("members of the WAN", "GET /v1/agent/members?wan=1").ignoring(ports...),
		probe("wan without a value", "GET /v1/agent/members?wan").ignoring(ports...),
		probe("members of all segments", "GET /v1/agent/members?segment=_all").ignoring(ports...),
		probe("members of a segment", "GET /v1/agent/members?segment=x"),
		probe("members of a segment of the WAN", "GET /v1/agent/members?wan=1&segment=x"),
		probe("members in a partition", "GET /v1/agent/members?partition=a"),
		probe("members in a namespace, which is ignored", "GET /v1/agent/members?ns=a").ignoring(ports...),
		probe("members in another datacenter, which is ignored", "GET /v1/agent/members?dc=zz").ignoring(ports...),
		probe("the version", "GET /v1/agent/version").differing("this endpoint is of later versions: clients for those ask for it"),
		probe("join another agent", "PUT /v1/agent/join/192.0.2.1:x").differing("the text says that this agent never joins"),
		probe("join in a partition", "PUT /v1/agent/join/192.0.2.1?partition=a"),
		probe("make an unknown node leave", "PUT /v1/agent/force-leave/zz"),
		probe("make an unknown node leave and forget it", "PUT /v1/agent/force-leave/zz?prune"),
		probe("make the own node leave", "PUT /v1/agent/force-leave/{node}"),
		probe("reload", "PUT /v1/agent/reload"),
		probe("a wrong verb to reload", "POST /v1/agent/reload"),
		probe("a wrong verb to leave", "GET /v1/agent/leave"),
		probe("an unknown level of the log", "GET /v1/agent/monitor?loglevel=zz"),
		probe("a wrong verb to watch the log", "PUT /v1/agent/monitor"),
		probe("metrics", "GET /v1/agent/metrics").ignoring("Timestamp", "Gauges", "Samples", "Counters"),
		probe("metrics for Prometheus", "GET /v1/agent/metrics?format=prometheus").differing("answered; Consul wants a retention time to be configured first"),
		probe("the host", "GET /v1/agent/host").differing("less is told of the machine: what the process knows without asking the system"),
	}
}

func localCases() []Case {
	return slices.Concat([]Case{
		probe("no services", "GET /v1/agent/services"),
		probe("no checks", "GET /v1/agent/checks"),
		probe("no checks where something unknown is so", "GET /v1/agent/checks?filter="+escape("x == y")),
		probe("no checks where a pattern is none", "GET /v1/agent/checks?filter="+escape(`Status matches "("`)),
		probe("no services where something unknown is so", "GET /v1/agent/services?filter="+escape("x == y")),
		{Name: "a service", Steps: registered("web", `{"ID":"web1","Name":"web","Tags":["a","b"],"Port":80,"Address":"10.0.0.1","Meta":{"v":"1"},"Check":{"TTL":"60s","Status":"passing","Notes":"n"}}`)},
		{Name: "a bare service", Steps: registered("bare", `{"Name":"bare"}`)},
		probe("the services", "GET /v1/agent/services"),
		probe("the services in a namespace", "GET /v1/agent/services?ns=a"),
		probe("the services in another datacenter, which is ignored", "GET /v1/agent/services?dc=zz"),
		probe("the checks", "GET /v1/agent/checks"),
		probe("a service by its ID", "GET /v1/agent/service/web1"),
		probe("an unknown service by its ID", "GET /v1/agent/service/zz"),
		probe("no service by its ID", "GET /v1/agent/service/"),
		probe("a service, a bad wait", "GET /v1/agent/service/web1?wait=x"),
		probe("a service in a namespace", "GET /v1/agent/service/web1?ns=a"),
		probe("the catalog has them", "GET /v1/catalog/node/{node}").ignoring("Services.consul.Port").until("web1"),
		probe("their health", "GET /v1/health/service/web").until("service:web1"),
		probe("the health of the bare one", "GET /v1/health/service/bare"),
		{Name: "a service waited for by its hash", Steps: []Step{
			{Do: "GET /v1/agent/service/web1", Keep: map[string]string{"hash": "ContentHash"}},
			{Do: "GET /v1/agent/service/web1?hash={hash}&wait=10s", Meanwhile: []Step{
				{Do: "PUT /v1/agent/service/register", Body: `{"ID":"web1","Name":"web","Tags":["c"],"Port":81,"Check":{"TTL":"60s","Status":"passing"}}`},
			}},
			{Do: "GET /v1/agent/service/web1?hash=zz&wait=10s"},
		}},
	}, localFilterCases())
}

func localFilterCases() []Case {
	var cases []Case
	for _, e := range []string{`Service == web`, `Port != 81`, `Tags contains c`, `Meta is empty`, `Kind == ""`, `Foo == 1`, `Port == x`} {
		cases = append(cases, probe("services where "+e, "GET /v1/agent/services?filter="+escape(e)))
	}
	for _, e := range []string{`Status == passing`, `x == y`, `ServiceName != web`, `ServiceTags contains c`} {
		cases = append(cases, probe("checks where "+e, "GET /v1/agent/checks?filter="+escape(e)))
	}
	return append(cases, probe("checks where nonsense", "GET /v1/agent/checks?filter=x").differing(laterParser))
}

func localHealthCases() []Case {
	var cases []Case
	for _, step := range []struct{ name, do, body string }{
		{"passing", "PUT /v1/agent/check/pass/service:web1?note=fine", ""},
		{"warning", "PUT /v1/agent/check/warn/service:web1?note=slow", ""},
		{"critical", "PUT /v1/agent/check/fail/service:web1", ""},
		{"updated", "PUT /v1/agent/check/update/service:web1", `{"Status":"warning","Output":"so so"}`},
	} {
		cases = append(cases, Case{Name: "a service that is " + step.name, Steps: []Step{
			{Do: step.do, Body: step.body},
			{Do: "GET /v1/agent/health/service/id/web1"},
			{Do: "GET /v1/agent/health/service/id/web1?format=text"},
			{Do: "GET /v1/agent/health/service/name/web"},
			{Do: "GET /v1/agent/health/service/name/web", Header: map[string]string{"Accept": "text/plain"}},
		}})
	}
	return append(cases,
		probe("the health of an unknown ID", "GET /v1/agent/health/service/id/zz"),
		probe("the health of an unknown ID as text", "GET /v1/agent/health/service/id/zz?format=text"),
		probe("the health of an unknown name", "GET /v1/agent/health/service/name/zz"),
		probe("the health of an unknown name as text", "GET /v1/agent/health/service/name/zz?format=text"),
		probe("the health in another format", "GET /v1/agent/health/service/id/web1?format=zz"),
		probe("the health of no ID", "GET /v1/agent/health/service/id/"),
		probe("the health of no name", "GET /v1/agent/health/service/name/"),
		probe("the health of a bare service", "GET /v1/agent/health/service/id/bare"),
		probe("the health in a namespace", "GET /v1/agent/health/service/id/bare?ns=a"),
		probe("a wrong verb for health", "PUT /v1/agent/health/service/id/bare"),
	)
}

func maintenanceCases() []Case {
	return []Case{
		{Name: "maintenance of a service", Steps: []Step{
			{Do: "PUT /v1/agent/service/maintenance/bare?enable=true&reason=repair"},
			{Do: "GET /v1/agent/health/service/id/bare"},
			{Do: "GET /v1/agent/checks"},
			{Do: "PUT /v1/agent/service/maintenance/bare?enable=true&reason=other"},
			{Do: "PUT /v1/agent/service/maintenance/bare?enable=false"},
			{Do: "PUT /v1/agent/service/maintenance/bare?enable=false"},
			{Do: "GET /v1/agent/health/service/name/bare?format=text"},
		}},
		{Name: "maintenance of the node", Steps: []Step{
			{Do: "PUT /v1/agent/maintenance?enable=true"},
			{Do: "GET /v1/agent/health/service/id/bare"},
			{Do: "GET /v1/agent/checks"},
			{Do: "PUT /v1/agent/maintenance?enable=false"},
			{Do: "GET /v1/agent/health/service/id/bare"},
		}},
		probe("maintenance without enable", "PUT /v1/agent/maintenance"),
		probe("maintenance, enable: empty", "PUT /v1/agent/maintenance?enable="),
		probe("maintenance, enable: neither", "PUT /v1/agent/maintenance?enable=x"),
		probe("maintenance of no service", "PUT /v1/agent/service/maintenance/?enable=true"),
		probe("maintenance of an unknown service", "PUT /v1/agent/service/maintenance/zz?enable=true"),
		probe("maintenance of a service without enable", "PUT /v1/agent/service/maintenance/bare"),
		probe("maintenance of a service in a namespace", "PUT /v1/agent/service/maintenance/bare?enable=true&ns=a"),
		probe("a wrong verb for maintenance", "POST /v1/agent/maintenance?enable=true"),
	}
}

// rejectedCases are what agents refuse, and what is left at the end.
func rejectedCases() []Case {
	return []Case{
		probe("register cut JSON", "PUT /v1/agent/service/register", `{`),
		probe("register nothing", "PUT /v1/agent/service/register", ``),
		probe("register without a name", "PUT /v1/agent/service/register", `{"ID":"x"}`),
		probe("register with an unknown field", "PUT /v1/agent/service/register", `{"Name":"x","Nope":1}`),
		probe("register at an unspecified address", "PUT /v1/agent/service/register", `{"Name":"x","Address":"::"}`),
		probe("register in a namespace", "PUT /v1/agent/service/register?ns=a", `{"Name":"x"}`),
		probe("register with bad metadata", "PUT /v1/agent/service/register", `{"Name":"x","Meta":{"a b":"c"}}`),
		probe("register with bad weights", "PUT /v1/agent/service/register", `{"Name":"x","Weights":{"Passing":-1,"Warning":1}}`),
		probe("deregister an unknown service", "PUT /v1/agent/service/deregister/zz"),
		probe("deregister no service", "PUT /v1/agent/service/deregister/"),
		probe("deregister an unknown check", "PUT /v1/agent/check/deregister/zz"),
		probe("pass an unknown check", "PUT /v1/agent/check/pass/zz"),
		probe("update a check to an unknown status", "PUT /v1/agent/check/update/service:web1", `{"Status":"zz"}`),
		probe("update a check with cut JSON", "PUT /v1/agent/check/update/service:web1", `{`),
		probe("update a check with an unknown field", "PUT /v1/agent/check/update/service:web1", `{"Status":"passing","Nope":1}`),
		probe("register a check without a name", "PUT /v1/agent/check/register", `{"TTL":"10s"}`),
		probe("register a check of a bad status", "PUT /v1/agent/check/register", `{"Name":"c","TTL":"10s","Status":"zz"}`),
		probe("register a check of an unknown service", "PUT /v1/agent/check/register", `{"Name":"c","TTL":"10s","ServiceID":"zz"}`),
		probe("a wrong verb to register", "GET /v1/agent/service/register"),
		{Name: "deregister", Steps: []Step{
			{Do: "PUT /v1/agent/service/deregister/web1"},
			{Do: "PUT /v1/agent/service/deregister/bare"},
			{Do: "GET /v1/agent/services"},
			{Do: "GET /v1/agent/checks"},
			{Do: "GET /v1/health/service/web", Until: "!web1"},
		}},
	}
}
