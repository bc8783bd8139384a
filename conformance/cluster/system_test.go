package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	load "github.com/pandakit/panda/conformance/cluster"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/netns"
	"github.com/pandakit/panda/internal/process"
)

const (
	patience  = 90 * time.Second // until something that must happen has
	stopGrace = 15 * time.Second // of a process that is asked to end: a call may take 10 s
)

// The hosts: three with a Consul server, two with a client agent. All have an instance but the last, which has the callers.
const (
	servers    = 3
	clients    = 2
	callerHost = "n5"
	victimHost = "n4" // has an instance and a client agent

	callersName = "callers"
)

var instanceHosts = []string{"n1", "n2", "n3", victimHost}

// system is a cluster with a service in it, which drills use one after the other.
type system struct {
	lab      *netns.Lab
	cluster  *cluster.Cluster
	folder   string
	programs programs
	starter  *process.Starter
	secured  bool
	tokens   tokens

	mu        sync.Mutex
	instances map[string]*instance // by name
}

type programs struct{ service, caller string }

// instance is a process of the service.
type instance struct {
	process *process.Process
	output  *process.Tail
	host    string
	port    string
}

// newSystem starts a cluster of five hosts and an instance on four of them.
func newSystem(ctx context.Context, name string, subnet netip.Prefix, built programs, secured bool) (*system, error) {
	binary, err := realconsul.Binary(ctx)
	if err != nil {
		return nil, err
	}
	if left, err := netns.Open(ctx, name); err == nil { // of a run that was killed
		_ = left.Close()
	}
	s := &system{programs: built, secured: secured, instances: map[string]*instance{}, starter: process.NewStarter()}
	if s.folder, err = os.MkdirTemp("", "panda-drills-"); err != nil {
		return s, err
	}
	if s.lab, err = netns.New(ctx, name, subnet, cluster.Names(servers, clients)...); err != nil {
		return s, err
	}
	s.cluster, err = cluster.Start(ctx, cluster.Config{
		Binary: binary, Folder: s.folder + "/cluster", Environ: os.Environ(), Servers: servers, Clients: clients, Lab: s.lab,
		ACL: secured, Gossip: secured, TLS: secured,
	})
	if err != nil {
		return s, err
	}
	if secured {
		if err := s.makeTokens(ctx); err != nil {
			return s, err
		}
	}
	for _, host := range instanceHosts {
		if err := s.startInstance(host, host, servicePort); err != nil {
			return s, err
		}
	}
	return s, nil
}

// close ends all of it.
func (s *system) close() error {
	for _, i := range s.running() {
		i.process.Kill()
		<-i.process.Done()
	}
	if s.cluster != nil {
		s.cluster.Close()
	}
	s.starter.Close()
	var err error
	if s.lab != nil {
		err = s.lab.Close()
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}

const servicePort = "9000"

func (s *system) running() map[string]*instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.instances)
}

// startInstance starts an instance on a host, which registers with that host's own agent.
func (s *system) startInstance(name, host, port string) error {
	address := net.JoinHostPort(s.lab.Address(host).String(), port)
	i := &instance{host: host, port: port, output: new(process.Tail)}
	env, err := s.agentEnvironment(name, s.tokens.service)
	if err != nil {
		return err
	}
	env = append(env, "PANDA_ADDR="+address)
	if i.process, err = s.start(host, env, i.output, i.output, s.programs.service); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances[name] = i
	return nil
}

// agentEnvironment tells a process of its host's own agent, and of the file of its own that has its token.
func (s *system) agentEnvironment(name, token string) ([]string, error) {
	if !s.secured {
		return []string{"CONSUL_HTTP_ADDR=127.0.0.1:8500"}, nil
	}
	env := []string{"CONSUL_HTTP_ADDR=https://127.0.0.1:8501", "CONSUL_CACERT=" + s.cluster.CAFile(), "CONSUL_HTTP_TOKEN_FILE=" + s.tokenFile(name)}
	return env, s.giveToken(name, token)
}

func (s *system) tokenFile(name string) string { return filepath.Join(s.folder, name+".token") }

// giveToken gives a process another token, as whatever rotates them does.
func (s *system) giveToken(name, token string) error {
	next := s.tokenFile(name) + ".new"
	if err := os.WriteFile(next, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.tokenFile(name))
}

func (s *system) start(host string, env []string, output, faults io.Writer, program string, args ...string) (*process.Process, error) {
	c := s.lab.Command(context.Background(), host, program, args...)
	if c.Err != nil {
		return nil, c.Err
	}
	all := append(withoutSettings(os.Environ()), env...)
	return s.starter.Start(process.Command{Path: c.Path, Args: c.Args[1:], Dir: s.folder, Env: all, Stdout: output, Stderr: faults})
}

// withoutSettings keeps the user's own settings from the processes.
func withoutSettings(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool {
		return strings.HasPrefix(v, "CONSUL_") || strings.HasPrefix(v, "PANDA_")
	})
}

// address is where an instance is called.
func (s *system) address(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.instances[name]
	return net.JoinHostPort(s.lab.Address(i.host).String(), i.port)
}

// killInstance ends an instance at once.
func (s *system) killInstance(name string) {
	s.mu.Lock()
	i := s.instances[name]
	delete(s.instances, name)
	s.mu.Unlock()
	i.process.Kill()
	<-i.process.Done()
}

// freeze stops all processes of a host where they stand.
func (s *system) freeze(host string) error {
	return errors.Join(s.cluster.Freeze(host), s.each(host, freeze))
}

func (s *system) thaw(host string) error {
	return errors.Join(s.each(host, thaw), s.cluster.Thaw(host))
}

// each does something to the process of each instance on a host.
func (s *system) each(host string, do func(pid int) error) error {
	var all error
	for _, i := range s.running() {
		if i.host == host {
			all = errors.Join(all, do(i.process.PID()))
		}
	}
	return all
}

// unplug cuts a host off from all others.
func (s *system) unplug(host string) error {
	var all error
	for _, other := range s.lab.Hosts() {
		if other != host {
			all = errors.Join(all, s.lab.Cut(host, other))
		}
	}
	return all
}

// mend brings everything back to what it was: links, agents, instances.
func (s *system) mend(ctx context.Context) error {
	all := s.lab.Heal()
	for host := range s.lab.Links() {
		all = errors.Join(all, s.lab.Repair(host))
	}
	for _, node := range s.cluster.Nodes() {
		var refused *cluster.RefusedError
		if err := s.cluster.Thaw(node); err == nil {
			all = errors.Join(all, s.each(node, thaw))
		}
		if err := s.cluster.Start(ctx, node); err != nil && !errors.As(err, &refused) { // it is refused when it runs
			all = errors.Join(all, err)
		}
	}
	for name, i := range s.running() {
		select {
		case <-i.process.Done():
			s.killInstance(name)
		default:
			if name != i.host { // one that a drill has added
				s.killInstance(name)
			}
		}
	}
	now := s.running()
	for _, host := range instanceHosts {
		if now[host] == nil {
			all = errors.Join(all, s.startInstance(host, host, servicePort))
		}
	}
	return all
}

// view returns a registry as the host's own processes see it.
func (s *system) view(host string) (*consul.Registry, error) {
	config := consul.Config{Addresses: []string{s.cluster.API(host)}}
	if s.secured {
		config.HTTPS, config.CAFile, config.Token = true, s.cluster.CAFile(), s.tokens.caller
	}
	return consul.New(config)
}

// await waits until the callers' agent knows what the condition asks for.
func (s *system) await(t *testing.T, what string, met func(discovery.Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	view, err := s.view(callerHost)
	if err != nil {
		t.Fatal(err)
	}
	reached := false
	var last discovery.Snapshot
	_ = view.Watch(ctx, "drill", func(known discovery.Snapshot) {
		last = known
		if met(known) {
			reached = true
			cancel()
		}
	})
	if !reached {
		t.Fatalf("%s: not reached within %v; the registry knows %v", what, patience, described(last))
	}
}

func described(known discovery.Snapshot) string {
	var list []string
	for i := range known.Instances {
		list = append(list, fmt.Sprintf("%s %s", known.Instances[i].Endpoint(), known.Instances[i].Status()))
	}
	return fmt.Sprintf("%v, error %v", list, known.Err)
}

// awaitWhole waits until all instances are in the registry and pass.
func (s *system) awaitWhole(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.cluster.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	s.await(t, "all instances pass", func(known discovery.Snapshot) bool {
		return known.Err == nil && len(known.Usable()) == len(instanceHosts) && len(known.Instances) == len(instanceHosts)
	})
}

// usable reports whether the instance is among those that calls may be sent to.
func usable(known discovery.Snapshot, address string) bool {
	return known.Err == nil && slices.ContainsFunc(known.Usable(), func(i discovery.Instance) bool { return i.Endpoint() == address })
}

// callers is the load of one drill.
type callers struct {
	records *load.Records
	process *process.Process
	started time.Time
	stop    func() error
}

// startCallers starts callers on their host and returns once every instance has answered some.
func (s *system) startCallers(t *testing.T, args ...string) *callers {
	t.Helper()
	env, err := s.agentEnvironment(callersName, s.tokens.caller)
	if err != nil {
		t.Fatal(err)
	}
	lines, output := io.Pipe()
	p, err := s.start(callerHost, env, output, os.Stderr, s.programs.caller, args...)
	if err != nil {
		t.Fatal(err)
	}
	c := &callers{records: new(load.Records), process: p, started: time.Now()}
	followed := make(chan error, 1)
	go func() {
		err := c.records.Follow(lines)
		_ = lines.CloseWithError(err)
		followed <- err
	}()
	c.stop = sync.OnceValue(func() error {
		p.Stop(stopGrace, nil)
		return errors.Join(output.Close(), <-followed)
	})
	t.Cleanup(func() { _ = c.stop() })
	c.awaitAnswers(t, 50, s.addresses(instanceHosts...)...)
	return c
}

func (s *system) addresses(names ...string) []string {
	var list []string
	for _, name := range names {
		list = append(list, s.address(name))
	}
	return list
}

// awaitAnswers waits until each of the instances has answered so many more calls.
func (c *callers) awaitAnswers(t *testing.T, enough int, instances ...string) {
	t.Helper()
	c.awaitMore(t, func(more map[string]int) bool {
		return !slices.ContainsFunc(instances, func(i string) bool { return more[i] < enough })
	})
}

// awaitTotal waits until the instances together have answered so many more calls.
func (c *callers) awaitTotal(t *testing.T, enough int, instances ...string) {
	t.Helper()
	c.awaitMore(t, func(more map[string]int) bool {
		total := 0
		for _, i := range instances {
			total += more[i]
		}
		return total >= enough
	})
}

// awaitMore waits until what each instance has answered from now on is enough.
func (c *callers) awaitMore(t *testing.T, enough func(more map[string]int) bool) {
	t.Helper()
	before := c.records.Answers()
	poll := time.NewTicker(load.SlotLength)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		more := c.records.Answers()
		for i := range more {
			more[i] -= before[i]
		}
		if enough(more) {
			return
		}
		select {
		case <-poll.C:
		case <-c.process.Done():
			t.Fatalf("the callers ended by themselves: %v", c.process.Exit())
		case <-deadline:
			t.Fatalf("instances did not answer enough within %v: %v, and %v before", patience, more, before)
		}
	}
}

// logNodes shows the end of what each agent has logged.
func (s *system) logNodes(t *testing.T) {
	t.Helper()
	for _, name := range s.cluster.Nodes() {
		n, err := s.cluster.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(n.Folder, "*.log")) // the pattern is well formed
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			t.Logf("end of the log of %s:\n%s", name, content[max(0, len(content)-logShown):])
		}
	}
}

// logShown bounds what a test shows of each log, in bytes.
const logShown = 4 << 10
