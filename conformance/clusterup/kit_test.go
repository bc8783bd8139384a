package clusterup_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/netns"
)

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience bounds each wait; it is never reached by what works.
const patience = 60 * time.Second

func binary(t *testing.T) string {
	t.Helper()
	path, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts a cluster, which is gone when the test ends, without a process left.
func start(t *testing.T, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	cfg.Binary, cfg.Environ = binary(t), os.Environ()
	cfg.Folder = filepath.Join(t.TempDir(), "cluster")
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pids := c.PIDs()
		c.Close()
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("process %d is left", pid)
			}
		}
	})
	return c
}

// newLab makes hosts for a cluster, which are gone when the test ends.
func newLab(t *testing.T, name, subnet string, hosts ...string) *netns.Lab {
	t.Helper()
	if err := netns.Supported(); err != nil {
		t.Skip("SKIPPED:", err)
	}
	if left, err := netns.Open(t.Context(), name); err == nil {
		if err := left.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lab, err := netns.New(t.Context(), name, netip.MustParsePrefix(subnet), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// client returns one of Consul's own for a node, with a token.
func client(t *testing.T, url, ca, token string) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	config.Address, config.Token, config.TLSConfig.CAFile = url, token, ca
	config.Transport.DisableKeepAlives = true
	made, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// at returns a client of a node.
func at(t *testing.T, c *cluster.Cluster, node, token string) *api.Client {
	t.Helper()
	n, err := c.Node(node)
	if err != nil {
		t.Fatal(err)
	}
	return client(t, n.URL(), c.CAFile(), token)
}

// eventually waits until check returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// found returns nil once a node finds the one passing instance of a service.
func found(of *api.Client, service, address string) error {
	entries, _, err := of.Health().Service(service, "", true, nil)
	if err != nil {
		return err
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s:%d", e.Service.Address, e.Service.Port))
	}
	if !slices.Equal(got, []string{address}) {
		return fmt.Errorf("%s is found at %v, want %s", service, got, address)
	}
	return nil
}

// sees returns nil once a node sees another in a state.
func sees(t *testing.T, c *cluster.Cluster, node, other, state string) func() error {
	return func() error {
		members, err := c.Members(t.Context(), node)
		if err == nil && members[other] != state {
			err = fmt.Errorf("%s sees %v, want %s of %s", node, members, state, other)
		}
		return err
	}
}
