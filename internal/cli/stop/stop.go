// Package stop is "panda stop": services of a running "panda up", or all of it, are drained. It ends no process itself.
package stop

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
)

const long = `Stop services of a running "panda up", or all of it when none is named: they leave the registry,
finish what is in flight, and end. It returns when they are gone. A service that was stopped is
not started by a saved file, but by "panda restart" and "panda scale".

` + running.Help

// New returns the command.
func New(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:               "stop [SERVICE…]",
		Short:             "Stop running services, or all of panda up",
		Long:              long,
		Example:           "  panda stop hello\n  panda stop",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: running.Complete(env, running.Many),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, args)
		},
	}
}

func run(ctx context.Context, env *command.Env, services []string) error {
	client, err := running.Connect(env)
	if err != nil {
		return err
	}
	names := strings.Join(services, ", ")
	if names == "" {
		names = "panda up in " + strings.Join(client.Description().Folders, " and ")
	}
	if err := client.Stop(ctx, services); err != nil {
		return running.Explain(ctx, "stop "+names, err)
	}
	_, err = fmt.Fprintln(env.Stdout, "stopped "+names)
	return err
}
