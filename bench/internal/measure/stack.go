// Package measure runs the experiments: it starts servers and clients of each stack, takes turns at
// loading them, and returns the samples. It draws no conclusions; that is left to package report.
package measure

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/fleet"
	"github.com/pandakit/panda/internal/loadbalance"
)

// Stack is a way to serve and call hello that is compared with others.
type Stack struct {
	Name           string
	Server, Client string // folders below stacks/
	ServerArgs     []string
	ClientArgs     []string
	Env            []string // of both its processes
	ByName         bool     // its clients find servers through the agent, not at an address
}

// The baseline of every ratio, what Panda is held against, and the baseline once more, which shows how
// far two equal things are apart on the machine.
const (
	NameRaw      = "grpc-go"
	NameTuned    = "grpc-go, tuned as Panda"
	NamePanda    = "Panda"
	NameRawAgain = "grpc-go again"
)

// The two that are compared as they are started where memory is there to be used: the collector runs a fourth as
// often. The setting is the operator's, not Panda's, so both get it.
const (
	RareCollection     = "GOGC=400"
	NameTunedCollected = NameTuned + ", " + RareCollection
	NamePandaCollected = NamePanda + ", " + RareCollection
)

// pandaWorkers is the setting of Panda's server, given to raw grpc-go for comparison. A test keeps it so.
const pandaWorkers = 64

func raw(name string) Stack {
	return Stack{Name: name, Server: "raw/server", Client: "raw/client"}
}

// with returns the same programs, started with more in their environment.
func (s Stack) with(name string, env ...string) Stack {
	s.Name, s.Env = name, env
	return s
}

// Stacks returns what is compared, in the order of a round: what is set in relation stands side by side.
func Stacks() []Stack {
	tuned := raw(NameTuned)
	tuned.ServerArgs = []string{"-workers", strconv.Itoa(pandaWorkers)}
	tuned.ClientArgs = []string{"-connections", strconv.Itoa(loadbalance.DefaultConfig().ConnectionsPerInstance)}
	panda := Stack{Name: NamePanda, Server: "panda/server", Client: "panda/client", ByName: true}
	return []Stack{
		raw(NameRaw),
		tuned,
		panda,
		tuned.with(NameTunedCollected, RareCollection),
		panda.with(NamePandaCollected, RareCollection),
		raw(NameRawAgain),
		{Name: "Kratos 2.8.3", Server: "kratos/server", Client: "kratos/client"},
		{Name: "go-zero 1.10.3", Server: "gozero/server", Client: "gozero/client"},
	}
}

// Variants returns raw grpc-go under one changed setting each, to find the ones that pay.
func Variants() []Stack {
	variant := func(name string, server, client []string) Stack {
		stack := raw(name)
		stack.ServerArgs, stack.ClientArgs = server, client
		return stack
	}
	stacks := []Stack{raw(NameRaw)}
	for _, workers := range []string{"4", "16", "64", "256"} {
		stacks = append(stacks, variant(workers+" workers", []string{"-workers", workers}, nil))
	}
	for _, connections := range []string{"2", "3", "4"} {
		stacks = append(stacks,
			variant(connections+" connections", nil, []string{"-connections", connections}),
			variant("64 workers, "+connections+" connections", []string{"-workers", "64"}, []string{"-connections", connections}))
	}
	buffers := func(name string, args ...string) Stack { return variant(name, args, args) }
	return append(stacks,
		buffers("write buffers of 16 KB", "-write-buffer", "16384"),
		buffers("write buffers of 64 KB", "-write-buffer", "65536"),
		buffers("read buffers of 64 KB", "-read-buffer", "65536"),
		variant("windows of 1 MB", []string{"-window", "1048576", "-conn-window", "1048576"}, nil),
		raw(NameRawAgain),
	)
}

// Config says how long to measure.
type Config struct {
	Callers    []int         // the levels of load
	Rounds     int           // over all stacks and levels
	Window     time.Duration // of load for one sample
	Warm       time.Duration // of load before each sample
	StartUps   int           // of each stack
	SlowRounds int           // of the experiment with a slow instance
}

// maxCalls bounds one load, far above what the time lets through.
const maxCalls = 10_000_000

// askSlack is how much longer than its load an answer may take.
const askSlack = 20 * time.Second

// Lab has what every experiment needs.
type Lab struct {
	Config   Config
	Dir      string // of the bench module
	Out      string // an empty folder for binaries
	Fleet    *fleet.Fleet
	Progress io.Writer // one line for each step

	binaries     map[string]fleet.Binary // by folder below stacks/
	agent        *fleet.Process          // nil until a stack needs it
	agentAddress string
}

// Build compiles what the stacks need and is not built yet.
func (l *Lab) Build(ctx context.Context, stacks []Stack) error {
	if l.binaries == nil {
		l.binaries = make(map[string]fleet.Binary)
	}
	for _, stack := range stacks {
		folders := []string{stack.Server, stack.Client}
		if stack.ByName {
			folders = append(folders, agentFolder)
		}
		for _, folder := range folders {
			if err := l.build(ctx, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) build(ctx context.Context, folder string) error {
	if _, done := l.binaries[folder]; done {
		return nil
	}
	l.tellf("build %s", folder)
	binary, err := fleet.Build(ctx, l.Dir, "stacks/"+folder, l.Out)
	if err != nil {
		return err
	}
	l.binaries[folder] = binary
	return nil
}

func (l *Lab) tellf(format string, args ...any) {
	fmt.Fprintf(l.Progress, format+"\n", args...)
}

// instance is one running server.
type instance struct {
	*fleet.Process
	address string
	launch  time.Duration // from its start until its first call was answered
}

// serve starts a server under the name and waits until it answers a call. delay is how long each of its
// calls takes.
func (l *Lab) serve(ctx context.Context, stack Stack, name string, delay time.Duration) (*instance, error) {
	address, err := fleet.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	command := fleet.Command{
		Name: stack.Name + " server",
		Path: l.binaries[stack.Server].Path,
		Args: stack.ServerArgs,
		Env:  slices.Clone(stack.Env),
	}
	if stack.ByName {
		command.Args = append([]string{"-name", name}, command.Args...)
		command.Env = append(command.Env, append(l.agentEnv(), "PANDA_ADDR="+address)...)
	} else {
		command.Args = append([]string{"-addr", address}, command.Args...)
	}
	if delay > 0 {
		command.Args = append([]string{"-delay", delay.String()}, command.Args...)
	}
	began := time.Now()
	process, err := l.Fleet.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	if err := probe(ctx, process, address); err != nil {
		process.Kill()
		return nil, err
	}
	return &instance{Process: process, address: address, launch: time.Since(began)}, nil
}

// client is one running client.
type client struct {
	*fleet.Process
	launch time.Duration // from its start until its first call was answered
}

// dial starts a client and waits until its first call has been answered. The target is the name or the
// addresses of servers.
func (l *Lab) dial(ctx context.Context, stack Stack, target string) (*client, error) {
	command := fleet.Command{
		Name: stack.Name + " client",
		Path: l.binaries[stack.Client].Path,
		Args: append([]string{"-target", target}, stack.ClientArgs...),
		Env:  slices.Clone(stack.Env),
	}
	if stack.ByName {
		command.Env = append(command.Env, l.agentEnv()...)
	}
	began := time.Now()
	process, err := l.Fleet.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askSlack)
	defer cancel()
	if err := process.Ready(ctx); err != nil {
		process.Kill()
		return nil, err
	}
	return &client{Process: process, launch: time.Since(began)}, nil
}

// target returns what a client of the stack dials to reach the servers.
func target(stack Stack, name string, servers ...*instance) string {
	if stack.ByName {
		return name
	}
	addresses := make([]string, len(servers))
	for i, s := range servers {
		addresses[i] = s.address
	}
	return strings.Join(addresses, ",")
}

// load makes a client work and waits for the result.
func (c *client) load(ctx context.Context, callers int, limit time.Duration) (child.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+askSlack)
	defer cancel()
	request := child.Request{Op: child.OpLoad, Load: child.Load{Callers: callers, For: limit, MaxCalls: maxCalls}}
	return c.Ask(ctx, request)
}

// used returns what a server has used until now.
func (i *instance) used(ctx context.Context) (child.Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, askSlack)
	defer cancel()
	reply, err := i.Ask(ctx, child.Request{Op: child.OpUsage})
	return reply.Usage, err
}
