package realconsul

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/internal/process"
)

// ready bounds how long an agent may take until it has a leader.
const ready = 60 * time.Second

// Options are what can differ between agents. The zero value is a development agent that keeps nothing.
type Options struct {
	Datacenter string
	// Node is the agent's name; one made of its port when empty.
	Node string
	// DataDir makes the agent keep its state, and its services' registrations, over a restart.
	DataDir string
	// DNS makes the agent answer DNS queries.
	DNS bool
	// HCL are further pieces of configuration.
	HCL []string
	// JoinWAN are the WAN addresses of agents in other datacenters.
	JoinWAN []string
}

// Agent is one Consul process, a server of one. Its methods are for one goroutine. It is stopped when the test
// that started it ends.
type Agent struct {
	path    string
	options Options
	ports   ports
	cmd     *exec.Cmd
	exited  chan struct{}
	output  *process.Tail
}

type ports struct{ http, server, lan, wan, dns int }

// Start starts an agent on free ports of 127.0.0.1 and returns once it has a leader.
func Start(t testing.TB, options Options) *Agent {
	t.Helper()
	path, err := Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const attempts = 3 // another process may take a port before the agent does
	for attempt := 1; ; attempt++ {
		a := &Agent{path: path, options: options, ports: freePorts(t)}
		a.launch(t)
		if err = a.awaitLeader(t.Context()); err == nil {
			t.Cleanup(a.Kill)
			return a
		}
		a.Kill()
		if attempt == attempts {
			t.Fatal(err)
		}
	}
}

// Address returns the host and port of the agent's HTTP API. It stays the same over a restart.
func (a *Agent) Address() string { return freeport.Local(a.ports.http) }

// Server returns the host and port of the agent's server, which it names as the leader.
func (a *Agent) Server() string { return freeport.Local(a.ports.server) }

// DNS returns the host and port on which the agent answers DNS queries, if it does.
func (a *Agent) DNS() string { return freeport.Local(a.ports.dns) }

// WAN returns the address at which agents of other datacenters can join this one.
func (a *Agent) WAN() string { return freeport.Local(a.ports.wan) }

// Kill ends the process at once, as a crash does, and waits until it is gone. A killed agent stays as it is.
func (a *Agent) Kill() {
	_ = a.cmd.Process.Kill() // it fails only when the process has ended
	<-a.exited
}

// Restart starts a killed agent again on the same ports and returns once it has a leader.
func (a *Agent) Restart(t testing.TB) {
	t.Helper()
	a.launch(t)
	if err := a.awaitLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (a *Agent) launch(t testing.TB) {
	t.Helper()
	a.output = new(process.Tail)
	a.cmd = exec.Command(a.path, a.arguments()...)
	a.cmd.Stdout, a.cmd.Stderr = a.output, a.output
	a.cmd.Env = withoutConsul(os.Environ())
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("start Consul: %v", err)
	}
	cmd, exited := a.cmd, make(chan struct{})
	a.exited = exited
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its output
	}()
}

func (a *Agent) arguments() []string {
	arguments := []string{
		"agent", "-bind=127.0.0.1", "-client=127.0.0.1", "-disable-host-node-id", "-log-level=warn",
		"-http-port=" + strconv.Itoa(a.ports.http), "-server-port=" + strconv.Itoa(a.ports.server),
		"-serf-lan-port=" + strconv.Itoa(a.ports.lan), "-serf-wan-port=" + strconv.Itoa(a.ports.wan),
		"-grpc-port=-1", "-node=" + cmp.Or(a.options.Node, "node-"+strconv.Itoa(a.ports.http)),
		// Watches of many clients come from one address here.
		"-hcl=limits { http_max_conns_per_client = 10000 }",
		"-hcl=performance { raft_multiplier = 1 }",
	}
	if a.options.DataDir == "" {
		arguments = append(arguments, "-dev")
	} else {
		arguments = append(arguments, "-server", "-bootstrap-expect=1", "-data-dir="+a.options.DataDir)
	}
	if a.options.DNS {
		arguments = append(arguments, "-dns-port="+strconv.Itoa(a.ports.dns))
	} else {
		arguments = append(arguments, "-dns-port=-1")
	}
	for _, piece := range a.options.HCL {
		arguments = append(arguments, "-hcl="+piece)
	}
	if a.options.Datacenter != "" {
		arguments = append(arguments, "-datacenter="+a.options.Datacenter)
	}
	for _, peer := range a.options.JoinWAN {
		arguments = append(arguments, "-retry-join-wan="+peer, "-retry-interval-wan=1s")
	}
	return arguments
}

// awaitLeader returns once the agent answers that it has a leader, which is when it takes writes.
func (a *Agent) awaitLeader(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if leader(ctx, a.Address()) {
			return nil
		}
		select {
		case <-a.exited:
			return fmt.Errorf("start Consul at %s: it ended: %s", a.Address(), a.output)
		case <-ctx.Done():
			return fmt.Errorf("start Consul at %s: no leader within %v: %s", a.Address(), ready, a.output)
		case <-ticker.C:
		}
	}
}

// leader asks for something that only the leader answers, so that the catalog has the agent's own node too.
func leader(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1/catalog/service/consul?consistent", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK && bytes.Contains(body.Bytes(), []byte("ServicePort"))
}

func freePorts(t testing.TB) ports {
	t.Helper()
	found := freeport.Find(t, 5)
	return ports{http: found[0], server: found[1], lan: found[2], wan: found[3], dns: found[4]}
}

// withoutConsul keeps the user's own Consul settings from an agent under test.
func withoutConsul(environment []string) []string {
	var kept []string
	for _, variable := range environment {
		if !strings.HasPrefix(variable, "CONSUL_") {
			kept = append(kept, variable)
		}
	}
	return kept
}
