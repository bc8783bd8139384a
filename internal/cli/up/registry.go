package up

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace/health"
)

// probeTimeout bounds how long something at the agent's port may take to say that it is an agent.
const probeTimeout = 2 * time.Second

// registry is the one that the services use.
type registry struct {
	health  *health.Registry
	origin  origin
	address string // host:port of our own choice; empty when CONSUL_HTTP_ADDR says it
	cluster bool   // it is asked on loopback, but its agent belongs to a cluster of machines
	stop    func() // ends the agent that was started, and waits for it
}

// origin says where a registry comes from.
type origin int

const (
	configured origin = iota // CONSUL_HTTP_ADDR names it
	running                  // it was there at the agent's port
	started                  // it runs in this process
)

// openRegistry takes the registry that the environment names, else the agent at the port, else starts one there.
func openRegistry(ctx context.Context, env *command.Env, o options) (*registry, error) {
	r := &registry{stop: func() {}}
	if env.Getenv("CONSUL_HTTP_ADDR") == "" {
		if err := r.startOrUse(ctx, env, o.agentPort); err != nil {
			return nil, err
		}
	}
	cfg := consul.ConfigFromEnv(env.Getenv)
	if r.address != "" {
		cfg.Addresses = []string{r.address}
	}
	if r.origin == started {
		cfg.HTTPS = false
	}
	var err error
	if r.health, err = health.New(cfg); err != nil {
		r.stop()
		return nil, command.Usage(err)
	}
	r.cluster = r.origin != started && r.health.OnLoopback() && inCluster(ctx, cfg)
	return r, nil
}

// inCluster reports whether the agent has an address that other machines reach. One that does not answer in time is taken
// for one of this machine alone.
func inCluster(ctx context.Context, cfg consul.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	agent, err := consul.New(cfg)
	if err != nil {
		return false
	}
	node, err := agent.Node(ctx)
	ip := net.ParseIP(node)
	return err == nil && ip != nil && !ip.IsLoopback()
}

// startOrUse binds first and asks later: another agent may be starting at this moment.
func (r *registry) startOrUse(ctx context.Context, env *command.Env, port int) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	logger := slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := agent.New(agent.Config{HTTPAddr: address, Logger: logger, UI: true})
	switch {
	case err == nil:
		r.origin, r.address = started, a.Addr().String()
		r.runAgent(a)
		return nil
	case !errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("start the agent: %w", err)
	}
	if err := probe(ctx, address); err != nil {
		return command.Advise(
			fmt.Errorf("start the agent: %s is taken by something that is no agent: %w", address, err),
			"stop it, pass --agent-port with another port, or set CONSUL_HTTP_ADDR to the agent to use")
	}
	r.origin, r.address = running, address
	return nil
}

func (r *registry) runAgent(a *agent.Agent) {
	ctx, cancel := context.WithCancel(context.Background()) // it outlives the services, which leave it as they drain
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx) // that it does not answer any more is noticed by those who ask it
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
}

// probe asks what listens at address whether it is an agent, ours or Consul's.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1/status/leader", http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", probeTimeout)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var leader string
	if response.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(response.Body, 4096)).Decode(&leader) != nil {
		return fmt.Errorf("it answers %q to a question for Consul's leader", response.Status)
	}
	return nil
}

// environ is what services need to find the registry, beyond what is in the environment.
func (r *registry) environ() []string {
	if r.address == "" {
		return nil
	}
	environ := []string{"CONSUL_HTTP_ADDR=" + r.address}
	if r.origin == started {
		environ = append(environ, "CONSUL_HTTP_SSL=false") // whatever is asked of the registry that is otherwise used
	}
	return environ
}

// listen is the address of instances: loopback, unless the registry is elsewhere and so are those who ask it.
func (r *registry) listen() string {
	if r.health.OnLoopback() && !r.cluster {
		return "127.0.0.1:0"
	}
	return ":0"
}

// page is where people look at the agent that was started; "" when it was not, as another one may have no pages.
func (r *registry) page() string {
	if r.origin != started {
		return ""
	}
	return "http://" + r.address + "/ui/"
}

func (r *registry) close() {
	r.health.Close()
	r.stop()
}
