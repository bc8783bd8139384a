// Package scale is "panda scale": more or fewer instances of services of a running "panda up". It starts and stops
// no process itself.
package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
)

const long = `Scale services of a running "panda up" to N instances each, 1 to 100, until it ends; panda.yaml
is left alone. New instances are passing when it returns; one that does not pass is stopped again,
and is an error. Of those that are too many the youngest are drained. "panda stop" stops all.

` + running.Help

// New returns the command.
func New(env *command.Env) *cobra.Command {
	complete := running.Complete(env, running.Many)
	return &cobra.Command{
		Use:     "scale SERVICE=N…",
		Short:   "Scale running services up or down",
		Long:    long,
		Example: "  panda scale hello=3\n  panda scale hello=1 web=2",
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			names, _ := complete(cmd, nil, begun)
			for at := range names {
				names[at] += "="
			}
			return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, args)
		},
	}
}

func run(ctx context.Context, env *command.Env, args []string) error {
	replicas, err := parse(args)
	if err != nil {
		return err
	}
	client, err := running.Connect(env)
	if err != nil {
		return err
	}
	if err := client.Scale(ctx, replicas); err != nil {
		return running.Explain(ctx, "scale "+strings.Join(args, " "), err)
	}
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if _, err := fmt.Fprintf(env.Stdout, "%s runs %s\n", name, times(replicas[name])); err != nil {
			return err
		}
	}
	return nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

func parse(args []string) (map[string]int, error) {
	replicas := make(map[string]int, len(args))
	for at, arg := range args {
		name, count, found := strings.Cut(arg, "=")
		if !found || name == "" {
			return nil, command.Usagef("scale %q: want SERVICE=N, such as hello=3", arg)
		}
		n, err := strconv.Atoi(count)
		if errors.Is(err, strconv.ErrRange) {
			return nil, command.Usagef("scale %q: %s is far too many", arg, count)
		}
		if err != nil {
			return nil, command.Usagef("scale %q: %q is no number; want SERVICE=N, such as %s=3", arg, count, name)
		}
		if slices.ContainsFunc(args[:at], func(other string) bool { return strings.HasPrefix(other, name+"=") }) {
			return nil, command.Usagef("scale %q: %s is given twice", arg, name)
		}
		replicas[name] = n
	}
	return replicas, nil
}
