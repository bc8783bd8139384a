// Package agentcmd is the command "panda agent": it reads Consul's flags and runs the embedded agent
// until its context is done. It handles no signal and never starts a real Consul.
package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/command"
)

const long = `Run a registry on this machine that speaks Consul's HTTP API: services register with it, and
clients find them there. It keeps everything in memory and listens on loopback unless -client says otherwise.

Flags are Consul's, with one dash or two:

`

const example = `  panda agent -dev
  panda agent -dev -http-port 18500 -node laptop
  CONSUL_HTTP_ADDR=127.0.0.1:18500 panda services`

// New returns the command. It ends without an error when its context is done.
func New(env *command.Env) *cobra.Command {
	c := &cobra.Command{
		Use:                "agent [-dev] [flags]",
		Short:              "Run a registry that speaks Consul's HTTP API",
		Long:               long + flagUsage(),
		Example:            example,
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
		return run(c.Context(), env, o)
	}
	return c
}

func run(ctx context.Context, env *command.Env, o *options) error {
	logger := o.logger(env)
	a, err := agent.New(o.config(logger))
	if errors.Is(err, syscall.EADDRINUSE) {
		return command.Advise(err, "An agent may be running already: use that one, or pass -http-port.")
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(env.Stdout, "Agent of node %s listens on %s\n", o.node, a.URL()); err != nil {
		return errors.Join(fmt.Errorf("tell where the agent listens: %w", err), a.Close())
	}
	logger.Info("agent started", "address", a.Addr().String(), "node", o.node, "datacenter", o.datacenter)
	defer logger.Info("agent stopped")
	return a.Run(ctx)
}

func (o *options) logger(env *command.Env) *slog.Logger {
	handler := &slog.HandlerOptions{Level: o.level}
	if o.logJSON {
		return slog.New(slog.NewJSONHandler(env.Stderr, handler))
	}
	return slog.New(slog.NewTextHandler(env.Stderr, handler))
}
