package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/consulcmd"
	"github.com/pandakit/panda/internal/cli/version"
)

// exitNoCommand is Consul's exit code when no command, or none that it has, was given.
const exitNoCommand = 127

// consulHelp is the help of the program when it is called as "consul".
const consulHelp = `Usage: consul COMMAND [ARGS]

This is panda under the name of Consul. It has these commands itself:

  agent      Run an agent that serves one machine; more than one start a real Consul
  kv         Read and write the key-value store
  leave      Make the agent leave its cluster and end
  members    List the nodes of the cluster
  reload     Make the agent read its definition files again
  validate   Check definition files
  version    Print the version

Every other command of Consul is handed to a real one on PATH, or to the one that "panda consul install" builds.
`

// ownCommands are those that panda has itself under Consul's names.
func ownCommands() []string { return []string{"agent", "kv", "leave", "members", "reload"} }

// runAsConsul runs a command line of Consul's.
func runAsConsul(ctx context.Context, env *command.Env) error {
	if len(env.Args) == 0 {
		return command.Silent(exitNoCommand, printConsulHelp(env, errors.New("no command given")))
	}
	name, rest := env.Args[0], env.Args[1:]
	switch {
	case slices.Contains([]string{"-h", "-help", "--help", "help"}, name):
		return printConsulHelp(env, nil)
	case slices.Contains([]string{"-v", "-version", "--version", "version"}, name):
		return consulVersion(env, rest)
	case name == "validate":
		return runOwn(ctx, env, append([]string{"agent", "validate"}, rest...))
	case slices.Contains(ownCommands(), name):
		return runOwn(ctx, env, env.Args)
	}
	if err := consulcmd.Run(ctx, env, env.Args); err != nil {
		return command.Exit(exitOf(err, exitNoCommand), err)
	}
	return nil
}

// exitOf is the exit code that err carries, else the other one.
func exitOf(err error, other int) int {
	if code := command.ExitCode(err); code != command.ExitFailed || command.IsSilent(err) {
		return code
	}
	return other
}

func runOwn(ctx context.Context, env *command.Env, args []string) error {
	own := *env
	own.Args = args
	root := newRoot(&own)
	root.Use = "consul" // as usage lines begin
	return root.ExecuteContext(ctx)
}

func printConsulHelp(env *command.Env, err error) error {
	if _, broken := fmt.Fprint(env.Stdout, consulHelp); broken != nil {
		return broken
	}
	return err
}

// consulExitCode turns an exit code into Consul's, which has one for failure and for wrong usage alike.
func consulExitCode(err error) int {
	if code := command.ExitCode(err); code != command.ExitUsage || !command.IsUsage(err) {
		return code
	}
	return command.ExitFailed
}

// The protocols that Consul's agents of this version speak with each other.
const (
	protocolDefault = 2
	protocolLeast   = 2
	protocolMost    = 3
)

// versionInfo is what Consul prints as JSON.
type versionInfo struct {
	Version, Revision, Prerelease string
	RPC                           struct{ Default, Min, Max int }
}

// consulVersion prints which Consul this passes for, in Consul's form, and what it is.
func consulVersion(env *command.Env, args []string) error {
	switch format := strings.TrimLeft(strings.Join(args, "="), "-"); format {
	case "", "format=pretty":
	case "format=json":
		info := versionInfo{Version: strings.TrimSuffix(agent.Version, "+panda"), Revision: version.Read().Commit}
		info.RPC.Default, info.RPC.Min, info.RPC.Max = protocolDefault, protocolLeast, protocolMost
		return env.PrintJSON(info)
	default:
		return command.Usage(command.Verbatim(fmt.Errorf("Unknown format: %s", strings.TrimPrefix(format, "format=")))) //nolint:staticcheck // Consul's text
	}
	_, err := fmt.Fprintf(env.Stdout, "Consul v%s\nProtocol %d spoken by default, understands %d to %d (agent will automatically use protocol >%d when speaking to compatible agents)\n"+
		"This is panda's own agent, not Consul: %s\n", agent.Version, protocolDefault, protocolLeast, protocolMost, protocolDefault, version.Read())
	return err
}
