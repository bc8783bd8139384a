package parity

func snapshotCases() []Case {
	get := func(do string) Step { return Step{Do: do, IgnoreBody: true} }
	return []Case{
		{Name: "save", Steps: []Step{get("GET /v1/snapshot")}},
		{Name: "save, stale", Steps: []Step{get("GET /v1/snapshot?stale")}},
		{Name: "save from the own datacenter", Steps: []Step{get("GET /v1/snapshot?dc=dc1")}},
		{Name: "save from another datacenter", Steps: []Step{{Do: "GET /v1/snapshot?dc=elsewhere"}}},
		{Name: "restore what is no archive", Steps: []Step{{Do: "PUT /v1/snapshot", Body: "no archive, but long enough for a header"}}},
		{Name: "restore what ends within its first bytes", Steps: []Step{{Do: "PUT /v1/snapshot", Body: "short"}}},
		{Name: "restore nothing", Steps: []Step{{Do: "PUT /v1/snapshot"}}},
		{Name: "restore, stale", Steps: []Step{{Do: "PUT /v1/snapshot?stale", Body: "x"}}},
		{Name: "restore to another datacenter", Steps: []Step{{Do: "PUT /v1/snapshot?dc=elsewhere", Body: "x"}}},
		{Name: "a wrong verb", Steps: []Step{{Do: "POST /v1/snapshot"}, {Do: "DELETE /v1/snapshot"}}},
		{Name: "the verbs", Steps: []Step{{Do: "OPTIONS /v1/snapshot"}}},
	}
}
