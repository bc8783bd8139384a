package placement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/cli"
	"github.com/pandakit/panda/internal/cli/command"
)

// pruned is what "panda prune --json" tells of one registration.
type pruned struct {
	ID, Node, Through, Kept, Error string
	Removed                        bool
}

// prune runs "panda prune" against the agent and returns what it tells, by ID.
func prune(t *testing.T, address string, want int, flags ...string) map[string]pruned {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Main(t.Context(), &command.Env{
		Program: "panda", Args: append([]string{"prune", "--json", "--older-than=0s", "--http-addr", address}, flags...),
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(string) string { return "" }, Environ: func() []string { return nil }, Dir: t.TempDir(),
	})
	var told []pruned
	if err := json.Unmarshal(stdout.Bytes(), &told); err != nil || code != want {
		t.Fatalf("panda prune %s: exit code %d, want %d; %v\n%s%s", flags, code, want, err, stdout.String(), stderr.String())
	}
	found := make(map[string]pruned, len(told))
	for _, p := range told {
		found[p.ID] = p
	}
	return found
}

// agentClient asks the agent in a container.
func agentClient(t *testing.T, host string) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: net.JoinHostPort(host, "8500")})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// leave registers an instance that nobody keeps alive.
func leave(t *testing.T, agent *api.Client, id, host string, port int) {
	t.Helper()
	until(t, func() error {
		return agent.Agent().ServiceRegister(&api.AgentServiceRegistration{
			ID: id, Name: "left", Address: host, Port: port, Check: &api.AgentServiceCheck{TTL: "1h", Status: "critical"},
		})
	})
}

// prune is of a cluster of a server and two clients, one of which is lost.
func (c *cases) prune(t *testing.T) {
	join := []string{"-data-dir=/tmp", "-retry-join=" + c.server.IPAddress, "-retry-interval=1s"}
	client := func(name, address string) (*container, *api.Client) {
		agent := c.createAgent(t, name, []string{"--network", c.back}, append(join, "-client="+address)...).start(t)
		return agent, agentClient(t, agent.on(t, c.back).IPAddress)
	}
	_, near := client("near", "::")
	doomed, far := client("doomed", "::")
	server := agentClient(t, c.server.IPAddress)
	const nobody = 1 // a port where nothing listens

	leave(t, server, "left-here", "127.0.0.1", nobody)
	leave(t, near, "left-near", "127.0.0.1", nobody)
	leave(t, near, "left-answers", c.server.IPAddress, 8500)
	leave(t, far, "left-far", "127.0.0.1", nobody)
	if _, err := server.Catalog().Register(&api.CatalogRegistration{
		Node: "by-hand", Address: "127.0.0.1", Service: &api.AgentService{ID: "left-by-hand", Service: "left", Port: nobody},
		Check: &api.AgentCheck{Node: "by-hand", CheckID: "x", Status: "critical", ServiceID: "left-by-hand"},
	}, nil); err != nil {
		t.Fatal(err)
	}
	registered(t, server, "left-answers", "left-by-hand", "left-far", "left-here", "left-near")

	address := net.JoinHostPort(c.server.IPAddress, "8500")
	told := prune(t, address, command.ExitFindings, "--service=left", "--dry-run")
	if len(told) != 4 || told["left-near"].Through == told["left-here"].Through || told["left-by-hand"].Through != "catalog" {
		t.Errorf("dry run: %+v", told)
	}
	c.engine.Run(t, "kill", doomed.name)
	until(t, func() error { return lost(server, "doomed") })
	told = prune(t, address, command.ExitFindings, "--service=left", "--force")
	if len(told) != 4 || told["left-far"].Removed || !strings.Contains(told["left-far"].Kept, "--failed-agents") {
		t.Errorf("without --failed-agents: %+v", told)
	}
	registered(t, server, "left-answers", "left-far")
	if services, err := near.Agent().Services(); err != nil || len(services) != 1 || services["left-answers"] == nil {
		t.Errorf("the owner has %v, %v; want left-answers alone, as it would put back the others", services, err)
	}
	if told = prune(t, address, command.ExitDone, "--service=left", "--force", "--failed-agents"); !told["left-far"].Removed || told["left-far"].Through != "catalog" {
		t.Errorf("with --failed-agents: %+v", told)
	}
	registered(t, server, "left-answers")
}

// lost tells whether the cluster still takes a member for alive.
func lost(client *api.Client, node string) error {
	members, err := client.Agent().Members(false)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Name == node && m.Status != 4 {
			return fmt.Errorf("%s has status %s", node, strconv.Itoa(m.Status))
		}
	}
	return nil
}

// registered waits until the catalog has exactly these.
func registered(t *testing.T, client *api.Client, want ...string) {
	t.Helper()
	until(t, func() error {
		entries, _, err := client.Catalog().Service("left", "", nil)
		if err != nil {
			return err
		}
		var ids []string
		for _, entry := range entries {
			ids = append(ids, entry.ServiceID)
		}
		if slices.Sort(ids); !slices.Equal(ids, want) {
			return fmt.Errorf("the catalog has %q, want %q", ids, want)
		}
		return nil
	})
}
