package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	knockTimeout = time.Second
	knocks       = 64 // at once
	// ownService is how Consul lists its servers.
	ownService = "consul"
)

// pruner finds and removes what is left behind. Its methods are for one goroutine.
type pruner struct {
	agent        *agentapi.Agent
	knock        func(ctx context.Context, address string) error // nil when somebody answers
	failedAgents bool

	owners map[string]owner // by node; made by plan
}

// leftover is one registration that is critical and at whose address nobody answers.
type leftover struct {
	Service string `json:"service"`
	ID      string `json:"id"`
	Address string `json:"address"` // host:port
	Node    string `json:"node"`
	Reason  string `json:"reason"`          // what the check says, and what became of the attempt to reach it
	Through string `json:"through"`         // where it is removed: an agent's address, "catalog", or "" when it is kept
	Kept    string `json:"kept,omitempty"`  // why it is kept
	Removed bool   `json:"removed"`         // it was removed
	Error   string `json:"error,omitempty"` // why it could not be

	owner owner
}

// entry is the part of the registry's answer that is used.
type entry struct {
	Node struct {
		Node    string
		Address string
	}
	Service struct {
		ID      string
		Service string
		Address string
		Port    int
	}
	Checks []struct {
		CheckID string
		Status  string
		Output  string
	}
}

// look returns what is left behind of one service, or of all when its name is empty, sorted.
func (p *pruner) look(ctx context.Context, service string) ([]*leftover, error) {
	names := []string{service}
	if service == "" {
		var all map[string][]string
		if err := p.get(ctx, "/v1/catalog/services", &all); err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
		names = slices.Sorted(maps.Keys(all))
	}
	return p.lookAt(ctx, names)
}

// lookAgain returns those that are still left behind.
func (p *pruner) lookAgain(ctx context.Context, before []*leftover) ([]*leftover, error) {
	names := map[string]bool{}
	for _, l := range before {
		names[l.Service] = true
	}
	now, err := p.lookAt(ctx, slices.Sorted(maps.Keys(names)))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(now, func(l *leftover) bool {
		return !slices.ContainsFunc(before, l.same)
	}), nil
}

func (l *leftover) same(other *leftover) bool {
	return l.Service == other.Service && l.ID == other.ID && l.Node == other.Node && l.Address == other.Address
}

func (p *pruner) lookAt(ctx context.Context, names []string) ([]*leftover, error) {
	var ill []*leftover
	for _, name := range names {
		if name == ownService {
			continue
		}
		var entries []entry
		if err := p.get(ctx, "/v1/health/service/"+name, &entries); err != nil {
			return nil, fmt.Errorf("look up service %q: %w", name, err)
		}
		for i := range entries {
			if l := entries[i].critical(); l != nil {
				ill = append(ill, l)
			}
		}
	}
	return p.silent(ctx, ill)
}

// critical returns the entry as a leftover, if its state is that of one.
func (e *entry) critical() *leftover {
	host := cmp.Or(e.Service.Address, e.Node.Address)
	if host == "" || e.Service.Port < 1 || e.Service.Port > 65535 {
		return nil
	}
	said, critical := "", false
	for _, c := range e.Checks {
		if c.CheckID == "_node_maintenance" || strings.HasPrefix(c.CheckID, "_service_maintenance:") {
			return nil
		}
		if c.Status == "critical" && (!critical || said == "") {
			critical, said = true, strings.TrimSpace(c.Output)
		}
	}
	if !critical {
		return nil
	}
	return &leftover{
		Service: e.Service.Service, ID: e.Service.ID, Node: e.Node.Node,
		Address: net.JoinHostPort(host, strconv.Itoa(e.Service.Port)), Reason: cmp.Or(said, "critical"),
	}
}

// silent returns those at whose address nobody answers.
func (p *pruner) silent(ctx context.Context, ill []*leftover) ([]*leftover, error) {
	var running sync.WaitGroup
	free := make(chan struct{}, knocks)
	silent := make([]error, len(ill))
	for i, l := range ill {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			silent[i] = p.knock(ctx, l.Address)
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted; nothing was removed")
	}
	var found []*leftover
	for i, l := range ill {
		if silent[i] != nil {
			l.Reason += "; " + describe(silent[i])
			found = append(found, l)
		}
	}
	return found, nil
}

// describe says why nobody answered, without the addresses that the error repeats.
func describe(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op) && op.Timeout():
		return fmt.Sprintf("no answer within %v", knockTimeout)
	case errors.As(err, &op) && op.Err != nil:
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return err.Error()
}

func (p *pruner) get(ctx context.Context, path string, answer any) error {
	return get(ctx, p.agent, path, answer)
}

// get bounds a question to an agent as all questions to the registry are.
func get(ctx context.Context, agent *agentapi.Agent, path string, answer any) error {
	bounded, cancel := context.WithTimeout(ctx, command.RegistryTimeout)
	defer cancel()
	err := agent.Get(bounded, path, nil, answer)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return command.AdviseRegistry(fmt.Errorf("%s did not answer within %v", agent, command.RegistryTimeout))
	}
	return err
}
