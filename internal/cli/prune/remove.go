package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// The states that a member of a cluster can have, as numbers of Consul's API.
const (
	alive   = 1
	leaving = 2
	failed  = 4
)

// owner is where the registrations of a node are kept.
type owner struct {
	agent   *agentapi.Agent // that owns them; nil when they are in the catalog alone, or are kept
	catalog bool
	kept    string // why they are kept
}

type member struct {
	Name   string
	Addr   string
	Status int
}

type self struct {
	Config struct{ NodeName string }
}

// plan decides for each where it is to be removed.
func (p *pruner) plan(ctx context.Context, found []*leftover) error {
	if len(found) == 0 {
		return nil
	}
	var own self
	if err := p.get(ctx, "/v1/agent/self", &own); err != nil {
		return fmt.Errorf("ask %s for its node: %w", p.agent, err)
	}
	var members []member
	if err := p.get(ctx, "/v1/agent/members", &members); err != nil {
		return fmt.Errorf("ask %s for the members of its cluster: %w", p.agent, err)
	}
	byName := make(map[string]member, len(members))
	for _, m := range members {
		byName[m.Name] = m
	}
	if _, known := byName[own.Config.NodeName]; !known {
		return command.Advise(fmt.Errorf("ask %s for the members of its cluster: its token may not see them", p.agent),
			"give one with node:read, agent:read and service:write, by --token or CONSUL_HTTP_TOKEN")
	}
	p.owners = map[string]owner{}
	for _, l := range found {
		o, known := p.owners[l.Node]
		if !known {
			m, isMember := byName[l.Node]
			o = p.ownerOf(ctx, l.Node, own.Config.NodeName, m, isMember)
			p.owners[l.Node] = o
		}
		l.owner, l.Kept = o, o.kept
		switch {
		case o.agent != nil:
			l.Through = o.agent.String()
		case o.catalog:
			l.Through = "catalog"
		}
	}
	return ctx.Err()
}

func (p *pruner) ownerOf(ctx context.Context, node, own string, m member, isMember bool) owner {
	switch {
	case node == own:
		return owner{agent: p.agent}
	case !isMember:
		return owner{catalog: true}
	case m.Status == failed && p.failedAgents:
		return owner{catalog: true}
	case m.Status == failed:
		return owner{kept: "the cluster has lost its agent, which may come back; --failed-agents removes it"}
	case m.Status != alive && m.Status != leaving:
		return owner{catalog: true}
	}
	agent := p.agent.At(m.Addr)
	var there self
	err := get(ctx, agent, "/v1/agent/self", &there)
	switch {
	case err != nil:
		return owner{kept: fmt.Sprintf("its agent at %s cannot be asked from here (%s); run \"panda prune\" on %s", agent, reason(err), node)}
	case there.Config.NodeName != node:
		return owner{kept: fmt.Sprintf("at %s is the agent of %s; run \"panda prune\" on %s", agent, there.Config.NodeName, node)}
	}
	return owner{agent: agent}
}

// reason is the end of a chain of errors, which says it without the address.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		if status, ok := errors.AsType[*agentapi.StatusError](err); ok {
			return status.Error()
		}
		err = inner
	}
}

func (l *leftover) action() string {
	switch {
	case l.Kept != "":
		return "keep: " + l.Kept
	case l.owner.catalog:
		return "remove from the catalog: its agent is gone"
	}
	return "remove at its agent, " + l.Through
}

func removable(found []*leftover) int {
	n := 0
	for _, l := range found {
		if l.Kept == "" {
			n++
		}
	}
	return n
}

// removeAll looks once more at each, as a person may have taken long to agree, and removes it.
func (p *pruner) removeAll(ctx context.Context, found []*leftover) {
	for _, l := range found {
		if l.Kept != "" {
			continue
		}
		now, err := p.lookAgain(ctx, []*leftover{l})
		switch {
		case err != nil:
			l.Error = err.Error()
		case len(now) == 0:
			l.Kept = "it has come back, or has gone by itself"
		default:
			if err := p.remove(ctx, l); err != nil {
				l.Error = err.Error()
			} else {
				l.Removed = true
			}
		}
	}
}

func (p *pruner) remove(ctx context.Context, l *leftover) error {
	ctx, cancel := context.WithTimeout(ctx, command.RegistryTimeout)
	defer cancel()
	if l.owner.agent != nil {
		_, err := l.owner.agent.Do(ctx, http.MethodPut, "/v1/agent/service/deregister/"+l.ID, nil, nil)
		if !unknown(err) {
			return err
		}
		// The agent does not know it, so it will not put it back.
	}
	body, err := json.Marshal(map[string]string{"Node": l.Node, "ServiceID": l.ID})
	if err != nil {
		return err
	}
	_, err = p.agent.Do(ctx, http.MethodPut, "/v1/catalog/deregister", nil, body)
	return err
}

// unknown tells an agent that does not have the service; older ones answer 500.
func unknown(err error) bool {
	status, ok := errors.AsType[*agentapi.StatusError](err)
	return ok && (status.Code == http.StatusNotFound || strings.Contains(status.Body, "nknown service"))
}
