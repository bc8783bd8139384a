// Package drain is "panda drain": one instance of a service of a running "panda up" is taken out, and the others serve
// on. It stops no process itself.
package drain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
	"github.com/pandakit/panda/internal/workspace/control"
)

const long = `Take one instance of a running service out: it leaves the registry, finishes the calls that it has,
and ends; the others serve on. INSTANCE is its label, as in the logs, or its ID, as "panda instances"
shows it. One that does not leave the registry by itself within 2 s is taken out of it, and one that
does not end in time is killed, which is an error.

The service goes on with one less until "panda scale", "panda restart" or a saved file fills the
place. The last instance that is passing stays: "panda stop" stops a whole service.

An instance that no "panda up" has may be a container with the label dev.panda.service, of the engine
that DOCKER_HOST or Docker's context names, or that listens at a usual place: INSTANCE is then its
name, its ID, or the instance's ID or address. It gets SIGTERM and its stop timeout, 35 s unless it
has one, and is removed.

` + running.Help

// New returns the command.
func New(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "drain INSTANCE",
		Short:   "Take one instance out without stopping the rest",
		Long:    long,
		Example: "  panda drain hello-2\n  panda drain hello-2.3\n  panda drain shop-hello-2     # a container",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return complete(cmd.Context(), env, begun), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, args[0])
		},
	}
}

func run(ctx context.Context, env *command.Env, instance string) error {
	client, err := running.Connect(env)
	if err != nil {
		return inContainer(ctx, env, instance, err)
	}
	began := time.Now()
	id, left, err := client.Drain(ctx, instance)
	if told, ok := errors.AsType[*control.Error](err); ok && told.Unknown {
		return inContainer(ctx, env, instance, running.Explain(ctx, "drain "+instance, err))
	}
	if err != nil {
		return running.Explain(ctx, "drain "+instance, err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s has drained in %v; %s\n", id, time.Since(began).Round(time.Millisecond), serveOn(left))
	return err
}

// inContainer drains an instance that no "panda up" has; elsewhere says so, and is the error when no container has it.
func inContainer(ctx context.Context, env *command.Env, instance string, elsewhere error) error {
	done, err := drainContainer(ctx, env, instance)
	if done || err != nil {
		return err
	}
	return elsewhere
}

func serveOn(n int) string {
	if n == 1 {
		return "1 instance serves on"
	}
	return fmt.Sprintf("%d instances serve on", n)
}

// complete returns the IDs of instances, and labels that are not such, that begin as is typed.
func complete(ctx context.Context, env *command.Env, begun string) []string {
	var names []string
	for _, s := range running.Glimpse(ctx, env) {
		for _, i := range s.Instances {
			if i.Role == "serving" {
				names = append(names, i.Label, i.ID)
			}
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return !strings.HasPrefix(name, begun) })
}
