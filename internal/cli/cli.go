// Package cli is the command panda: the tree of its commands, the printing of their errors and advice,
// and the exit codes. What a command does is in a package of its own beneath this one; this package
// never touches os.Args, os.Exit or the standard streams, which come in as a command.Env.
package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentcmd"
	"github.com/pandakit/panda/internal/cli/call"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/instances"
	"github.com/pandakit/panda/internal/cli/services"
	"github.com/pandakit/panda/internal/cli/up"
	"github.com/pandakit/panda/internal/cli/version"
)

// commands is the one list of what panda can do, in no order: help sorts it.
func commands(env *command.Env) []*cobra.Command {
	return []*cobra.Command{
		agentcmd.New(env),
		call.New(env),
		instances.New(env),
		services.New(env),
		up.New(env),
		version.New(env),
	}
}

// Main runs the command that env.Args name and returns the exit code: 0 done, 1 failed, 2 wrong usage,
// 3 findings. An error is printed once, as "panda: <error>", and what to do about it, if that is known,
// on a line of its own.
func Main(ctx context.Context, env *command.Env) int {
	err := newRoot(env).ExecuteContext(ctx)
	if err == nil {
		return command.ExitDone
	}
	_, _ = fmt.Fprintf(env.Stderr, "panda: %v\n", err) // nobody is left to tell when this fails
	if advice := command.Advice(err); advice != "" {
		_, _ = fmt.Fprintln(env.Stderr, advice)
	}
	return command.ExitCode(err)
}
