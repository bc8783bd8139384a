package scale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/containers"
	"github.com/pandakit/panda/internal/engine"
)

// open finds the containers of the services that the arguments name; done frees the engine. elsewhere is why they are no
// services of a "panda up": when there is no engine, or no container of one of them, that is the error, for most who see it had
// a "panda up" in mind. It is nil when containers are meant for sure.
func open(
	ctx context.Context, env *command.Env, args []string, replicas map[string]int, project string, elsewhere error,
) (fleets []*containers.Fleet, done func(), err error) {
	if len(args) == 0 {
		return nil, func() {}, nil
	}
	from, err := containers.Engine(ctx, env)
	if containers.Absent(err) {
		return nil, nil, cmp.Or(elsewhere, err)
	}
	if err != nil {
		return nil, nil, err
	}
	if fleets, err = openAll(ctx, env, from, args, replicas, project, elsewhere); err != nil {
		from.Close()
		return nil, nil, err
	}
	return fleets, from.Close, nil
}

func openAll(
	ctx context.Context, env *command.Env, from *engine.Engine, args []string, replicas map[string]int, project string, elsewhere error,
) ([]*containers.Fleet, error) {
	registry, err := command.Registry(env)
	if err != nil {
		return nil, err
	}
	fleets := make([]*containers.Fleet, len(args))
	for at, arg := range args {
		service := name(arg)
		if err := containers.Replicas(service, replicas[service]); err != nil {
			return nil, fmt.Errorf("scale %s: %w", arg, err)
		}
		fleets[at], err = containers.Open(ctx, containers.Config{
			Engine: from, Registry: registry, Service: service, Project: project,
			Tell: func(text string) { fmt.Fprintln(env.Stderr, text) },
		})
		if none, missing := errors.AsType[*containers.NoneError](err); missing && elsewhere != nil {
			advice := slices.DeleteFunc([]string{command.Advice(elsewhere), none.Error()}, func(s string) bool { return s == "" })
			return nil, command.Advise(elsewhere, strings.Join(advice, "; "))
		}
		if err != nil {
			return nil, fmt.Errorf("scale %s: %w", arg, err)
		}
	}
	return fleets, nil
}

func scaleContainers(ctx context.Context, env *command.Env, fleets []*containers.Fleet, args []string, replicas map[string]int) error {
	for at, arg := range args {
		if err := fleets[at].Scale(ctx, replicas[name(arg)]); err != nil {
			return fmt.Errorf("scale %s: %w", arg, err)
		}
		if err := tell(env, []string{arg}, replicas); err != nil {
			return err
		}
	}
	return nil
}
