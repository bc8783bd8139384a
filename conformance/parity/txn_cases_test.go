package parity

import "strings"

func txnCases() []Case {
	return concat(txnBodyCases(), txnKVCases(), txnNodeCases(), txnServiceCases(), txnCheckCases())
}

// txn is one transaction; what it says is the body.
func txn(body string) Step { return Step{Do: "PUT /v1/txn", Body: body} }

// transactions is a case of one transaction after another.
func transactions(name string, bodies ...string) Case {
	c := Case{Name: name}
	for _, b := range bodies {
		c.Steps = append(c.Steps, txn(b))
	}
	return c
}

// ops is a transaction of so many operations that get a key which is there.
func ops(n int) string {
	return `[{"KV":{"Verb":"set","Key":"many"}}` + strings.Repeat(`,{"KV":{"Verb":"get","Key":"many"}}`, n-1) + `]`
}

func txnBodyCases() []Case {
	const typeName = "the text names a type of the program"
	base64 := strings.Repeat("A", 512<<10-100)
	return []Case{
		transactions("no operations", `[]`),
		transactions("null", `null`),
		transactions("operations that say nothing", `[{},{}]`),
		transactions("an operation that says nothing is not counted", `[{},{"KV":{"Verb":"get","Key":"none"}}]`),
		transactions("no body", ``),
		transactions("no JSON", `x`),
		transactions("broken JSON", `[{`),
		{Name: "an object", Steps: []Step{{Do: "PUT /v1/txn", Body: `{}`, Differs: typeName}}},
		{Name: "a verb of another kind", Steps: []Step{{Do: "PUT /v1/txn", Body: `[{"KV":{"Verb":5}}]`, Differs: typeName}}},
		transactions("an unknown operation", `[{"Nope":{}}]`),
		transactions("an unknown field", `[{"KV":{"Verb":"get","Key":"a","Nope":1}}]`),
		transactions("an unknown field of a node", `[{"Node":{"Verb":"get","Node":{"Node":"n1","Nope":1}}}]`),
		transactions("an unknown field of a service", `[{"Service":{"Verb":"get","Node":"n1","Service":{"Nope":1}}}]`),
		transactions("keys in small letters", `[{"kv":{"verb":"set","key":"small","value":"YQ=="}},{"kv":{"verb":"get","key":"small"}}]`),
		transactions("a value that is not base64", `[{"KV":{"Verb":"set","Key":"a","Value":"%"}}]`),
		transactions("text after the list", `[] tail`),
		transactions("64 operations", ops(64)),
		transactions("65 operations", ops(65)),
		transactions("a body of nearly the largest size", `[{"KV":{"Verb":"set","Key":"large","Value":"`+base64[:len(base64)/4*4]+`"}}]`),
		transactions("a body beyond the largest", `[{"KV":{"Verb":"set","Key":"large","Value":"`+strings.Repeat("A", 512<<10)+`"}}]`),
		one("a wrong verb", "GET /v1/txn"),
		{Name: "stale and consistent", Steps: []Step{{Do: "PUT /v1/txn?stale&consistent", Body: `[]`}}},
		{Name: "stale and consistent, with a write", Steps: []Step{{Do: "PUT /v1/txn?stale&consistent", Body: `[{"KV":{"Verb":"set","Key":"a"}}]`}}},
		{Name: "another datacenter", Steps: []Step{{Do: "PUT /v1/txn?dc=elsewhere", Body: `[]`}}},
		{Name: "another datacenter, with a write", Steps: []Step{{Do: "PUT /v1/txn?dc=elsewhere", Body: `[{"KV":{"Verb":"set","Key":"a"}}]`}}},
		{Name: "pretty", Steps: []Step{{Do: "PUT /v1/txn?pretty", Body: `[{"KV":{"Verb":"set","Key":"a"}}]`}}},
	}
}

func txnKVCases() []Case {
	at := map[string]string{"at": "Results.0.KV.ModifyIndex"}
	return []Case{
		transactions("set and get", `[{"KV":{"Verb":"set","Key":"k/a","Value":"aGk=","Flags":3}},{"KV":{"Verb":"get","Key":"k/a"}}]`, `[{"KV":{"Verb":"get","Key":"k/a"}}]`),
		transactions("an empty value", `[{"KV":{"Verb":"set","Key":"k/e","Value":""}},{"KV":{"Verb":"get","Key":"k/e"}}]`, `[{"KV":{"Verb":"set","Key":"k/e","Value":null}}]`),
		transactions("get what is not there", `[{"KV":{"Verb":"get","Key":"none"}}]`),
		transactions("get a tree", `[{"KV":{"Verb":"set","Key":"k/t/a","Value":"MQ=="}},{"KV":{"Verb":"set","Key":"k/t/b"}},{"KV":{"Verb":"get-tree","Key":"k/t/"}}]`, `[{"KV":{"Verb":"get-tree","Key":"k/t/"}}]`, `[{"KV":{"Verb":"get-tree","Key":"none"}}]`),
		transactions("get everything", `[{"KV":{"Verb":"get-tree","Key":""}}]`),
		transactions("no key", `[{"KV":{"Verb":"set"}},{"KV":{"Verb":"get"}},{"KV":{"Verb":"delete"}}]`),
		transactions("an unknown verb", `[{"KV":{"Verb":"nope","Key":"a"}}]`, `[{"KV":{"Verb":"nope","Key":"a"}},{"KV":{"Verb":"set","Key":"a"}}]`, `[{"KV":{"Key":"a"}}]`),
		transactions("a verb of a later Consul", `[{"KV":{"Verb":"get-or-empty","Key":"none"}}]`),
		{Name: "cas", Steps: []Step{
			{Do: "PUT /v1/txn", Body: `[{"KV":{"Verb":"cas","Key":"k/c","Index":0,"Value":"MQ=="}}]`, Keep: at},
			txn(`[{"KV":{"Verb":"cas","Key":"k/c","Index":0}}]`), txn(`[{"KV":{"Verb":"cas","Key":"k/c","Index":1}}]`), txn(`[{"KV":{"Verb":"cas","Key":"none","Index":1}}]`),
			txn(`[{"KV":{"Verb":"cas","Key":"k/c","Index":{at},"Value":"Mg=="}}]`), {Do: "GET /v1/kv/k/c?raw"},
		}},
		{Name: "delete-cas", Steps: []Step{
			{Do: "PUT /v1/txn", Body: `[{"KV":{"Verb":"set","Key":"k/d"}}]`, Keep: at},
			txn(`[{"KV":{"Verb":"delete-cas","Key":"k/d","Index":1}}]`), txn(`[{"KV":{"Verb":"delete-cas","Key":"k/d","Index":{at}}}]`),
			txn(`[{"KV":{"Verb":"delete-cas","Key":"k/d","Index":{at}}}]`),
		}},
		{Name: "check-index", Steps: []Step{
			{Do: "PUT /v1/txn", Body: `[{"KV":{"Verb":"set","Key":"k/i"}}]`, Keep: at},
			txn(`[{"KV":{"Verb":"check-index","Key":"k/i","Index":{at}}}]`), {Do: "PUT /v1/txn", Body: `[{"KV":{"Verb":"check-index","Key":"k/i","Index":1}}]`, Ignore: []string{"Errors.0.What"}},
			txn(`[{"KV":{"Verb":"check-index","Key":"none","Index":1}}]`),
		}},
		transactions("check-not-exists", `[{"KV":{"Verb":"set","Key":"k/n"}}]`, `[{"KV":{"Verb":"check-not-exists","Key":"k/n"}}]`, `[{"KV":{"Verb":"check-not-exists","Key":"none"}}]`),
		transactions("delete and delete-tree", `[{"KV":{"Verb":"set","Key":"k/x/a"}},{"KV":{"Verb":"set","Key":"k/x/b"}}]`, `[{"KV":{"Verb":"delete","Key":"k/x/a"}},{"KV":{"Verb":"delete","Key":"none"}}]`, `[{"KV":{"Verb":"delete-tree","Key":"k/x/"}}]`, `[{"KV":{"Verb":"get-tree","Key":"k/x/"}}]`),
		{Name: "lock, check-session and unlock", Steps: []Step{
			session("s", `{"Name":"txn"}`), txn(`[{"KV":{"Verb":"lock","Key":"k/l","Session":"{s}","Value":"MQ=="}}]`),
			txn(`[{"KV":{"Verb":"check-session","Key":"k/l","Session":"{s}"}}]`), txn(`[{"KV":{"Verb":"check-session","Key":"k/l","Session":"x"}}]`),
			txn(`[{"KV":{"Verb":"check-session","Key":"none","Session":"x"}}]`), txn(`[{"KV":{"Verb":"unlock","Key":"k/l","Session":"x"}}]`),
			txn(`[{"KV":{"Verb":"lock","Key":"k/l","Session":"{s}"}},{"KV":{"Verb":"unlock","Key":"k/l","Session":"{s}"}}]`), {Do: "GET /v1/kv/k/l"},
			txn(`[{"KV":{"Verb":"check-session","Key":"k/l","Session":""}}]`), {Do: "PUT /v1/session/destroy/{s}"},
		}},
		{Name: "a lock that another has", Steps: []Step{
			session("a", `{}`), session("b", `{}`), txn(`[{"KV":{"Verb":"lock","Key":"k/m","Session":"{a}"}}]`), txn(`[{"KV":{"Verb":"lock","Key":"k/m","Session":"{b}"}}]`),
			{Do: "PUT /v1/session/destroy/{a}"}, txn(`[{"KV":{"Verb":"lock","Key":"k/m","Session":"{b}"}}]`), {Do: "PUT /v1/session/destroy/{b}"},
		}},
		transactions("lock and unlock by no session", `[{"KV":{"Verb":"lock","Key":"k/l"}},{"KV":{"Verb":"lock","Key":"k/l","Session":"x"}},{"KV":{"Verb":"unlock","Key":"k/l"}}]`),
		{Name: "one that fails undoes all", Steps: []Step{
			txn(`[{"KV":{"Verb":"set","Key":"k/u","Value":"MQ=="}}]`),
			txn(`[{"KV":{"Verb":"set","Key":"k/u","Value":"Mg=="}},{"KV":{"Verb":"get","Key":"none"}},{"KV":{"Verb":"delete","Key":"k/u"}},{"KV":{"Verb":"cas","Key":"none","Index":9}}]`),
			{Do: "GET /v1/kv/k/u?raw"},
		}},
		{Name: "a waiting reader wakes once it is done", Steps: []Step{
			put("k/w", "1"), {Do: "GET /v1/kv/k/w"},
			{Do: "GET /v1/kv/k/w?raw&index={index}&wait=10s", Meanwhile: []Step{txn(`[{"KV":{"Verb":"set","Key":"k/w","Value":"Mg=="}},{"KV":{"Verb":"set","Key":"k/w","Value":"Mw=="}}]`)}},
		}},
	}
}

func txnNodeCases() []Case {
	const id = "11111111-2222-4333-8444-555555555555"
	at := map[string]string{"at": "Results.0.Node.ModifyIndex"}
	return []Case{
		{Name: "the agent's own node", Steps: []Step{{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"get","Node":{"Node":"n1"}}}]`, Until: "lan_ipv4"}}},
		transactions("a node that is not there", `[{"Node":{"Verb":"get","Node":{"Node":"none"}}}]`),
		transactions("set", `[{"Node":{"Verb":"set","Node":{"Node":"t1","Address":"10.1.1.1","Meta":{"a":"b"},"TaggedAddresses":{"lan":"10.1.1.1"}}}}]`, `[{"Node":{"Verb":"get","Node":{"Node":"t1"}}}]`),
		transactions("set the same", `[{"Node":{"Verb":"set","Node":{"Node":"t2","Address":"10.1.1.1"}}}]`, `[{"Node":{"Verb":"set","Node":{"Node":"t2","Address":"10.1.1.1"}}}]`),
		transactions("by ID", `[{"Node":{"Verb":"set","Node":{"Node":"t3","ID":"`+id+`","Address":"10.1.1.1"}}}]`, `[{"Node":{"Verb":"get","Node":{"ID":"`+id+`"}}}]`, `[{"Node":{"Verb":"set","Node":{"Node":"t3-renamed","ID":"`+id+`","Address":"10.1.1.1"}}}]`, `[{"Node":{"Verb":"get","Node":{"Node":"t3"}}}]`),
		transactions("bad IDs", `[{"Node":{"Verb":"set","Node":{"Node":"t","ID":"x"}}},{"Node":{"Verb":"set","Node":{"Node":"t","ID":"`+strings.ReplaceAll(id, "-", "x")+`"}}},{"Node":{"Verb":"set","Node":{"Node":"t","ID":"z`+id[1:]+`"}}}]`),
		transactions("another node's name", `[{"Node":{"Verb":"set","Node":{"Node":"t4","ID":"`+id[:35]+`6","Address":"10.1.1.1"}}},{"Check":{"Verb":"set","Check":{"Node":"t4","CheckID":"serfHealth","Status":"passing"}}}]`, `[{"Node":{"Verb":"set","Node":{"Node":"t4","ID":"`+id[:35]+`7","Address":"10.1.1.2"}}}]`),
		{Name: "cas", Steps: []Step{
			{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"cas","Node":{"Node":"t5","Address":"10.1.1.1"}}}]`, Keep: at},
			txn(`[{"Node":{"Verb":"cas","Node":{"Node":"t5","Address":"10.1.1.2"}}}]`), txn(`[{"Node":{"Verb":"cas","Node":{"Node":"t5","Address":"10.1.1.2","ModifyIndex":{at}}}}]`),
			txn(`[{"Node":{"Verb":"cas","Node":{"Node":"none","ModifyIndex":3}}}]`), txn(`[{"Node":{"Verb":"delete-cas","Node":{"Node":"t5","ModifyIndex":{at}}}}]`),
		}},
		{Name: "delete-cas", Steps: []Step{
			{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"set","Node":{"Node":"t6","Address":"10.1.1.1"}}}]`, Keep: at},
			txn(`[{"Node":{"Verb":"delete-cas","Node":{"Node":"t6"}}}]`), txn(`[{"Node":{"Verb":"delete-cas","Node":{"Node":"t6","ModifyIndex":{at}}}}]`), txn(`[{"Node":{"Verb":"delete-cas","Node":{"Node":"t6"}}}]`),
		}},
		transactions("delete", `[{"Node":{"Verb":"set","Node":{"Node":"t7","Address":"10.1.1.1"}}}]`, `[{"Node":{"Verb":"delete","Node":{"Node":"t7"}}},{"Node":{"Verb":"delete","Node":{"Node":"t7"}}}]`),
		transactions("no name", `[{"Node":{"Verb":"set","Node":{}}},{"Node":{"Verb":"delete","Node":{}}},{"Node":{"Verb":"get","Node":{}}}]`),
		transactions("an unknown verb", `[{"Node":{"Verb":"nope","Node":{"Node":"t1"}}}]`, `[{"Node":{"Node":{"Node":"t1"}}}]`),
		{Name: "a change of the agent's own node stays away", Steps: []Step{
			{Do: "PUT /v1/txn", Body: `[{"Node":{"Verb":"set","Node":{"Node":"n1","Address":"10.9.9.9"}}}]`,
				Differs: "the agent's own node is put back in the same write; Consul's agent puts it back up to a minute later"},
		}},
	}
}

func txnServiceCases() []Case {
	at := map[string]string{"at": "Results.0.Service.ModifyIndex"}
	node := txn(`[{"Node":{"Verb":"set","Node":{"Node":"s1","Address":"10.1.1.1"}}}]`)
	on := func(name string, bodies ...string) Case {
		c := transactions(name, bodies...)
		c.Steps = append([]Step{node}, c.Steps...)
		return c
	}
	return []Case{
		on("set and get", `[{"Service":{"Verb":"set","Node":"s1","Service":{"ID":"web1","Service":"web","Tags":["a","b"],"Meta":{"k":"v"},"Port":80,"Address":"10.2.2.2","Weights":{"Passing":5,"Warning":2},"EnableTagOverride":true}}}]`, `[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"web1"}}}]`),
		on("the name stands for the ID", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"plain"}}}]`, `[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"plain"}}}]`),
		on("fields that are left alone", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"odd","Kind":"typical","SocketPath":"/x","TaggedAddresses":{"lan":{"Address":"1.2.3.4","Port":1}}}}}]`),
		on("weights that are none", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"w","Weights":{"Passing":0,"Warning":5}}}}]`, `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"w2","Weights":{"Passing":70000}}}}]`, `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"w3","Weights":{"Passing":3}}}}]`),
		on("an empty list of tags", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"tagless","Tags":[]}}}]`, `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"tagless2"}}}]`, `[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"tagless2"}}}]`),
		on("a service that is not there", `[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"none"}}}]`, `[{"Service":{"Verb":"get","Node":"none","Service":{"ID":"web1"}}}]`),
		on("a node that is not there", `[{"Service":{"Verb":"set","Node":"none","Service":{"Service":"web"}}}]`),
		on("an ID without a name", `[{"Service":{"Verb":"set","Node":"s1","Service":{"ID":"web1"}}}]`, `[{"Service":{"Verb":"delete","Node":"s1","Service":{"ID":"web1"}}}]`),
		on("an address that is none", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Address":"0.0.0.0"}}},{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Address":"[::]"}}},{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Address":"::"}}}]`),
		on("bad meta", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Meta":{"a b":"c"}}}},{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Meta":{"":"c"}}}},{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Meta":{"consul-x":"c"}}}},{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Meta":{"`+strings.Repeat("k", 129)+`":"c"}}}},{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"web","Meta":{"k":"`+strings.Repeat("v", 513)+`"}}}}]`),
		{Name: "cas", Steps: []Step{
			node, {Do: "PUT /v1/txn", Body: `[{"Service":{"Verb":"cas","Node":"s1","Service":{"Service":"c"}}}]`, Keep: at},
			txn(`[{"Service":{"Verb":"cas","Node":"s1","Service":{"Service":"c","Port":1}}}]`), txn(`[{"Service":{"Verb":"cas","Node":"s1","Service":{"Service":"c","Port":1,"ModifyIndex":{at}}}}]`),
			txn(`[{"Service":{"Verb":"delete-cas","Node":"s1","Service":{"Service":"c","ModifyIndex":{at}}}}]`), txn(`[{"Service":{"Verb":"delete-cas","Node":"s1","Service":{"Service":"none"}}}]`),
		}},
		{Name: "delete-cas", Steps: []Step{
			node, {Do: "PUT /v1/txn", Body: `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"d"}}}]`, Keep: at},
			txn(`[{"Service":{"Verb":"delete-cas","Node":"s1","Service":{"Service":"d","ModifyIndex":{at}}}}]`), txn(`[{"Service":{"Verb":"get","Node":"s1","Service":{"ID":"d"}}}]`),
		}},
		on("delete", `[{"Service":{"Verb":"set","Node":"s1","Service":{"Service":"e"}}}]`, `[{"Service":{"Verb":"delete","Node":"s1","Service":{"ID":"e","Service":"e"}}},{"Service":{"Verb":"delete","Node":"s1","Service":{"ID":"none","Service":"e"}}}]`),
		on("an unknown verb", `[{"Service":{"Verb":"nope","Node":"s1","Service":{"Service":"web"}}}]`),
		{Name: "no name", Steps: []Step{node, {
			Do: "PUT /v1/txn", Body: `[{"Service":{"Verb":"set","Node":"s1","Service":{}}}]`,
			Differs: "a service without a name is refused; Consul stores one that nobody can find",
		}}},
	}
}

func txnCheckCases() []Case {
	at := map[string]string{"at": "Results.0.Check.ModifyIndex"}
	ready := txn(`[{"Node":{"Verb":"set","Node":{"Node":"c1","Address":"10.1.1.1"}}},{"Service":{"Verb":"set","Node":"c1","Service":{"Service":"web","Tags":["t"]}}}]`)
	on := func(name string, bodies ...string) Case {
		c := transactions(name, bodies...)
		c.Steps = append([]Step{ready}, c.Steps...)
		return c
	}
	return []Case{
		on("set and get", `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"a","Name":"n","Status":"passing","Notes":"no","Output":"out","ServiceID":"web"}}}]`, `[{"Check":{"Verb":"get","Check":{"Node":"c1","CheckID":"a"}}}]`),
		on("the name stands for the ID", `[{"Check":{"Verb":"set","Check":{"Node":"c1","Name":"named"}}}]`, `[{"Check":{"Verb":"get","Check":{"Node":"c1","CheckID":"named"}}}]`),
		on("without a status", `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"b"}}}]`),
		on("a status that is none", `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"b","Status":"odd"}}}]`),
		on("with a definition", `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"d","Status":"passing","Definition":{"HTTP":"http://x","Interval":"10s","Timeout":"1s","DeregisterCriticalServiceAfter":"1m"}}}}]`),
		{Name: "fields that are left alone", Steps: []Step{ready, {
			Do: "PUT /v1/txn", Body: `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"e","ServiceName":"x","ServiceTags":["y"],"Type":"http"}}}]`,
			Differs: "a check without a ServiceID is the node's and has no service name; Consul keeps the one given",
		}}},
		on("a node that is not there", `[{"Check":{"Verb":"set","Check":{"Node":"none","CheckID":"a"}}}]`),
		on("a service that is not there", `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"a","ServiceID":"none"}}}]`),
		on("a check that is not there", `[{"Check":{"Verb":"get","Check":{"Node":"c1","CheckID":"none"}}}]`),
		{Name: "no ID", Steps: []Step{ready, {
			Do: "PUT /v1/txn", Body: `[{"Check":{"Verb":"set","Check":{"Node":"c1"}}}]`, Differs: "the text says that the ID is missing; Consul's is of its indexes",
		}}},
		{Name: "cas", Steps: []Step{
			ready, {Do: "PUT /v1/txn", Body: `[{"Check":{"Verb":"cas","Check":{"Node":"c1","CheckID":"c"}}}]`, Keep: at},
			txn(`[{"Check":{"Verb":"cas","Check":{"Node":"c1","CheckID":"c","Status":"passing"}}}]`), txn(`[{"Check":{"Verb":"cas","Check":{"Node":"c1","CheckID":"c","Status":"passing","ModifyIndex":{at}}}}]`),
			txn(`[{"Check":{"Verb":"delete-cas","Check":{"Node":"c1","CheckID":"c","ModifyIndex":{at}}}}]`), txn(`[{"Check":{"Verb":"delete-cas","Check":{"Node":"c1","CheckID":"none"}}}]`),
		}},
		{Name: "delete-cas", Steps: []Step{
			ready, {Do: "PUT /v1/txn", Body: `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"f"}}}]`, Keep: at},
			txn(`[{"Check":{"Verb":"delete-cas","Check":{"Node":"c1","CheckID":"f","ModifyIndex":{at}}}}]`), txn(`[{"Check":{"Verb":"get","Check":{"Node":"c1","CheckID":"f"}}}]`),
		}},
		on("delete", `[{"Check":{"Verb":"set","Check":{"Node":"c1","CheckID":"g"}}}]`, `[{"Check":{"Verb":"delete","Check":{"Node":"c1","CheckID":"g"}}},{"Check":{"Verb":"delete","Check":{"Node":"c1","CheckID":"none"}}}]`),
		on("an unknown verb", `[{"Check":{"Verb":"nope","Check":{"Node":"c1","CheckID":"a"}}}]`),
		transactions("everything in one", `[{"Node":{"Verb":"set","Node":{"Node":"c2","Address":"10.1.1.1"}}},{"Service":{"Verb":"set","Node":"c2","Service":{"Service":"web"}}},{"Check":{"Verb":"set","Check":{"Node":"c2","CheckID":"a","ServiceID":"web","Status":"passing"}}},{"KV":{"Verb":"set","Key":"all"}}]`),
	}
}
