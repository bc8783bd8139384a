// Package agentcmd is the command "panda agent": it reads Consul's flags and files and runs the embedded agent until its
// context is done or it is told to leave. "panda agent validate" reads the files alone. The package handles no signal
// but the one to reload, and never starts a real Consul itself.
package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/portowner"
	"github.com/pandakit/panda/internal/cli/version"
)

const long = `Run a registry on this machine that speaks Consul's HTTP API: services register with it, and
clients find them there. Without -data-dir it keeps everything in memory. It listens on loopback unless -client says
otherwise. Files given by -config-file and -config-dir hold settings, services and checks, as Consul's do; SIGHUP
makes the agent read them again.

Flags are Consul's, with one dash or two. Those of a cluster that are not listed are taken and change nothing.

`

const example = `  panda agent -dev
  panda agent -dev -config-dir ./consul.d -enable-local-script-checks
  panda agent -data-dir ./state -http-port 18500 -node laptop
  panda agent validate ./consul.d`

// Option changes how the command is.
type Option func(*runner)

// AsConsul makes the command as strict as Consul where its user would lose data, and print what scripts wait for.
func AsConsul() Option { return func(r *runner) { r.asConsul = true } }

// Cluster starts what can make a cluster, with all arguments, "agent" first. It calls found when there is such a thing,
// before anything is started, and returns an error without that when there is none.
type Cluster func(ctx context.Context, env *command.Env, args []string, found func()) error

type runner struct {
	env      *command.Env
	cluster  Cluster
	asConsul bool
}

// New returns the command. It ends without an error when its context is done. cluster is called when the arguments ask for
// more than one agent.
func New(env *command.Env, cluster Cluster, options ...Option) *cobra.Command {
	r := &runner{env: env, cluster: cluster}
	for _, option := range options {
		option(r)
	}
	c := &cobra.Command{
		Use:                "agent [-dev] [flags]",
		Short:              "Run a registry that speaks Consul's HTTP API",
		Long:               long + flagUsage(),
		Example:            example,
		Args:               cobra.ArbitraryArgs, // parse judges them
		DisableFlagParsing: true,
		SilenceErrors:      true,
		SilenceUsage:       true,
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		o, err := parse(args)
		if errors.Is(err, errHelp) {
			c.SetOut(env.Stdout)
			return c.Help()
		}
		if err != nil {
			return command.Usage(err)
		}
		return r.run(c.Context(), o, args)
	}
	c.AddCommand(NewValidate(env))
	return c
}

func (r *runner) run(ctx context.Context, o *options, args []string) (err error) {
	if o.version {
		_, err := fmt.Fprintln(r.env.Stdout, version.Read())
		return err
	}
	s, err := load(o, r.env.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if reason := s.clusterReason(); reason != "" {
		return r.startCluster(ctx, s, reason, args)
	}
	if err := s.keepsWhatItMust(o.dev, r.asConsul); err != nil {
		return err
	}
	s.warnOfForgetting()
	a, err := s.start()
	if err != nil {
		return err
	}
	defer onReload(ctx, func() { _ = a.Reload(ctx) })() // it logs how it went
	if err := r.announce(s, a); err != nil {
		return errors.Join(err, a.Close())
	}
	defer s.logger.Info("agent stopped")
	return a.Run(ctx)
}

// startCluster starts a real Consul for the reason given.
func (r *runner) startCluster(ctx context.Context, s *setup, reason string, args []string) error {
	found := false
	err := r.cluster(ctx, r.env, append([]string{"agent"}, args...), func() {
		found = true
		s.logger.Info("a real Consul is started: this agent serves one machine alone", "because", reason)
	})
	if err != nil && !found {
		return fmt.Errorf("this agent serves one machine alone, and %s: %w", reason, err)
	}
	return err
}

// announce tells where the agent listens.
func (r *runner) announce(s *setup, a *agent.Agent) error {
	_, err := fmt.Fprintf(r.env.Stdout, "Agent of node %s listens on %s\n", s.config.NodeName, a.URL())
	if err == nil && r.asConsul {
		_, err = io.WriteString(r.env.Stdout, "==> Consul agent running!\n")
	}
	if err != nil {
		return fmt.Errorf("tell where the agent listens: %w", err)
	}
	s.logger.Info("agent started", "address", a.URL(), "node", s.config.NodeName, "datacenter", s.config.Datacenter)
	return nil
}

// start returns an agent that listens.
func (s *setup) start() (*agent.Agent, error) {
	if err := s.writePid(); err != nil {
		return nil, err
	}
	cfg, err := s.agentConfig()
	if err != nil {
		return nil, err
	}
	a, err := agent.New(cfg)
	if taken, ok := errors.AsType[*agent.InUseError](err); ok {
		if program, process := ownerOf(taken.Addr); program != "" {
			err = fmt.Errorf("listen on %s: taken by %s%s: %w", taken.Addr, program, process, syscall.EADDRINUSE)
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, command.Advise(err, "An agent may be running already: use that one, or choose other ports with -http-port and -dns-port.")
	}
	return a, err
}

// ownerOf names the program that listens on an address, where the system tells, and its process.
func ownerOf(address string) (program, process string) {
	_, text, err := net.SplitHostPort(address)
	port, bad := strconv.Atoi(text)
	if err != nil || bad != nil {
		return "", ""
	}
	return portowner.Of("tcp", port)
}

// clusterReason says why what is asked for needs a cluster, or is "".
func (s *setup) clusterReason() string {
	if s.config.BootstrapExpect > 1 {
		return fmt.Sprintf("bootstrap_expect is %d", s.config.BootstrapExpect)
	}
	own, err := nodeAddress(s.config)
	if err != nil {
		own = s.config.BindAddr // what is wrong with it is said when it is used, by this agent or by Consul
	}
	for _, to := range []struct {
		join []string
		port int
	}{{s.config.Join, s.config.Ports.SerfLAN}, {s.config.JoinWAN, s.config.Ports.SerfWAN}} {
		for _, other := range to.join {
			if !s.isOwn(other, own, to.port) {
				return "it is to join " + other
			}
			s.logger.Info("nothing is joined: the address is this agent's own", "join", other)
		}
	}
	return ""
}

// isOwn reports whether an address to join is that of this very agent, which others find at the address own: the first of a
// cluster is often started to join itself. Without a port it has the one that this agent would have, as in Consul.
func (s *setup) isOwn(address, own string, port int) bool {
	host, given, err := net.SplitHostPort(address)
	if err != nil {
		host, given = strings.Trim(address, "[]"), strconv.Itoa(port)
	}
	return host != "" && given == strconv.Itoa(port) && (host == own || host == s.config.BindAddr)
}

// keepsWhatItMust refuses to keep in memory what its user may take for kept, as Consul does.
func (s *setup) keepsWhatItMust(dev, asConsul bool) error {
	if dev || s.config.DataDir != "" || !asConsul && !s.config.Server {
		return nil
	}
	return command.Advise(errors.New("data_dir cannot be empty"),
		"Pass -data-dir FOLDER to keep what is registered and written, or -dev to keep nothing.")
}
