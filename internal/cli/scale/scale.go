// Package scale is "panda scale": more or fewer instances of services of a running "panda up", or of containers of an
// engine. It starts and stops no process itself.
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
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/control"
)

const long = `Scale services to N instances each, 1 to 100: those of a running "panda up", until it ends, and
those that run as containers with the label dev.panda.service=SERVICE, as "panda deploy" and
"panda image" give it. panda.yaml and the Compose file are left alone.

New instances are passing when it returns; one that does not pass is stopped again, and is an
error. A new container is like the newest one that runs, with the lowest number that is free for
its name. Of those that are too many the youngest are drained. "panda stop" stops all.

` + running.Help + ` A service that it does not have, or
any with --engine, is looked for among the containers of the engine that DOCKER_HOST or Docker's
context names, or that listens at a usual place. They have to be registered where CONSUL_HTTP_ADDR
says.`

// New returns the command.
func New(env *command.Env) *cobra.Command {
	complete := running.Complete(env, running.Many)
	var options options
	cmd := &cobra.Command{
		Use:     "scale SERVICE=N…",
		Short:   "Scale running services up or down",
		Long:    long,
		Example: "  panda scale hello=3\n  panda scale hello=1 web=2\n  panda scale hello=3 --engine --project shop",
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			names, _ := complete(cmd, nil, begun)
			for at := range names {
				names[at] += "="
			}
			return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, args, options)
		},
	}
	cmd.Flags().BoolVar(&options.engine, "engine", false, "scale containers, whatever \"panda up\" runs")
	cmd.Flags().StringVar(&options.project, "project", "", "the Compose `project` of the containers, where there are several")
	return cmd
}

// options are the command's flags.
type options struct {
	engine  bool
	project string
}

func run(ctx context.Context, env *command.Env, args []string, options options) error {
	replicas, err := parse(args)
	if err != nil {
		return err
	}
	text := "scale " + strings.Join(args, " ")
	var client *control.Client
	var here []string // the arguments for "panda up"; the others are for containers
	others, elsewhere := args, error(nil)
	if !options.engine {
		if client, elsewhere = running.Connect(env); elsewhere == nil {
			if here, others, err = divide(ctx, client, args); err != nil {
				return running.Explain(ctx, text, err)
			}
			if len(others) > 0 {
				elsewhere = running.Explain(ctx, text, running.Known(ctx, client, name(others[0])))
			}
		}
	}
	fleets, done, err := open(ctx, env, others, replicas, options.project, elsewhere)
	if err != nil {
		return err
	}
	defer done()
	if len(here) > 0 {
		wanted := make(map[string]int, len(here))
		for _, arg := range here {
			wanted[name(arg)] = replicas[name(arg)]
		}
		if err := client.Scale(ctx, wanted); err != nil {
			return running.Explain(ctx, text, err)
		}
		if err := tell(env, here, replicas); err != nil {
			return err
		}
	}
	return scaleContainers(ctx, env, fleets, others, replicas)
}

// divide tells the arguments for services that the workspace has from the others.
func divide(ctx context.Context, client *control.Client, args []string) (here, others []string, err error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, arg := range args {
		if slices.ContainsFunc(status.Services, func(s workspace.ServiceStatus) bool { return s.Name == name(arg) }) {
			here = append(here, arg)
		} else {
			others = append(others, arg)
		}
	}
	return here, others, nil
}

// name returns the service of SERVICE=N.
func name(arg string) string {
	service, _, _ := strings.Cut(arg, "=")
	return service
}

func tell(env *command.Env, args []string, replicas map[string]int) error {
	for _, arg := range args {
		if _, err := fmt.Fprintf(env.Stdout, "%s runs %s\n", name(arg), times(replicas[name(arg)])); err != nil {
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
