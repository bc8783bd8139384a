// Package restart is "panda restart": services of a running "panda up" are built and get new instances, one after the
// other, as a reload does it. It starts no process itself.
package restart

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
)

const long = `Restart services of a running "panda up": each is built, and every instance is replaced by a new
one, one after the other. A new one passes its checks before the old one drains, so no call is
lost; one that does not pass leaves the old one serving, and is an error. A service that was
stopped is started; a one-shot program runs again. It returns when all new instances are passing.

` + running.Help

// New returns the command.
func New(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:               "restart SERVICE…",
		Short:             "Restart running services without losing a call",
		Long:              long,
		Example:           "  panda restart hello\n  panda restart hello web",
		Args:              cobra.MinimumNArgs(1),
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
	if err := client.Restart(ctx, services); err != nil {
		return running.Explain(ctx, "restart "+names, err)
	}
	_, err = fmt.Fprintln(env.Stdout, "restarted "+names)
	return err
}
