// Package drain is "panda drain": one instance of a service of a running "panda up" is taken out, and the others serve
// on. It stops no process itself.
package drain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
)

const long = `Take one instance of a running service out: it leaves the registry, finishes the calls that it has,
and ends; the others serve on. INSTANCE is its label, as in the logs, or its ID, as "panda instances"
shows it. One that does not leave the registry by itself within 2 s is taken out of it, and one that
does not end in time is killed, which is an error.

The service goes on with one less until "panda scale", "panda restart" or a saved file fills the
place. The last instance that is passing stays: "panda stop" stops a whole service.

` + running.Help

// New returns the command.
func New(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "drain INSTANCE",
		Short:   "Take one instance out without stopping the rest",
		Long:    long,
		Example: "  panda drain hello-2\n  panda drain hello-2.3",
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
		return err
	}
	began := time.Now()
	id, left, err := client.Drain(ctx, instance)
	if err != nil {
		return running.Explain(ctx, "drain "+instance, err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s has drained in %v; %s\n", id, time.Since(began).Round(time.Millisecond), serveOn(left))
	return err
}

func serveOn(n int) string {
	if n == 1 {
		return "1 instance serves on"
	}
	return fmt.Sprintf("%d instances serve on", n)
}

// completionTimeout bounds what a person who presses the tab key waits.
const completionTimeout = time.Second

// complete returns the IDs of instances, and labels that are not such, that begin as is typed.
func complete(ctx context.Context, env *command.Env, begun string) []string {
	client, err := running.Connect(env)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range status.Services {
		for _, i := range s.Instances {
			if i.Role == "serving" {
				names = append(names, i.Label, i.ID)
			}
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return !strings.HasPrefix(name, begun) })
}
