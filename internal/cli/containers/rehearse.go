package containers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
	"github.com/pandakit/panda/internal/rollout"
)

const (
	// rehearsalAddress is where one listens that says nowhere else.
	rehearsalAddress = ":8080"
	// serving is how long it may take until it takes connections.
	serving = 15 * time.Second
	// oneConnection bounds an attempt to connect.
	oneConnection = 2 * time.Second
)

// Rehearse implements [rollout.Fleet]: a container that registers nothing, that nobody finds by a name, and that Compose
// does not list. It is reached at its own address, which not every engine allows.
func (f *Fleet) Rehearse(ctx context.Context) (rollout.Instance, func(context.Context) error, error) {
	image, err := f.Engine.Image(ctx, f.Image)
	if err != nil {
		return rollout.Instance{}, nil, err
	}
	change := engine.Change{
		Name: f.prefix + "rehearsal", Image: f.Image, NoAliases: true, Unset: []string{instanceVariable},
		Env:    map[string]string{registerVariable: "false"},
		Labels: map[string]string{rehearsalLabel: "yes", upgradeLabel: f.mark.String()},
	}
	if f.Project != "" {
		change.Labels["com.docker.compose.oneoff"] = "True"
	}
	if portOf(f.newest.Env[addressVariable]) == 0 && portOf(image.Env[addressVariable]) == 0 {
		change.Env[addressVariable] = rehearsalAddress
	}
	c, err := f.Engine.Start(ctx, f.template, change)
	if taken, ok := errors.AsType[*engine.NameTakenError](err); ok {
		return rollout.Instance{}, nil, command.Advise(fmt.Errorf("another upgrade of %s is on its way, or was killed: %w", f.Service, taken),
			"if no other runs, remove it: docker rm --force "+taken.Name)
	}
	if err != nil {
		return rollout.Instance{}, nil, err
	}
	remove := func(ctx context.Context) error { return f.takeBack(ctx, &c) }
	if err := f.connect(ctx, &c); err != nil {
		return rollout.Instance{}, nil, errors.Join(err, remove(ctx))
	}
	return instance(&c, nil), remove, nil
}

// connect returns once the container takes connections at the address that it listens on.
func (f *Fleet) connect(ctx context.Context, c *engine.Container) error {
	address := expected(c)
	var last error
	cause := f.during(ctx, c, serving, func(ctx context.Context) { last = dial(ctx, address) })
	switch {
	case last == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(cause, context.DeadlineExceeded):
		return cause
	}
	err := fmt.Errorf("%s runs, and takes no connection at %s within %v: %w%s", c.Name, address, serving, last, lastLines(ctx, f.Engine, c.ID))
	if runtime.GOOS != "linux" || strings.Contains(f.Engine.About().Name, "Desktop") {
		return command.Advise(err, "this engine keeps its containers in a virtual machine, where this system reaches none at its own address; "+
			"run the command in a container of their network, or leave the comparison of the APIs out with --no-check")
	}
	return command.Advise(err, "see that it listens where PANDA_ADDR says, or leave the comparison of the APIs out with --no-check")
}

// dial tries until there is a connection, or ctx ends; then it returns why there was none.
func dial(ctx context.Context, address string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	dialer := &net.Dialer{Timeout: oneConnection}
	last := errors.New("not tried")
	for {
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			connection.Close()
			return nil
		}
		if op, ok := errors.AsType[*net.OpError](err); ok && ctx.Err() == nil {
			last = op.Err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last
		}
	}
}
