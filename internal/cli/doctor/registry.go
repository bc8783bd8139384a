package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	// clockDifference is what two machines of a well kept network stay below, the second that the agent's
	// clock is told in aside.
	clockDifference = 5 * time.Second
	leastMinor      = 12 // of Consul 1, which is the first that panda is tested with
)

// self is what an agent says of itself, as far as it is looked at.
type self struct {
	Config struct {
		Datacenter, NodeName, Version string
		Server                        bool
	}
}

func registry(ctx context.Context, p *patient) []finding {
	configured := p.env.Getenv("CONSUL_HTTP_ADDR") != ""
	agent, err := p.flags.Connect(p.env)
	if err != nil {
		return []finding{{Check: "registry", Level: problem, Text: err.Error(), Do: "mend the variable, or unset it"}}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	answer, err := agent.Do(ctx, http.MethodGet, "/v1/agent/self", nil, nil)
	if err != nil {
		return []finding{unanswered(ctx, agent, err, configured)}
	}
	var s self
	if err := json.Unmarshal(answer.Body, &s); err != nil || s.Config.NodeName == "" {
		return []finding{{
			Check: "registry", Level: problem, Text: fmt.Sprintf("what listens at %s is no Consul agent", agent),
			Do: "set CONSUL_HTTP_ADDR to an agent's HTTP address",
		}}
	}
	all := []finding{{Check: "registry", Level: fine, Text: describe(agent, &s, configured)}}
	all = append(all, clock(answer.Header.Get("Date"), began, time.Now())...)
	all = append(all, oldVersion(s.Config.Version)...)
	return append(all, leader(ctx, agent)...)
}

func unanswered(ctx context.Context, agent *agentapi.Agent, err error, configured bool) finding {
	f := finding{Check: "registry", Level: problem, Text: fmt.Sprintf("%s does not answer: %v", agent, err), Do: command.Advice(err)}
	status, answered := errors.AsType[*agentapi.StatusError](err)
	switch {
	case ctx.Err() != nil:
		f.Text, f.Do = fmt.Sprintf("%s did not answer within %v", agent, patience), "see what listens there, or set CONSUL_HTTP_ADDR"
	case answered && status.Code == http.StatusForbidden:
		f.Text, f.Do = fmt.Sprintf("%s refuses the question: %v", agent, err), "set CONSUL_HTTP_TOKEN to a token that may read the agent"
	case answered:
		f.Text = fmt.Sprintf("%s answers with an error: %v", agent, err)
	case !configured:
		f.Level, f.Text = warning, "no agent runs on this machine: "+err.Error()
	}
	return f
}

func describe(agent *agentapi.Agent, s *self, configured bool) string {
	what := "Consul " + s.Config.Version
	if strings.HasSuffix(s.Config.Version, "+panda") {
		what = "panda's agent " + s.Config.Version
	}
	text := fmt.Sprintf("%s at %s, node %s in %s", what, agent, s.Config.NodeName, s.Config.Datacenter)
	if configured {
		text += ", as CONSUL_HTTP_ADDR says"
	}
	return text
}

// clock compares the agent's clock, which it tells in whole seconds, with this machine's.
func clock(date string, began, ended time.Time) []finding {
	told, err := http.ParseTime(date)
	if err != nil {
		return nil // an agent behind a proxy may tell none
	}
	var off time.Duration
	switch {
	case told.Add(time.Second).Before(began):
		off = began.Sub(told.Add(time.Second))
	case told.After(ended):
		off = told.Sub(ended)
	}
	if off > clockDifference {
		return []finding{{
			Check: "clock", Level: warning, Text: fmt.Sprintf("the agent's clock and this machine's differ by %v", off.Round(time.Second)),
			Do: "keep both by NTP: logs and certificates go by them",
		}}
	}
	return []finding{{Check: "clock", Level: fine, Text: "the agent's and this machine's agree"}}
}

func oldVersion(text string) []finding {
	major, rest, _ := strings.Cut(text, ".")
	minor, _, _ := strings.Cut(rest, ".")
	number, err := strconv.Atoi(minor)
	if err != nil || major != "1" || number >= leastMinor {
		return nil
	}
	return []finding{{
		Check: "registry", Level: warning, Text: fmt.Sprintf("Consul %s is older than any that panda is tested with", text),
		Do: fmt.Sprintf("use Consul 1.%d or newer", leastMinor),
	}}
}

func leader(ctx context.Context, agent *agentapi.Agent) []finding {
	var address string
	if err := agent.Get(ctx, "/v1/status/leader", nil, &address); err != nil || address == "" {
		return []finding{{
			Check: "registry", Level: problem, Text: "its cluster has no leader, so nothing can be registered",
			Do: "see the logs of its servers: most of them must reach each other",
		}}
	}
	return nil
}
