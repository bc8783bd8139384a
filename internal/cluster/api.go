package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// maxAnswer bounds what a node may answer.
const maxAnswer = 4 << 20

// connect makes the client that all nodes are asked by.
func (c *Cluster) connect() error {
	transport := &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}
	if c.cfg.TLS {
		text, err := os.ReadFile(caFile(c.cfg.Folder))
		if err != nil {
			return fmt.Errorf("read the cluster's authority: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("read the cluster's authority: %s holds no certificate", caFile(c.cfg.Folder))
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	c.client = &http.Client{Transport: transport}
	return nil
}

// AnswerError is what a node answers when it does not do what it was asked.
type AnswerError struct {
	Status int
	Text   string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("it answers %d: %s", e.Status, cmp.Or(strings.TrimSpace(e.Text), http.StatusText(e.Status)))
}

// call asks a node, with the token that may do everything. in and out are JSON, or nil.
func (c *Cluster) call(ctx context.Context, n *Node, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, n.URL()+path, body)
	if err != nil {
		return err
	}
	if token := c.Management(); token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return &AnswerError{resp.StatusCode, string(text)}
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// answers returns nil once a node's API answers, or why it does not.
func (c *Cluster) answers(ctx context.Context, n *Node) error {
	var self struct{ Member struct{ Name string } }
	if err := c.call(ctx, n, http.MethodGet, "/v1/agent/self", nil, &self); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	if self.Member.Name != n.Name {
		return fmt.Errorf("node %s: another agent answers at %s: %s", n.Name, n.API(), self.Member.Name)
	}
	return nil
}

// await repeats a check until it returns nil, a node's process ends, or ctx does.
func (c *Cluster) await(ctx context.Context, check func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var last error
	for {
		if err := c.unexpected(); err != nil {
			return err
		}
		attempt, cancel := context.WithTimeout(ctx, requestTimeout)
		err := check(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("the cluster did not get ready in time: %w", last)
		case <-tick.C:
		}
	}
}

// unexpected returns an error when a node has ended that nobody has killed or stopped.
func (c *Cluster) unexpected() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		m := c.members[n.Name]
		if m != nil && (m.state == Running || m.state == Frozen) && ended(m) {
			return fmt.Errorf("node %s ended as it started: %s", n.Name, lastError(m.output.String()))
		}
	}
	return nil
}

// living returns the nodes that run.
func (c *Cluster) living() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []*Node
	for _, n := range c.nodes {
		if m := c.members[n.Name]; m != nil && m.state == Running {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// hasLeader returns nil when the cluster takes writes: the leader itself answers for all.
func (c *Cluster) hasLeader(ctx context.Context) error {
	for _, n := range c.living() {
		if n.Server {
			var nodes []struct{ Node string }
			if err := c.call(ctx, n, http.MethodGet, "/v1/catalog/nodes?consistent", nil, &nodes); err != nil {
				return fmt.Errorf("node %s: %w", n.Name, err)
			}
			return nil
		}
	}
	return errors.New("no server runs")
}

// Ready waits until there is a leader, every node that runs sees all others that do alive, and all are in the catalog. It gives
// up when ctx ends.
func (c *Cluster) Ready(ctx context.Context) error {
	return c.await(ctx, func(ctx context.Context) error {
		if err := c.hasLeader(ctx); err != nil {
			return err
		}
		living := c.living()
		for _, n := range living {
			seen, err := c.seenBy(ctx, n)
			if err != nil {
				return fmt.Errorf("node %s: %w", n.Name, err)
			}
			for _, other := range living {
				if seen[other.Name] != "alive" {
					return fmt.Errorf("node %s sees %s as %s", n.Name, other.Name, cmp.Or(seen[other.Name], "unknown"))
				}
			}
		}
		return c.catalogued(ctx, living)
	})
}

func (c *Cluster) catalogued(ctx context.Context, living []*Node) error {
	var nodes []struct{ Node string }
	if err := c.call(ctx, living[0], http.MethodGet, "/v1/catalog/nodes", nil, &nodes); err != nil {
		return fmt.Errorf("node %s: %w", living[0].Name, err)
	}
	known := map[string]bool{}
	for _, n := range nodes {
		known[n.Node] = true
	}
	for _, n := range living {
		if !known[n.Name] {
			return fmt.Errorf("node %s is not in the catalog", n.Name)
		}
	}
	return nil
}

// Members returns how a node sees all others that it knows: alive, leaving, left or failed, by name.
func (c *Cluster) Members(ctx context.Context, node string) (map[string]string, error) {
	n, err := c.Node(node)
	if err != nil {
		return nil, err
	}
	seen, err := c.seenBy(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("ask %s for the members: %w", node, err)
	}
	return seen, nil
}

// Serf's numbers of a member's state.
var serfStates = [...]string{"none", "alive", "leaving", "left", "failed"}

func (c *Cluster) seenBy(ctx context.Context, n *Node) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var list []struct {
		Name   string
		Status int
	}
	if err := c.call(ctx, n, http.MethodGet, "/v1/agent/members", nil, &list); err != nil {
		return nil, err
	}
	seen := map[string]string{}
	for _, m := range list {
		seen[m.Name] = serfStates[0]
		if m.Status >= 0 && m.Status < len(serfStates) {
			seen[m.Name] = serfStates[m.Status]
		}
	}
	return seen, nil
}

// Leader returns the name of the server that leads, as most of those see it that answer; "" when none does.
func (c *Cluster) Leader(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var mu sync.Mutex
	votes := map[string]int{}
	var asking sync.WaitGroup
	for _, n := range c.living() {
		if !n.Server {
			continue
		}
		asking.Go(func() {
			var address string
			if err := c.call(ctx, n, http.MethodGet, "/v1/status/leader", nil, &address); err == nil && address != "" {
				mu.Lock()
				votes[address]++
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	best, most := "", 0
	for _, n := range c.nodes {
		if v := votes[n.rpc()]; v > most {
			best, most = n.Name, v
		}
	}
	return best
}
