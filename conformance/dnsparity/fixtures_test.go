package dnsparity

import (
	"fmt"
	"maps"
	"strings"
)

type object map[string]any

type list []any

// longNode is a name that does not fit into a label.
var longNode = strings.Repeat("long", 20)

func node(name, address string, more object) object {
	registration := object{"Node": name, "Address": address}
	maps.Copy(registration, more)
	return registration
}

func (c *consul) nodes() {
	for _, n := range []object{
		node("foo", "10.1.0.1", object{
			"ID":       "aabbccdd-0000-4000-8000-000000000001",
			"NodeMeta": object{"key": "value", "RFC1035-00": "plain text", " odd=`key` ": "a`b=c\\d", "empty": ""},
		}),
		node("six", "2001:db8::6", nil),
		node("both", "10.1.0.3", object{"TaggedAddresses": object{"lan_ipv4": "10.1.0.33", "lan_ipv6": "2001:db8::33"}}),
		node("Host.With.Dots", "10.1.0.4", nil),
		node("under_score", "10.1.0.5", nil),
		node("elsewhere", "www.example.org", nil),
		node("within", "foo.node.consul", nil),
		node("within2", "web.service.consul", nil),
		node("itself", "itself.node.consul", nil),
		node("with space", "10.1.0.6", nil),
		node(longNode, "10.1.0.7", nil),
		node("meta", "10.1.0.8", object{"NodeMeta": object{"a": strings.Repeat("x", 250)}}),
		node("longmeta", "10.1.0.9", object{"NodeMeta": object{"a": strings.Repeat("x", 400)}}),
		node("badaddress", "double..dot", nil),
	} {
		c.put("/v1/catalog/register", n)
	}
}

// instance registers one with checks of these statuses.
func (c *consul) instance(on, id string, service object, statuses ...string) {
	c.t.Helper()
	name, _, _ := strings.Cut(id, "#")
	service["ID"] = id
	if service["Service"] == nil {
		service["Service"] = name
	}
	var checks list
	for n, status := range statuses {
		checks = append(checks, object{"CheckID": fmt.Sprintf("%s:%d", id, n), "Name": "c", "Status": status, "ServiceID": id})
	}
	c.put("/v1/catalog/register", object{"Node": on, "SkipNodeUpdate": true, "Service": service, "Checks": checks})
}

func (c *consul) services() {
	weights := object{"Passing": 10, "Warning": 3}
	c.instance("foo", "web#1", object{"Port": 80, "Tags": list{"v1", "Blue", "a.b"}, "Weights": weights}, "passing")
	c.instance("foo", "web#2", object{"Port": 81, "Address": "10.2.0.1", "Tags": list{"v2"}, "Weights": weights}, "warning", "passing")
	c.instance("foo", "web#3", object{"Port": 82, "Address": "10.2.0.2"}, "critical")
	c.instance("six", "web#4", object{"Port": 83})
	c.instance("six", "web#5", object{"Port": 83, "Address": "2001:db8::7"}, "passing")
	c.instance("both", "web#6", object{"Port": 84}, "odd")
	proxy := func(port int, more object) object {
		more["Kind"], more["Port"], more["Proxy"] = "connect-proxy", port, object{"DestinationServiceName": "meshed"}
		return more
	}
	c.instance("foo", "meshed#1", object{"Port": 80})
	c.instance("foo", "front#1", proxy(81, object{"Tags": list{"v1"}, "Weights": weights}), "passing")
	c.instance("six", "front#2", proxy(82, object{"Address": "10.2.0.9"}), "critical")
	c.instance("both", "front#3", proxy(83, object{"Address": "10.2.0.10"}), "warning")
	c.instance("foo", "native#1", object{"Port": 84, "Connect": object{"Native": true}})
	c.instance("foo", "down#1", object{"Port": 80}, "critical", "passing")
	c.instance("foo", "warned#1", object{"Port": 80}, "warning")
	c.instance("Host.With.Dots", "dots#1", object{"Port": 80})
	c.instance("under_score", "under_score#1", object{"Port": 80, "Tags": list{"under_tag"}})
	c.instance("with space", "spaced#1", object{"Port": 80})
	c.instance(longNode, "onlong#1", object{"Port": 80})
	c.instance("elsewhere", "ext#1", object{"Port": 443})
	c.instance("elsewhere", "mixed#1", object{"Port": 443})
	c.instance("foo", "mixed#2", object{"Port": 443})
	c.instance("foo", "named#1", object{"Port": 443, "Address": "www.example.org"})
	c.instance("foo", "inner#1", object{"Port": 443, "Address": "web.service.consul"})
	c.instance("foo", "innernode#1", object{"Port": 443, "Address": "foo.node.consul."})
	c.instance("foo", "myself#1", object{"Port": 443, "Address": "myself.service.consul"})
	c.instance("foo", "ping#1", object{"Port": 443, "Address": "pong.service.consul"})
	c.instance("foo", "pong#1", object{"Port": 443, "Address": "ping.service.consul"})
	c.instance("foo", "broken#1", object{"Port": 443, "Address": "double..dot"})
	c.instance("foo", "tagged#1", object{"Port": 9, "Address": "10.3.0.1", "TaggedAddresses": object{
		"lan_ipv4": object{"Address": "10.3.0.2", "Port": 10}, "lan_ipv6": object{"Address": "2001:db8::9", "Port": 11},
	}})
	c.instance("foo", "same#1", object{"Port": 80})
	c.instance("foo", "same#2", object{"Port": 80})
	c.instance("foo", "same#3", object{"Port": 81})
	c.instance("foo", "noport#1", object{})
	c.instance("foo", "Upper#1", object{"Port": 80, "Tags": list{"UP"}})
	c.instance("foo", "tcp#1", object{"Port": 80, "Tags": list{"tcp", "udp"}})
	c.instance("foo", "zero#1", object{"Port": 80, "Weights": object{"Passing": 65535, "Warning": 0}}, "warning")
}

// maintained puts a node and an instance under maintenance, as the agent does.
func (c *consul) maintained() {
	c.put("/v1/catalog/register", node("resting", "10.1.0.20", object{
		"Check": object{"CheckID": "_node_maintenance", "Name": "m", "Status": "critical"},
	}))
	c.instance("resting", "rest#1", object{"Port": 80}, "passing")
	c.instance("foo", "rest#2", object{"Port": 81}, "passing")
	c.put("/v1/catalog/register", object{"Node": "foo", "SkipNodeUpdate": true, "Check": object{
		"CheckID": "_service_maintenance:rest#2", "Name": "m", "Status": "critical", "ServiceID": "rest#2",
	}})
	c.instance("six", "rest#3", object{"Port": 82}, "passing")
}

// many registers count instances of a service, each with an address of its own.
func (c *consul) many(service, host string, count int) {
	const most = 64 // operations of a transaction
	var operations list
	for n := range count {
		address := host
		if host == "" {
			address = fmt.Sprintf("10.%d.%d.%d", 100+n/62500, n/250%250, 1+n%250)
		}
		operations = append(operations, object{"Service": object{"Verb": "set", "Node": "foo", "Service": object{
			"ID": fmt.Sprintf("%s#%d", service, n), "Service": service, "Address": address, "Port": 20000 + n,
		}}})
		if len(operations) == most || n == count-1 {
			c.put("/v1/txn", operations)
			operations = nil
		}
	}
}
