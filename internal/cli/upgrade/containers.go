package upgrade

import (
	"context"
	"errors"
	"fmt"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/containers"
)

// openContainers finds the service among the containers of the engine. The new version is the image that --image names.
func openContainers(ctx context.Context, u *upgrader) (*opened, error) {
	engine, err := containers.Engine(ctx, u.env)
	if containers.Absent(err) && !u.engine && u.image == "" {
		return nil, &notHereError{err}
	}
	if err != nil {
		return nil, err
	}
	found, err := u.openIn(ctx, containers.Config{
		Engine: engine, Service: u.service, Image: u.image, Project: u.project,
		Tell: func(text string) { fmt.Fprintln(u.env.Stderr, text) },
	})
	if err != nil {
		engine.Close()
		return nil, err
	}
	found.where = "containers of the " + engine.String()
	found.close = func(context.Context) { engine.Close() }
	return found, nil
}

func (u *upgrader) openIn(ctx context.Context, config containers.Config) (*opened, error) {
	var err error
	if config.Registry, err = command.Registry(u.env); err != nil {
		return nil, err
	}
	fleet, err := containers.Open(ctx, config)
	if none, ok := errors.AsType[*containers.NoneError](err); ok {
		return nil, &notHereError{none}
	}
	if err != nil {
		return nil, fmt.Errorf("upgrade %s: %w", u.service, err)
	}
	if u.image == "" {
		return nil, command.Advise(command.Usagef("upgrade %s: it runs in containers, and no image of the new version is given", u.service),
			fmt.Sprintf("name one that the engine has: --image %s:2", u.service))
	}
	same, err := fleet.Same(ctx)
	if err != nil {
		return nil, err
	}
	return &opened{fleet: fleet, same: same}, nil
}
