package parity

func statusCases() []Case {
	return []Case{
		{Name: "the leader", Steps: []Step{{Do: "GET /v1/status/leader"}}},
		{Name: "the peers", Steps: []Step{{Do: "GET /v1/status/peers"}}},
		{Name: "a wrong verb", Steps: []Step{{Do: "PUT /v1/status/leader"}}},
	}
}
