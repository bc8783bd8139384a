package cluster_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// call asks a host's agent over HTTP, as someone who may do everything.
func (s *system) call(ctx context.Context, host, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var body io.Reader = http.NoBody
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	n, err := s.cluster.Node(host)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, n.URL()+path, body)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if s.secured {
		req.Header.Set("X-Consul-Token", s.cluster.Management())
		pem, err := os.ReadFile(s.cluster.CAFile())
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// nodeID returns the ID by which the cluster knows a host's agent.
func (d *drillRun) nodeID(host string) string {
	d.Helper()
	var self struct{ Config struct{ NodeID string } }
	d.do("ask the agent for its ID", d.call(d.Context(), host, http.MethodGet, "/v1/agent/self", nil, &self))
	return self.Config.NodeID
}

// reset starts a killed agent empty but for its ID: the cluster refuses the name of a node to an agent with another
// ID as long as it takes the one that had it for alive.
func (s *system) reset(ctx context.Context, host, id string) error {
	n, err := s.cluster.Node(host)
	if err != nil {
		return err
	}
	setting := fmt.Appendf(nil, "{%q: %q}\n", "node_id", id)
	if err := os.WriteFile(filepath.Join(n.Folder, "config", "id.json"), setting, 0o600); err != nil {
		return err
	}
	return s.cluster.Reset(ctx, host)
}

// registeredWith returns the addresses of the instances that a host's own agent has.
func (s *system) registeredWith(ctx context.Context, host string) ([]string, error) {
	var services map[string]struct {
		Address string
		Port    int
	}
	if err := s.call(ctx, host, http.MethodGet, "/v1/agent/services", nil, &services); err != nil {
		return nil, err
	}
	var list []string
	for _, i := range services {
		list = append(list, net.JoinHostPort(i.Address, strconv.Itoa(i.Port)))
	}
	return list, nil
}
