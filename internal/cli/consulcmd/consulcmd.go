// Package consulcmd is "panda consul": it hands over to a real Consul, with the same arguments, streams,
// environment, signals and exit code, and installs one for learning and tests. It never takes panda itself
// for a Consul, under whatever name it was installed.
package consulcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/consulbuild"
)

const long = `Run a real Consul with the arguments that follow: the one on PATH, else the one that "panda consul install"
has built. Streams, environment, signals and the exit code are Consul's.

Panda needs none on one machine: its agent speaks Consul's API. A cluster of machines does, and any Consul
from 1.12 to today's works with panda.`

const example = `  panda consul version
  panda consul operator raft list-peers
  panda consul install`

// howToGet tells in one line how a Consul is had.
const howToGet = `run "panda consul install" to build one for learning and tests, or install a current Consul and put it on PATH`

// New returns the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:                "consul ARGS...",
		Short:              "Run a real Consul",
		Long:               long,
		Example:            example,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help") {
				return cmd.Help()
			}
			return Run(cmd.Context(), env, args)
		},
	}
	cmd.AddCommand(installCommand(env))
	return cmd
}

// Exec runs the agent of a real Consul with the given arguments of "consul agent", and ends as it does: where
// the system can, it takes the place of this process, so that the call does not return; else the error has the
// exit code of an agent that failed. found is called before, once there is a Consul to run. Without one the error says
// how to get it.
func Exec(ctx context.Context, env *command.Env, args []string, found func()) error {
	if len(args) == 0 || args[0] != "agent" { // no argument of the agent is called so
		args = append([]string{"agent"}, args...)
	}
	return run(ctx, env, args, found)
}

// Run is Exec for any command of Consul: args begin with its name.
func Run(ctx context.Context, env *command.Env, args []string) error {
	return run(ctx, env, args, func() {})
}

func run(ctx context.Context, env *command.Env, args []string, found func()) error {
	path, err := Need(env, "run consul "+strings.Join(args[:1], ""))
	if err != nil {
		return err
	}
	found()
	return handOver(ctx, env, path, args)
}

// Need is Find for an act that the error names, with how to get a Consul.
func Need(env *command.Env, act string) (string, error) {
	path, err := Find(env)
	if err != nil {
		return "", command.Advise(fmt.Errorf("%s: %w", act, err), howToGet)
	}
	return path, nil
}

// errNone is for a machine without a Consul.
var errNone = errors.New("there is no Consul on PATH, and none was installed")

// Find returns the path of a real Consul: the first on PATH that is not panda, else the one in the user's cache.
func Find(env *command.Env) (string, error) {
	if called(env.Getenv) {
		return "", errors.New("the consul on PATH is a script that runs panda again")
	}
	for _, candidate := range OnPath(env, "consul") {
		if !isPanda(candidate) {
			return candidate, nil
		}
	}
	if path := consulbuild.Find(); path != "" {
		return path, nil
	}
	return "", errNone
}
