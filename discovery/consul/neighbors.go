package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/discovery"
)

// knockTimeout bounds the attempt to reach the instance that has the ID which another wants.
const knockTimeout = time.Second

// settle looks, before the first registration at an agent, at what is there already. Where another live process has the
// ID, this instance takes a name of its own. It returns the IDs of leftovers: what earlier processes that had this address
// and port have left behind, which the caller removes once the instance is registered. An agent that answers but does
// not tell is taken for one that has nothing: looking is no condition for registering.
func (n *announcer) settle(ctx context.Context) (leftovers []string, err *failure) {
	filter := atAddress(n.wanted.Address, n.wanted.Port)
	if id := quoted(n.wanted.ID); id != "" {
		filter = "ID == " + id + " or " + filter
	}
	found, err := n.neighbors(ctx, filter)
	if err != nil {
		return nil, err
	}
	if holder := found[n.wanted.ID]; holder != nil && !n.sameAddress(holder) && n.alive(ctx, holder) {
		n.rename(holder)
	}
	for id, neighbor := range found {
		if n.a.OwnAddress && neighbor != nil && id != n.wanted.ID && n.sameAddress(neighbor) && n.announcedByPanda(ctx, neighbor) {
			leftovers = append(leftovers, id)
		}
	}
	return leftovers, nil
}

// neighbors returns the agent's own instances that a filter selects, by ID; all of them at an agent that is older than filters.
func (n *announcer) neighbors(ctx context.Context, filter string) (map[string]*api.AgentService, *failure) {
	found, err := ask(ctx, n.agent(), n.timeout, func(ctx context.Context, a *agent) (map[string]*api.AgentService, error) {
		return a.localInstances(ctx, filter)
	})
	return found, unlessAnswered(err)
}

func atAddress(address string, port int) string {
	return fmt.Sprintf("(Address == %q and Port == %d)", address, port)
}

// quoted writes text as a filter has it, which knows no escapes; nothing where it has both kinds of quotes.
func quoted(text string) string {
	for _, quote := range []string{"`", `"`} {
		if !strings.Contains(text, quote) {
			return quote + text + quote
		}
	}
	return ""
}

// unlessAnswered drops the failure of an agent that has answered.
func unlessAnswered(err *failure) *failure {
	var status api.StatusError
	if err != nil && errors.As(err, &status) {
		return nil
	}
	return err
}

func (n *announcer) sameAddress(other *api.AgentService) bool {
	return other.Address == n.wanted.Address && other.Port == n.wanted.Port
}

// alive reports whether the process that registered other seems to be there still. Its address alone does not tell: a
// container that was made anew may have got it. So it is dead once its TTL has run out, once another has registered at
// its address, and when nobody answers there.
func (n *announcer) alive(ctx context.Context, other *api.AgentService) bool {
	if checks := n.checks(ctx, other.ID); len(checks) > 0 {
		if _, overdue := readChecks(checks); overdue {
			return false
		}
	}
	neighbors, _ := n.neighbors(ctx, atAddress(other.Address, other.Port)) // without an answer the address has to tell
	for id, neighbor := range neighbors {
		if id != other.ID && neighbor != nil && neighbor.Address == other.Address && neighbor.Port == other.Port {
			return false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, knockTimeout)
	defer cancel()
	conn, dialErr := n.registry.knock(ctx, "tcp", net.JoinHostPort(other.Address, strconv.Itoa(other.Port)))
	if dialErr != nil {
		return false
	}
	_ = conn.Close() // it was opened to see that it opens
	return true
}

// announcedByPanda reports whether the only check of an instance is the one that Announce gives. What a person's
// definition or another program has registered at the same address is none of our business.
func (n *announcer) announcedByPanda(ctx context.Context, other *api.AgentService) bool {
	checks := n.checks(ctx, other.ID)
	return len(checks) == 1 && checks[0].CheckID == "service:"+other.ID && checks[0].Name == checkName(other.Service)
}

// checks returns the checks of one of the agent's instances; none when it does not tell.
func (n *announcer) checks(ctx context.Context, id string) api.HealthChecks {
	checks, err := ask(ctx, n.agent(), n.timeout, func(ctx context.Context, a *agent) (api.HealthChecks, error) {
		return a.checks(ctx, id)
	})
	if err != nil {
		return nil
	}
	return checks
}

// rename gives the instance an ID that nobody else can have, because it is made of its address.
func (n *announcer) rename(holder *api.AgentService) {
	i := &n.a.Instance
	before := i.ID
	after := discovery.AddressID(i.Service, i.Address, i.Port)
	if after == before {
		return
	}
	i.ID = after
	n.wanted = newRegistration(&n.a)
	n.observe(discovery.Renamed, fmt.Errorf("ID %q belongs to a live instance of %q at %s; two processes must not share one: "+
		"this one registers as %q", before, holder.Service, net.JoinHostPort(holder.Address, strconv.Itoa(holder.Port)), after)) //nolint:err113 // for people
}

// removeLeftovers is done once the instance itself is registered, so that its service is not without an instance in between.
func (n *announcer) removeLeftovers(ctx context.Context, ids []string) {
	for _, id := range ids {
		_, err := ask(ctx, n.agent(), n.timeout, func(ctx context.Context, a *agent) (struct{}, error) {
			return struct{}{}, a.deregister(ctx, id)
		})
		if err == nil {
			n.registry.log.InfoContext(ctx, "an instance that an earlier process left behind at this address is removed", "instance", id,
				"address", net.JoinHostPort(n.wanted.Address, strconv.Itoa(n.wanted.Port)), "agent", n.agent().name)
		} else if !answered(err, http.StatusNotFound) {
			n.registry.log.DebugContext(ctx, "an instance that an earlier process left behind stays until its TTL has run out",
				"instance", id, "agent", n.agent().name, "error", err)
		}
	}
}
