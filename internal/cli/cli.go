// Package cli is the command panda: the tree of its commands, the printing of their errors and advice,
// and the exit codes. What a command does is in a package of its own beneath this one; this package
// never touches os.Args, os.Exit or the standard streams, which come in as a command.Env.
package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentcmd"
	"github.com/pandakit/panda/internal/cli/attach"
	"github.com/pandakit/panda/internal/cli/breaking"
	"github.com/pandakit/panda/internal/cli/call"
	"github.com/pandakit/panda/internal/cli/clustercmd"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/consulcmd"
	"github.com/pandakit/panda/internal/cli/deploy"
	"github.com/pandakit/panda/internal/cli/describe"
	"github.com/pandakit/panda/internal/cli/docs"
	"github.com/pandakit/panda/internal/cli/doctor"
	"github.com/pandakit/panda/internal/cli/drain"
	"github.com/pandakit/panda/internal/cli/gen"
	"github.com/pandakit/panda/internal/cli/image"
	"github.com/pandakit/panda/internal/cli/instances"
	"github.com/pandakit/panda/internal/cli/kv"
	"github.com/pandakit/panda/internal/cli/leave"
	"github.com/pandakit/panda/internal/cli/lint"
	"github.com/pandakit/panda/internal/cli/logs"
	"github.com/pandakit/panda/internal/cli/members"
	"github.com/pandakit/panda/internal/cli/newcmd"
	"github.com/pandakit/panda/internal/cli/prune"
	"github.com/pandakit/panda/internal/cli/reload"
	"github.com/pandakit/panda/internal/cli/restart"
	"github.com/pandakit/panda/internal/cli/scale"
	"github.com/pandakit/panda/internal/cli/services"
	"github.com/pandakit/panda/internal/cli/stop"
	"github.com/pandakit/panda/internal/cli/up"
	"github.com/pandakit/panda/internal/cli/upgrade"
	"github.com/pandakit/panda/internal/cli/version"
	"github.com/pandakit/panda/internal/cli/watch"
	"github.com/pandakit/panda/internal/cli/why"
)

// commands is the one list of what panda can do, in no order: help sorts it.
func commands(env *command.Env) []*cobra.Command {
	return []*cobra.Command{
		agentcmd.New(env, consulcmd.Exec, agentOptions(env)...),
		attach.New(env),
		breaking.New(env),
		call.New(env),
		clustercmd.New(env),
		consulcmd.New(env),
		deploy.New(env),
		describe.New(env),
		docs.New(env),
		doctor.New(env),
		drain.New(env),
		gen.New(env),
		image.New(env),
		instances.New(env),
		kv.New(env),
		leave.New(env),
		lint.New(env),
		logs.New(env),
		members.New(env),
		newcmd.New(env),
		prune.New(env),
		reload.New(env),
		restart.New(env),
		scale.New(env),
		services.New(env),
		stop.New(env),
		up.New(env),
		upgrade.New(env),
		version.New(env),
		watch.New(env),
		why.New(env),
	}
}

// agentOptions makes the agent as strict as Consul's when it is called by that name.
func agentOptions(env *command.Env) []agentcmd.Option {
	if env.CalledConsul() {
		return []agentcmd.Option{agentcmd.AsConsul()}
	}
	return nil
}

// Main runs the command that env.Args name and returns the exit code: 0 done, 1 failed, 2 wrong usage,
// 3 findings. An error is printed once, as "panda: <error>", and what to do about it, if that is known,
// on a line of its own. Called as "consul" it takes Consul's commands, and has Consul's exit codes.
func Main(ctx context.Context, env *command.Env) int {
	if env.CalledConsul() {
		return consulExitCode(report(env, "consul", runAsConsul(ctx, env)))
	}
	return command.ExitCode(report(env, "panda", newRoot(env).ExecuteContext(ctx)))
}

// report prints err, unless it has been told already, and returns it.
func report(env *command.Env, program string, err error) error {
	if err == nil || command.IsSilent(err) {
		return err
	}
	prefix := program + ": "
	if command.IsVerbatim(err) {
		prefix = ""
	}
	_, _ = fmt.Fprintf(env.Stderr, "%s%v\n", prefix, err) // nobody is left to tell when this fails
	if advice := command.Advice(err); advice != "" {
		_, _ = fmt.Fprintln(env.Stderr, advice)
	}
	return err
}
