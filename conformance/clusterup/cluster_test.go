package clusterup_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/cluster"
)

func TestLoopbackSurvivesTheLossOfItsLeader(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{Servers: 3, Clients: 1, Loopback: netip.MustParsePrefix("127.77.1.0/24")})
	hello := &api.AgentServiceRegistration{Name: "hello", Address: "127.0.0.1", Port: 8080}
	if err := at(t, c, "n4", "").Agent().ServiceRegister(hello); err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes() {
		eventually(t, func() error { return found(at(t, c, node, ""), "hello", "127.0.0.1:8080") })
	}
	old := c.Leader(t.Context())
	if err := c.Kill(old); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(old); err == nil || err.Error() != "kill "+old+": it is dead" {
		t.Errorf("killing the dead = %v", err)
	}
	eventually(t, func() error {
		if leader := c.Leader(t.Context()); leader == "" || leader == old {
			return fmt.Errorf("%q leads", leader)
		}
		return nil
	})
	hello.Port = 8081
	eventually(t, func() error { return at(t, c, "n4", "").Agent().ServiceRegister(hello) })
	eventually(t, func() error { return found(at(t, c, "n4", ""), "hello", "127.0.0.1:8081") })
	if err := c.Start(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return found(at(t, c, old, ""), "hello", "127.0.0.1:8081") })
}

func TestFreezeAndReset(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{Servers: 1, Clients: 1, Loopback: netip.MustParsePrefix("127.77.2.0/24")})
	if err := c.Freeze("n2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, sees(t, c, "n1", "n2", "failed"))
	if got := c.Status(t.Context()).Nodes[1]; got.State != cluster.Frozen || got.Member != "failed" {
		t.Errorf("the frozen node's status is %+v", got)
	}
	if err := c.Thaw("n2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, sees(t, c, "n1", "n2", "alive"))
	if err := at(t, c, "n2", "").Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "hello", Port: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, sees(t, c, "n1", "n2", "left"))
	if err := c.Reset(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, sees(t, c, "n1", "n2", "alive"))
	if services, err := at(t, c, "n2", "").Agent().Services(); err != nil || len(services) != 0 {
		t.Errorf("a node that was reset has %v, %v", services, err)
	}
}

// TestPorts puts all nodes on one address, and starts the cluster again with the data that it had.
func TestPorts(t *testing.T) {
	t.Parallel()
	cfg := cluster.Config{
		Binary: binary(t), Environ: os.Environ(), Folder: filepath.Join(t.TempDir(), "data"), Servers: 3, Ports: 12300,
	}
	for round := range 2 {
		c, err := cluster.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		kv := at(t, c, "n2", "").KV()
		if round == 0 {
			_, err = kv.Put(&api.KVPair{Key: "k", Value: []byte("v")}, nil)
		} else if pair, _, got := kv.Get("k", nil); got != nil || pair == nil {
			err = fmt.Errorf("what was written before is gone: %w", got)
		}
		if err != nil {
			t.Error(err)
		}
		second := cfg
		second.Folder = filepath.Join(t.TempDir(), "second")
		_, err = cluster.Start(t.Context(), second)
		if _, busy := errors.AsType[*cluster.BusyError](err); !busy {
			t.Errorf("a second cluster on the same ports: %v", err)
		}
		if _, err := os.Stat(second.Folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a cluster that did not start has left its folder: %v", err)
		}
		c.Close()
	}
}

// TestSecuredHosts has all locks on, and cuts hosts off.
func TestSecuredHosts(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcs", "10.77.101.0/24", cluster.Names(3, 1)...)
	c := start(t, cluster.Config{Servers: 3, Clients: 1, Lab: lab, ACL: true, Gossip: true, TLS: true})
	token, err := c.Token(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	hello := &api.AgentServiceRegistration{Name: "hello", Address: "10.77.101.14", Port: 8080}
	other := &api.AgentServiceRegistration{Name: "other", Port: 1}
	for name, denied := range map[string]error{
		"nobody registers":         at(t, c, "n4", "").Agent().ServiceRegister(hello),
		"a reader registers":       at(t, c, "n4", c.Reader()).Agent().ServiceRegister(hello),
		"hello registers as other": at(t, c, "n4", token).Agent().ServiceRegister(other),
	} {
		var answer api.StatusError
		if !errors.As(denied, &answer) || answer.Code != 403 || !strings.Contains(answer.Body, "Permission denied") {
			t.Errorf("%s: %v, want 403, permission denied", name, denied)
		}
	}
	if err := at(t, c, "n4", token).Agent().ServiceRegister(hello); err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes() {
		eventually(t, func() error { return found(at(t, c, node, c.Reader()), "hello", "10.77.101.14:8080") })
	}
	if err := found(at(t, c, "n1", ""), "hello", "10.77.101.14:8080"); err == nil {
		t.Error("nobody's token finds a service")
	}
	if err := c.Partition("n4"); err != nil {
		t.Fatal(err)
	}
	eventually(t, sees(t, c, "n1", "n4", "failed"))
	if got := c.Status(t.Context()).Nodes[3].CutOff; len(got) != 3 {
		t.Errorf("n4 is cut off from %v, want all others", got)
	}
	if err := c.Heal(); err != nil {
		t.Fatal(err)
	}
	// Serf looks again for a member that failed every 30 s; an operator need not wait for that.
	if err := at(t, c, "n4", c.Management()).Agent().Join("10.77.101.11", false); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return found(at(t, c, "n1", c.Reader()), "hello", "10.77.101.14:8080") })
}
