package parity

import (
	"slices"
	"strings"
)

// checkRegister is where a check alone is registered, and serviceRegister where a service is.
const (
	checkRegister   = "PUT /v1/agent/check/register"
	serviceRegister = "PUT /v1/agent/service/register"
	theChecks       = "GET /v1/agent/checks"
)

// refusedCheck registers what both refuse, and sees that nothing came of it.
func refusedCheck(name, body string) Case {
	return Case{Name: name, Steps: []Step{{Do: checkRegister, Body: body}, {Do: theChecks, Ignore: unsettled}}}
}

// unsettled are values of local checks that tell of the moment.
var unsettled = []string{"*.CreateIndex", "*.ModifyIndex"}

// backends are headers about how Consul's servers answered.
var backends = []string{"X-Consul-Effective-Consistency", "X-Consul-Query-Backend"}

// until registers a check, waits for its result in the agent and in the catalog, and removes it.
func until(name, body, id string, ignore ...string) Case {
	inCatalog := `"CheckID": "` + id + `"`
	if strings.Contains(body, `"Status":"warning"`) {
		inCatalog = `"Status": "critical"` // with the result, which comes after the check
	}
	return Case{Name: name, Steps: []Step{
		{Do: checkRegister, Body: body},
		{Do: theChecks, Until: `!"Output": ""`, Ignore: append(ignore, unsettled...)},
		{Do: "GET /v1/health/node/{node}", Until: inCatalog, Ignore: []string{"*.Output"}, IgnoreHeaders: backends},
		{Do: "PUT /v1/agent/check/deregister/" + id},
	}}
}

func checksCases() []Case {
	return slices.Concat(refusedChecks(), probes(), lives())
}

func refusedChecks() []Case {
	return []Case{
		refusedCheck("no name", `{"TTL":"1s"}`),
		refusedCheck("an unknown status", `{"Name":"c","TTL":"1s","Status":"fine"}`),
		refusedCheck("no kind", `{"Name":"c"}`),
		refusedCheck("TTL and interval", `{"Name":"c","TTL":"1s","Interval":"1s"}`),
		refusedCheck("a probe without interval", `{"Name":"c","TCP":"127.0.0.1:1"}`),
		refusedCheck("a script without interval", `{"Name":"c","Args":["/bin/true"]}`),
		refusedCheck("a script while scripts are off", `{"Name":"c","Args":["/bin/true"],"Interval":"1s"}`),
		refusedCheck("a script under its other name", `{"Name":"c","script_args":["/bin/true"],"Interval":"1s"}`),
		refusedCheck("an alias with interval", `{"Name":"c","AliasService":"x","TCP":"a:1","Interval":"1s"}`),
		refusedCheck("an alias with TTL", `{"Name":"c","AliasService":"x","TTL":"1s"}`),
		refusedCheck("a negative output size", `{"Name":"c","TTL":"1s","OutputMaxSize":-1}`),
		refusedCheck("thresholds the wrong way", `{"Name":"c","TTL":"1s","FailuresBeforeWarning":3,"FailuresBeforeCritical":2}`),
		refusedCheck("a duration that is none", `{"Name":"c","TTL":"soon"}`),
		refusedCheck("an unknown field", `{"Name":"c","TTL":"1s","Nope":1}`),
		refusedCheck("os_service", `{"Name":"c","OSService":"sshd","Interval":"1s"}`),
		refusedCheck("a service that is not there", `{"Name":"c","TTL":"1s","ServiceID":"nope"}`),
		refusedCheck("a service that is not there, in snake case", `{"Name":"c","TTL":"1s","service_id":"nope"}`),
		{Name: "Docker", Steps: []Step{{
			Do: checkRegister, Body: `{"Name":"d","Args":["/bin/true"],"DockerContainerID":"c","Interval":"1s"}`,
			Differs: "this agent does not talk to Docker whether scripts are on or off",
		}}},
	}
}

func probes() []Case {
	return []Case{
		until("HTTP that nobody answers", `{"Name":"h","HTTP":"http://127.0.0.1:1/x","Interval":"1s"}`, "h"),
		until("HTTP without sense", `{"Name":"h","HTTP":"a:1","Interval":"1s"}`, "h"),
		until("HTTP of the agent", `{"Name":"h","HTTP":"http://127.0.0.1:1/","Interval":"1s","Timeout":"2s","Notes":"n","Method":"PUT","Header":{"X":["y"]},"Status":"warning"}`, "h"),
		until("TCP that nobody answers", `{"ID":"id","Name":"t","TCP":"127.0.0.1:1","Interval":"1s"}`, "id"),
		until("TCP without a port", `{"Name":"t","TCP":"host","Interval":"1s"}`, "t"),
		until("gRPC that nobody answers", `{"Name":"g","GRPC":"127.0.0.1:1/s","Interval":"1s"}`, "g", "*.Output"),
		until("H2PING that nobody answers", `{"Name":"p","H2PING":"127.0.0.1:1","Interval":"1s"}`, "p"),
		until("H2PING without TLS", `{"Name":"p","H2PING":"127.0.0.1:1","h2ping_use_tls":false,"Interval":"1s"}`, "p"),
		until("several kinds in one", `{"Name":"s","GRPC":"127.0.0.1:1","TCP":"127.0.0.1:1","Interval":"1s"}`, "s"),
		until("a short interval", `{"Name":"s","TCP":"127.0.0.1:1","Interval":"1ms","Timeout":"10ms"}`, "s"),
		until("an alias of nothing", `{"Name":"a","AliasService":"nope"}`, "a"),
	}
}

func lives() []Case {
	const newer = "UDP checks came with Consul 1.13"
	return []Case{
		{Name: "an alias follows a service", Steps: []Step{
			{Do: serviceRegister, Body: `{"Name":"db","Check":{"TTL":"1h","Name":"up"}}`},
			{Do: serviceRegister, Body: `{"Name":"web","Check":{"AliasService":"db"}}`},
			{Do: theChecks, Until: "Aliased check", Ignore: unsettled},
			{Do: "PUT /v1/agent/check/pass/service:db"},
			{Do: theChecks, Until: "All checks passing.", Ignore: unsettled},
			{Do: "PUT /v1/agent/check/warn/service:db?note=slow"},
			{Do: theChecks, Until: `Aliased check \"up\" failing: slow`, Ignore: unsettled},
			{Do: "PUT /v1/agent/service/deregister/web"}, {Do: "PUT /v1/agent/service/deregister/db"},
		}},
		{Name: "the life of a TTL check", Steps: []Step{
			{Do: checkRegister, Body: `{"Name":"t","TTL":"1h","Notes":"n","Status":"passing","OutputMaxSize":5}`},
			{Do: theChecks, Ignore: unsettled},
			{Do: "PUT /v1/agent/check/warn/t?note=123456789"}, {Do: theChecks, Ignore: unsettled},
			{Do: "PUT /v1/agent/check/update/t", Body: `{"Status":"critical","Output":"down"}`}, {Do: theChecks, Ignore: unsettled},
			{Do: "PUT /v1/agent/check/update/t", Body: `{"Status":"fine"}`},
			{Do: "PUT /v1/agent/check/update/t", Body: `{`},
			{Do: checkRegister, Body: `{"Name":"t","TTL":"2h","Status":"passing"}`}, {Do: theChecks, Ignore: unsettled},
			{Do: "PUT /v1/agent/check/deregister/t"}, {Do: "PUT /v1/agent/check/deregister/t"}, {Do: "PUT /v1/agent/check/pass/t"},
		}},
		{Name: "a TTL that ends", Steps: []Step{
			{Do: checkRegister, Body: `{"Name":"t","TTL":"200ms"}`}, {Do: "PUT /v1/agent/check/pass/t?note=up"},
			{Do: theChecks, Until: "TTL expired (last output before timeout follows): up", Ignore: unsettled},
			{Do: "PUT /v1/agent/check/deregister/t"},
		}},
		{Name: "a probe is not renewed", Steps: []Step{
			{Do: checkRegister, Body: `{"Name":"t","TCP":"127.0.0.1:1","Interval":"1h"}`}, {Do: "PUT /v1/agent/check/pass/t"},
			{Do: "PUT /v1/agent/check/deregister/t"},
		}},
		{Name: "checks of a service", Steps: []Step{
			{Do: serviceRegister, Body: `{"Name":"web","Checks":[{"TTL":"1h"},{"TCP":"127.0.0.1:1","Interval":"1h","Timeout":"3s"},{"CheckID":"own","Name":"named","TTL":"1h","Status":"passing","ServiceID":"x"}]}`},
			{Do: theChecks, Ignore: unsettled},
			{Do: serviceRegister, Body: `{"Name":"web","Check":{"TTL":"1h"}}`}, {Do: theChecks, Ignore: unsettled},
			{Do: serviceRegister + "?replace-existing-checks=true", Body: `{"Name":"web","Check":{"CheckID":"new","TTL":"1h"}}`}, {Do: theChecks, Ignore: unsettled},
			{Do: serviceRegister + "?replace-existing-checks=false", Body: `{"Name":"web"}`}, {Do: theChecks, Ignore: unsettled},
			{Do: serviceRegister + "?replace-existing-checks", Body: `{"Name":"web"}`}, {Do: theChecks, Ignore: unsettled},
			{Do: "PUT /v1/agent/service/deregister/web"},
		}},
		{Name: "UDP", Steps: []Step{{Do: checkRegister, Body: `{"Name":"u","UDP":"127.0.0.1:9","Interval":"1h"}`, Differs: newer}}},
		// Consul does not let go of this one for up to a minute, and of nothing else meanwhile: it stays. An alias of an
		// unknown node, and one that follows itself, end Consul's process, and are not compared.
		{Name: "an alias of a node", Steps: []Step{
			{Do: "PUT /v1/agent/check/deregister/u", Differs: newer},
			{Do: serviceRegister, Body: `{"Name":"web","Check":{"AliasNode":"{node}"}}`}, {Do: theChecks, Until: "All checks passing.", Ignore: unsettled},
		}},
		{Name: "the agent's own ID", Steps: []Step{{
			Do: checkRegister, Body: `{"ID":"serfHealth","Name":"x","TTL":"1h"}`,
			Differs: "refused: in Consul it takes the place of the check that tells whether the node is alive",
		}}},
	}
}
