package containers

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
	"github.com/pandakit/panda/internal/rollout"
)

// Start implements [rollout.Fleet]: a container like the newest one was when the fleet was opened, with the fleet's image, the
// lowest number that is free for its name, and an ID of its own in the registry.
func (f *Fleet) Start(ctx context.Context, weight int) (rollout.Instance, error) {
	c, err := f.launch(ctx, weight)
	if err != nil {
		return rollout.Instance{}, err
	}
	registered, err := f.await(ctx, &c)
	if err != nil {
		return rollout.Instance{}, errors.Join(err, f.takeBack(ctx, &c))
	}
	return instance(&c, registered), nil
}

// mostNames bounds the numbers that are tried for a name.
const mostNames = 1000

// launch starts a container under the first free name.
func (f *Fleet) launch(ctx context.Context, weight int) (engine.Container, error) {
	if err := f.read(ctx); err != nil {
		return engine.Container{}, err
	}
	taken, err := f.numbers(ctx)
	if err != nil {
		return engine.Container{}, err
	}
	for number := 1; number <= mostNames; number++ {
		if taken[number] {
			continue
		}
		c, err := f.Engine.Start(ctx, f.template, f.change(number, weight))
		if _, other := errors.AsType[*engine.NameTakenError](err); other {
			continue // a container without the service's label has it
		}
		return c, err
	}
	return engine.Container{}, fmt.Errorf("start a container of %s: all names from %s1 to %s%d are taken", f.Service, f.prefix, f.prefix, mostNames)
}

func (f *Fleet) change(number, weight int) engine.Change {
	name := f.prefix + strconv.Itoa(number)
	change := engine.Change{Name: name, Image: f.Image, Env: map[string]string{}, Labels: map[string]string{}}
	if _, ok := f.newest.Labels[engine.NumberLabel]; ok {
		change.Labels[engine.NumberLabel] = strconv.Itoa(number)
	}
	if weight > 0 {
		change.Env[weightVariable] = strconv.Itoa(weight)
	} else if markOf(&f.newest).Canary {
		change.Unset = []string{weightVariable}
	}
	if m := f.mark; m.Upgrade != "" {
		m.Canary = weight > 0
		change.Labels[upgradeLabel] = m.String()
	} else if _, ok := f.newest.Labels[upgradeLabel]; ok {
		change.Labels[upgradeLabel] = ""
	}
	if f.newest.Env[instanceVariable] != "" {
		change.Env[instanceVariable] = name + "-" + strings.ToLower(rand.Text()[:8]) // other machines may have the name, too
	}
	return change
}

// numbers returns the numbers that containers of the service have, running or not, in their names or for Compose.
func (f *Fleet) numbers(ctx context.Context) (map[int]bool, error) {
	all, err := f.Engine.List(ctx, f.Service)
	if err != nil {
		return nil, err
	}
	taken := make(map[int]bool, len(all))
	for i := range all {
		c := &all[i]
		if prefix, number := numbered(c.Name); prefix == f.prefix {
			taken[number] = true
		}
		if number, err := strconv.Atoi(c.Labels[engine.NumberLabel]); err == nil && c.Project() == f.Project {
			taken[number] = true
		}
	}
	return taken, nil
}

// await returns the container's registration once it is passing.
func (f *Fleet) await(ctx context.Context, c *engine.Container) (*discovery.Instance, error) {
	var found *discovery.Instance
	var refused error
	state := "it has not registered"
	cause := f.during(ctx, c, patience, func(ctx context.Context) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		refused = f.Registry.Watch(ctx, f.Service, func(s discovery.Snapshot) {
			registered := registration(c, s.Instances)
			switch {
			case s.Err != nil:
				state = s.Err.Error()
			case registered == nil:
			case registered.Usable():
				found = registered
				stop()
			default:
				state = command.Unusable(registered)
			}
		})
	})
	switch {
	case found != nil:
		return found, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(cause, context.DeadlineExceeded):
		return nil, fmt.Errorf("%s is not passing at %s after %v: %s%s", c.Name, f.Registry, patience, command.OneLine(state), lastLines(ctx, f.Engine, c.ID))
	}
	return nil, cmp.Or(cause, refused)
}

// during calls do with a context that ends after the bound, and as soon as the container's process has ended. It returns what
// ended the context; nil when do returned before.
func (f *Fleet) during(ctx context.Context, c *engine.Container, bound time.Duration, do func(ctx context.Context)) error {
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	watched, stop := context.WithCancelCause(bounded)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.guard(watched, c); err != nil {
			stop(err)
		}
	}()
	do(watched)
	cause := context.Cause(watched)
	stop(nil)
	<-ended
	return cause
}

// guard returns an error when the container's process has ended, or has been started again, and nil when ctx ends.
func (f *Fleet) guard(ctx context.Context, c *engine.Container) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		now, err := f.Engine.Inspect(ctx, c.ID)
		_, gone := errors.AsType[*engine.MissingError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case gone:
			return fmt.Errorf("%s ended, and was removed by the engine", c.Name)
		case err == nil && now.Restarts > 0 && now.ExitCode == 0: // of the process that runs now
			return fmt.Errorf("%s ended, and was started again by the engine%s", c.Name, lastLines(ctx, f.Engine, c.ID))
		case err == nil && !now.Running():
			return fmt.Errorf("%s ended with exit code %d%s", c.Name, now.ExitCode, lastLines(ctx, f.Engine, c.ID))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// takeBack ends and removes a container that is not to stay, whatever has become of ctx. It has its full grace, for it may
// have become passing as the wait for it ended, and have calls.
func (f *Fleet) takeBack(ctx context.Context, c *engine.Container) error {
	ctx = context.WithoutCancel(ctx)
	if c.Running() {
		if _, err := f.Engine.Stop(ctx, c.ID, cmp.Or(c.Grace, Grace)); err != nil {
			return errors.Join(err, f.Engine.Remove(ctx, c.ID))
		}
	}
	return f.Engine.Remove(ctx, c.ID)
}

// shownLines is how much of a container's logs goes into an error.
const shownLines = 5

// lastLines returns what the container has written last, to be put after an error's text; "" when that cannot be had.
func lastLines(ctx context.Context, from *engine.Engine, id string) string {
	text, err := from.Logs(ctx, id, shownLines)
	if err != nil || text == "" {
		return ""
	}
	var lines strings.Builder
	lines.WriteString("; its last lines:")
	for line := range strings.Lines(text) {
		lines.WriteString("\n  " + command.OneLine(line))
	}
	return lines.String()
}
