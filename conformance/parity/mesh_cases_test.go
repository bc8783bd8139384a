package parity

import "slices"

// meshCases are about what takes part in a mesh. They are held against a Consul whose mesh is off, as it is here.
func meshCases() []Case {
	return slices.Concat([]Case{settled()}, proxyCases(), sidecarCases(), meshCatalogCases(), meshTxnCases(), configEntryCases())
}

const everyField = `"Proxy":{"DestinationServiceName":"web","DestinationServiceID":"web1","LocalServiceAddress":"127.0.0.1","LocalServicePort":80,
	"LocalServiceSocketPath":"/s","Mode":"transparent","Config":{"a":{"b":[1,2.5,"x",true]},"c":""},"MeshGateway":{"Mode":"local"},
	"TransparentProxy":{"OutboundListenerPort":15001,"DialedDirectly":true},"Expose":{"Checks":true,"Paths":[{"ListenerPort":21500,"Path":"/m","LocalPathPort":8080,"Protocol":"http2"}]},
	"Upstreams":[{"DestinationName":"db","LocalBindPort":9000,"LocalBindAddress":"127.0.0.2","Datacenter":"dc2","Config":{"n":1},"MeshGateway":{"Mode":"remote"}},
	{"DestinationType":"prepared_query","DestinationName":"q","LocalBindSocketPath":"/u","LocalBindSocketMode":"0600"}]}`

// takenProxy registers what stands for web in a mesh, looks at it wherever it is told of, and removes it.
func takenProxy(name, id, body string) Case {
	return Case{Name: name, Steps: []Step{
		{Do: serviceRegister, Body: body},
		{Do: "GET /v1/agent/services"},
		{Do: "GET /v1/agent/service/" + id},
		{Do: "GET /v1/health/connect/web", Until: `"Service": {`, Ignore: []string{"0.Node.Meta", "*.Checks.*.Output", "*.Checks.*.Status"}, IgnoreHeaders: backends},
		{Do: "GET /v1/catalog/connect/WEB"},
		{Do: "PUT /v1/agent/service/deregister/" + id},
		{Do: "GET /v1/agent/services"},
		{Do: "GET /v1/health/connect/web", Until: `!"Service": {`, IgnoreHeaders: backends},
	}}
}

func proxyCases() []Case {
	proxy := func(more string) string { return `{"Kind":"connect-proxy","ID":"p1","Name":"p","Port":1` + more + `}` }
	to := func(more string) string { return proxy(`,"Proxy":{"DestinationServiceName":"web"` + more + `}`) }
	return []Case{
		takenProxy("a proxy", "p1", to("")),
		takenProxy("a proxy with everything", "p1", proxy(","+everyField)),
		takenProxy("a proxy in snake case", "p1", proxy(`,"proxy":{"destination_service_name":"web","local_service_port":80,"mesh_gateway":{"Mode":"none"},"upstreams":[{"destination_name":"db","local_bind_port":9000}],"expose":{"paths":[{"listener_port":1,"path":"/","local_path_port":2}]}}`)),
		takenProxy("a native service", "web1", `{"ID":"web1","Name":"web","Port":80,"Connect":{"Native":true}}`),
		takenService("a gateway", "g", "g", `{"Kind":"mesh-gateway","Name":"g","Port":8443,"Meta":{"consul-wan-federation":"1"},"Proxy":{"Config":{"a":1},"MeshGateway":{"Mode":"local"}},"TaggedAddresses":{"wan":{"Address":"1.2.3.4","Port":443}}}`),
		takenService("an ingress gateway without a port", "g", "g", `{"Kind":"ingress-gateway","Name":"g"}`),
		takenService("a kind that is none", "k", "k", `{"Kind":"odd","Name":"k","Proxy":{"DestinationServiceName":"web"}}`),
		takenService("empty objects", "k", "k", `{"Name":"k","Proxy":{},"Connect":{}}`),
		refusedService("a proxy of nothing", proxy(`,"Port":0`)),
		refusedService("a proxy of all", proxy(`,"Proxy":{"DestinationServiceName":"*"}`)),
		refusedService("a proxy that is native", proxy(`,"Connect":{"Native":true},"Proxy":{"DestinationServiceName":"web"}`)),
		refusedService("an unknown field of a proxy", to(`,"Nope":1`)),
		refusedService("an upstream without a name", to(`,"Upstreams":[{"LocalBindPort":1}]`)),
		refusedService("an upstream without a port", to(`,"Upstreams":[{"DestinationName":"db"}]`)),
		refusedService("an upstream of an unknown type", to(`,"Upstreams":[{"DestinationName":"db","DestinationType":"odd","LocalBindPort":1}]`)),
		refusedService("an upstream to all", to(`,"Upstreams":[{"DestinationName":"*","LocalBindPort":1}]`)),
		refusedService("an upstream with a port and a socket", to(`,"Upstreams":[{"DestinationName":"db","LocalBindPort":1,"LocalBindSocketPath":"/s"}]`)),
		refusedService("an upstream twice", to(`,"Upstreams":[{"DestinationName":"db","LocalBindPort":1},{"DestinationName":"db","LocalBindPort":2}]`)),
		refusedService("upstreams at one port", to(`,"Upstreams":[{"DestinationName":"db","LocalBindPort":1},{"DestinationName":"db2","LocalBindPort":1}]`)),
		refusedService("a path without a port", to(`,"Expose":{"Paths":[{"Path":"/a"},{"Path":"","ListenerPort":70000}]}`)),
		refusedService("a gateway without a port", `{"Kind":"mesh-gateway","Name":"g"}`),
		refusedService("a gateway for a service", `{"Kind":"terminating-gateway","Name":"g","Port":1,`+everyField+`}`),
		refusedService("a reserved key of meta at a proxy", proxy(`,"Meta":{"consul-wan-federation":"1"},"Proxy":{"DestinationServiceName":"web"}`)),
	}
}

func sidecarCases() []Case {
	return []Case{
		takenProxy("a sidecar", "web", `{"Name":"web","Port":80,"Tags":["a"],"Meta":{"k":"v"},"Connect":{"SidecarService":{}}}`),
		takenProxy("a sidecar of its own mind", "web1", `{"ID":"web1","Name":"web","Port":80,"Address":"10.0.0.1","connect":{"sidecar_service":{"Name":"own","Port":20000,"Tags":["b"],
			"Check":{"TTL":"1h","Status":"passing"},"Proxy":{"LocalServicePort":81,"Upstreams":[{"DestinationName":"db","LocalBindPort":9000}]}}}}`),
		takenProxy("a sidecar of a socket", "web", `{"Name":"web","SocketPath":"/tmp/web","Connect":{"SidecarService":{}}}`),
		takenProxy("an unknown field of Connect", "web", `{"Name":"web","Connect":{"Nope":1,"Native":true}}`),
		{Name: "ports of sidecars", Steps: []Step{
			{Do: serviceRegister, Body: `{"Name":"a","Connect":{"SidecarService":{}}}`}, {Do: serviceRegister, Body: `{"Name":"b","Connect":{"SidecarService":{}}}`},
			{Do: serviceRegister, Body: `{"Name":"a","Port":5,"Connect":{"SidecarService":{}}}`}, {Do: "GET /v1/agent/services"}, {Do: "GET /v1/agent/checks", Ignore: []string{"*.Output", "*.Status"}, Until: "a-sidecar-proxy"},
			{Do: "PUT /v1/agent/service/deregister/a"}, {Do: serviceRegister, Body: `{"Name":"c","Connect":{"SidecarService":{}}}`}, {Do: "GET /v1/agent/services"},
			{Do: "PUT /v1/agent/service/deregister/c-sidecar-proxy"}, {Do: "PUT /v1/agent/service/deregister/c"}, {Do: "PUT /v1/agent/service/deregister/b"}, {Do: "GET /v1/agent/services"},
		}},
		{Name: "a proxy that only looks like a sidecar", Steps: []Step{
			{Do: serviceRegister, Body: `{"Name":"a"}`}, {Do: serviceRegister, Body: `{"Name":"a-sidecar-proxy"}`}, {Do: "PUT /v1/agent/service/deregister/a"},
			{Do: "GET /v1/agent/services"}, {Do: "PUT /v1/agent/service/deregister/a-sidecar-proxy"},
		}},
		refusedService("a sidecar with an ID", `{"Name":"w","Connect":{"SidecarService":{"ID":"x"}}}`),
		refusedService("a sidecar of a sidecar", `{"Name":"w","Connect":{"SidecarService":{"Connect":{"SidecarService":{}}}}}`),
		refusedService("a sidecar with a bad upstream", `{"Name":"w","Connect":{"SidecarService":{"Proxy":{"Upstreams":[{}]}}}}`),
		refusedService("a sidecar with bad meta", `{"Name":"w","Connect":{"SidecarService":{"Meta":{"a b":"c"}}}}`),
		refusedService("a sidecar with a bad check", `{"Name":"w","Connect":{"SidecarService":{"Check":{"Name":"x"}}}}`),
		refusedService("a sidecar with a bad status", `{"Name":"w","Connect":{"SidecarService":{"Check":{"TTL":"1s","Status":"x"}}}}`),
		refusedService("an unknown field of a sidecar", `{"Name":"w","Connect":{"SidecarService":{"Nope":1}}}`),
		refusedService("a gateway with a sidecar", `{"Name":"w","Kind":"mesh-gateway","Port":1,"Connect":{"SidecarService":{}}}`),
	}
}

// waited are headers that Consul has otherwise in an answer that was waited for.
var waited = []string{"X-Consul-Query-Backend", "X-Consul-Knownleader", "X-Consul-Effective-Consistency"}

func meshCatalogCases() []Case {
	const register = "PUT /v1/catalog/register"
	on := func(service string) string { return `{"Node":"m1","Address":"10.1.1.1","Service":{` + service + `}}` }
	refused := func(name, service string) Case { return probe(name, register, on(service)) }
	cases := []Case{
		{Name: "proxies, native services and gateways", Steps: []Step{
			{Do: register, Body: on(`"ID":"px","Service":"front","Kind":"connect-proxy","Port":1,"Tags":["t"],` + everyField)},
			{Do: register, Body: on(`"ID":"nat","Service":"web","Port":2,"Connect":{"Native":true,"Nope":1}`)},
			{Do: register, Body: on(`"ID":"gw","Service":"gw","Kind":"terminating-gateway","Port":3,"Proxy":{"Config":{"a":1}}`)},
			{Do: register, Body: `{"Node":"m1","SkipNodeUpdate":true,"Checks":[{"Name":"c","ServiceID":"px","Status":"warning"}]}`},
		}},
		refused("a proxy of nothing", `"Service":"a","Kind":"connect-proxy"`),
		refused("a gateway without a port", `"Service":"a","Kind":"mesh-gateway"`),
		refused("a sidecar with an ID", `"Service":"a","Connect":{"SidecarService":{"ID":"x"}}`),
		refused("an unknown field of a proxy", `"Service":"a","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"b","Nope":1}`),
	}
	for _, path := range []string{
		"/v1/catalog/connect/web", "/v1/health/connect/web", "/v1/health/connect/Web?passing", "/v1/health/connect/web?tag=none", "/v1/catalog/connect/web?tag=none",
		"/v1/catalog/service/front", "/v1/health/service/front", "/v1/catalog/node/m1", "/v1/catalog/node-services/m1", "/v1/catalog/services", "/v1/health/ingress/web",
		"/v1/catalog/connect/front", "/v1/catalog/gateway-services/gw", "/v1/health/connect/web?node-meta=a:b",
	} {
		c := probe("mesh members in the catalog", "GET "+path)
		cases = append(cases, c)
	}
	for _, e := range []string{
		`ServiceKind == "connect-proxy"`, `ServiceProxy.DestinationServiceName == web`, `ServiceProxy.Mode == transparent`, `ServiceProxy.Upstreams.DestinationName == db`,
		`ServiceProxy.Upstreams is empty`, `ServiceProxy.MeshGateway.Mode == local`, `ServiceProxy.Expose.Checks == true`, `ServiceProxy.Expose.Paths.Path == "/m"`,
		`ServiceProxy.TransparentProxy.DialedDirectly == true`, `ServiceProxy.Config.c == ""`, `ServiceProxy.LocalServicePort == 80`, `ServiceConnect.Native == true`,
		`ServiceProxy.Upstreams.LocalBindPort == 9000`, `ServiceProxy.Upstreams.CentrallyConfigured == true`, `ServiceConnect.SidecarService is empty`,
	} {
		cases = append(cases, probe("?filter "+e, "GET /v1/catalog/connect/web?filter="+escape(e)))
	}
	return append(cases, probe("?filter in the agent", "GET /v1/agent/services?filter="+escape(`Proxy.Upstreams.DestinationName == db`)),
		probe("?filter in health", "GET /v1/health/connect/web?filter="+escape(`Service.Proxy.DestinationServiceID == web1 and Checks.Status == warning`)),
		Case{Name: "a proxy that comes wakes who waits", Steps: []Step{
			{Do: "GET /v1/health/connect/late"},
			{Do: "GET /v1/health/connect/late?index={index}&wait=10s", IgnoreHeaders: waited, Meanwhile: []Step{{Do: register, Body: on(`"ID":"late","Service":"l","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"late"}`)}}},
			{Do: "GET /v1/health/connect/late?index={index}&wait=10s", IgnoreHeaders: waited, Meanwhile: []Step{{Do: register, Body: `{"Node":"m1","SkipNodeUpdate":true,"Check":{"Name":"lc","ServiceID":"late","Status":"critical"}}`}}},
			{Do: "GET /v1/catalog/connect/late?index={index}&wait=10s", IgnoreHeaders: waited, Meanwhile: []Step{{Do: "PUT /v1/catalog/deregister", Body: `{"Node":"m1","ServiceID":"late"}`}}},
		}},
		probe("tidy up", "PUT /v1/catalog/deregister", `{"Node":"m1"}`))
}

func meshTxnCases() []Case {
	node := txn(`[{"Node":{"Verb":"set","Node":{"Node":"s1","Address":"10.1.1.1"}}}]`)
	c := transactions("what a transaction says of a mesh is left alone", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"web","Mode":"direct"}}}}]`,
		`[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"n","Connect":{"Native":true}}}}]`, `[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"p"}}}]`)
	c.Steps = append([]Step{node}, c.Steps...)
	return []Case{c, {Name: "a proxy as a transaction tells it", Steps: []Step{
		{Do: "PUT /v1/catalog/register", Body: `{"Node":"s1","Address":"10.1.1.1","Service":{"ID":"px","Service":"front","Kind":"connect-proxy","Port":1,` + everyField + `}}`},
		txn(`[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"px"}}}]`),
		{Do: "PUT /v1/catalog/deregister", Body: `{"Node":"s1"}`},
	}}}
}

const (
	asGiven  = "told as it was given: Consul adds the fields of its own that are not set"
	unjudged = "fields are not judged: an entry is kept and told, and nothing acts on it"
)

func configEntryCases() []Case {
	const apply = "PUT /v1/config"
	at := map[string]string{"at": "ModifyIndex"}
	return []Case{
		{Name: "an entry is applied, told and deleted", Steps: []Step{
			{Do: apply, Body: `{"Kind":"proxy-defaults","Name":"global","Config":{"a_b":1,"c":"d"},"MeshGateway":{"Mode":"local"},"Meta":{"x_y":"z"}}`},
			{Do: "GET /v1/config/proxy-defaults/global", Differs: asGiven},
			{Do: "DELETE /v1/config/proxy-defaults/global"}, {Do: "DELETE /v1/config/proxy-defaults/global"}, {Do: "GET /v1/config/proxy-defaults/global"},
		}},
		{Name: "a resolver", Steps: []Step{
			{Do: apply, Body: `{"kind":"service-resolver","name":"web","default_subset":"v1","subsets":{"v1":{"filter":"x == y","only_passing":true}}}`},
			{Do: "GET /v1/config/service-resolver/web"}, {Do: "GET /v1/config/service-resolver/WEB"}, {Do: "GET /v1/config/service-resolver"}, {Do: "DELETE /v1/config/service-resolver/web"},
		}},
		{Name: "a terminating gateway", Steps: []Step{
			{Do: apply, Body: `{"Kind":"terminating-gateway","Name":"gw","Services":[{"Name":"web","CAFile":"/ca","SNI":"s"}]}`},
			{Do: "GET /v1/config/terminating-gateway"}, {Do: "DELETE /v1/config/terminating-gateway/gw"},
		}},
		{Name: "cas", Steps: []Step{
			{Do: apply + "?cas=5", Body: `{"Kind":"service-resolver","Name":"c"}`}, {Do: apply + "?cas=0", Body: `{"Kind":"service-resolver","Name":"c"}`},
			{Do: apply + "?cas=0", Body: `{"Kind":"service-resolver","Name":"c","ConnectTimeout":"1s"}`}, {Do: "GET /v1/config/service-resolver/c", Keep: at},
			{Do: apply + "?cas={at}", Body: `{"Kind":"service-resolver","Name":"c","ConnectTimeout":"2s"}`}, {Do: "DELETE /v1/config/service-resolver/c?cas=1"},
			{Do: "GET /v1/config/service-resolver/c", Keep: at}, {Do: "DELETE /v1/config/service-resolver/c?cas={at}"}, {Do: "DELETE /v1/config/service-resolver/c?cas={at}"},
		}},
		probe("a cas that is no number", apply+"?cas=x", `{"Kind":"service-resolver","Name":"c"}`),
		probe("a delete with a cas that is no number", "DELETE /v1/config/service-resolver/c?cas=x"),
		probe("defaults of proxies of another name", apply, `{"Kind":"proxy-defaults","Name":"x"}`),
		probe("no name", apply, `{"Kind":"service-resolver"}`),
		probe("no kind", apply, `{"Name":"x"}`),
		probe("a kind that is none", apply, `{"Kind":"zz","Name":"x"}`),
		{Name: "an entry that comes wakes who waits", Steps: []Step{
			{Do: "GET /v1/config/service-splitter"},
			{Do: "GET /v1/config/service-resolver"},
			{Do: "GET /v1/config/service-resolver?index={index}&wait=10s", Meanwhile: []Step{{Do: apply, Body: `{"Kind":"service-resolver","Name":"late"}`}}},
		}},
		probe("an unknown field of an entry", apply, `{"Kind":"service-resolver","Name":"x","Nope":1}`).differing(unjudged),
	}
}
