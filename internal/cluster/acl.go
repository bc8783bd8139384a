package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// tokenBody is a token as Consul's API takes it.
type tokenBody struct {
	AccessorID, SecretID, Description string
	Policies                          []policyLink      `json:",omitempty"`
	NodeIdentities                    []nodeIdentity    `json:",omitempty"`
	ServiceIdentities                 []serviceIdentity `json:",omitempty"`
}

type policyLink struct{ Name string }

type nodeIdentity struct{ NodeName, Datacenter string }

type serviceIdentity struct{ ServiceName string }

// readerPolicy is what it takes to find services, by the API and by DNS, and nothing else.
const (
	readerPolicy = "panda-reader"
	readerRules  = `service_prefix "" { policy = "read" }` + "\n" + `node_prefix "" { policy = "read" }` + "\n"
)

// makeTokens makes the agents' tokens and the reader's, unless they are there. Each agent may write its own node and read
// services, which is what a node identity stands for.
func (c *Cluster) makeTokens(ctx context.Context) error {
	if err := c.makePolicy(ctx, readerPolicy, readerRules); err != nil {
		return err
	}
	reader := tokenBody{Description: "finds services", Policies: []policyLink{{readerPolicy}}}
	if err := c.makeToken(ctx, c.keys.Reader, reader); err != nil {
		return err
	}
	for _, n := range c.nodes {
		agent := tokenBody{Description: "agent of " + n.Name, NodeIdentities: []nodeIdentity{{n.Name, Datacenter}}}
		if err := c.makeToken(ctx, c.keys.Agents[n.Name], agent); err != nil {
			return err
		}
	}
	return c.spread(ctx, c.keys.Agents[c.nodes[len(c.nodes)-1].Name]) // the last: what came before is there as well
}

// spread waits until every server that runs knows a token: an agent that asks one which does not would remember that.
func (c *Cluster) spread(ctx context.Context, t Token) error {
	for _, n := range c.living() {
		if !n.Server {
			continue
		}
		err := c.await(ctx, func(ctx context.Context) error {
			return c.call(ctx, n, http.MethodGet, "/v1/acl/token/"+t.Accessor+"?stale", nil, nil)
		})
		if err != nil {
			return fmt.Errorf("wait for a token at %s: %w", n.Name, err)
		}
	}
	return nil
}

func (c *Cluster) makePolicy(ctx context.Context, name, rules string) error {
	n, err := c.someServer()
	if err != nil {
		return err
	}
	err = c.call(ctx, n, http.MethodGet, "/v1/acl/policy/name/"+name, nil, nil)
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*AnswerError](err); !ok || answer.Status != http.StatusNotFound && answer.Status != http.StatusForbidden {
		return fmt.Errorf("look for policy %s: %w", name, err)
	}
	body := struct{ Name, Rules string }{name, rules}
	if err := c.call(ctx, n, http.MethodPut, "/v1/acl/policy", body, nil); err != nil {
		return fmt.Errorf("make policy %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) makeToken(ctx context.Context, t Token, body tokenBody) error {
	n, err := c.someServer()
	if err != nil {
		return err
	}
	err = c.call(ctx, n, http.MethodGet, "/v1/acl/token/"+t.Accessor, nil, nil)
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*AnswerError](err); !ok || answer.Status != http.StatusNotFound && answer.Status != http.StatusForbidden {
		return fmt.Errorf("look for the token %q: %w", body.Description, err)
	}
	body.AccessorID, body.SecretID = t.Accessor, t.Secret
	if err := c.call(ctx, n, http.MethodPut, "/v1/acl/token", body, nil); err != nil {
		return fmt.Errorf("make the token %q: %w", body.Description, err)
	}
	return nil
}

func (c *Cluster) someServer() (*Node, error) {
	for _, n := range c.living() {
		if n.Server {
			return n, nil
		}
	}
	return nil, errors.New("no server runs")
}

var serviceNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,254}[a-z0-9])?$`)

// spreadTimeout bounds how long a new token may take to reach all servers.
const spreadTimeout = 10 * time.Second

// Token returns the secret of a token for the instances of a service, which may register it and find all others, and nothing
// else. The first call for a service makes the token; "" without ACL.
func (c *Cluster) Token(ctx context.Context, service string) (string, error) {
	if !c.cfg.ACL {
		return "", nil
	}
	if !serviceNames.MatchString(service) {
		return "", &RefusedError{fmt.Sprintf("make a token: service %q: a name has lower-case letters, digits, dashes and underlines", service)}
	}
	c.acting.Lock()
	defer c.acting.Unlock()
	c.mu.Lock()
	t, known := c.keys.Services[service]
	c.mu.Unlock()
	if !known {
		t = newToken()
	}
	body := tokenBody{Description: "service " + service, ServiceIdentities: []serviceIdentity{{service}}}
	if err := c.makeToken(ctx, t, body); err != nil || known {
		return t.Secret, err
	}
	ctx, cancel := context.WithTimeout(ctx, spreadTimeout)
	defer cancel()
	if err := c.spread(ctx, t); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys.Services[service] = t
	return t.Secret, record{shapeOf(c.cfg, c.nodes), c.keys}.save(c.cfg.Folder)
}
