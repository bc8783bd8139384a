package drain

import (
	"context"
	"fmt"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/containers"
)

// drainContainer drains an instance that runs as a container. It returns false when there is no such container, or no engine
// where nobody has said that there is one. What has begun to drain is removed whatever becomes of ctx.
func drainContainer(ctx context.Context, env *command.Env, name string) (done bool, err error) {
	engine, err := containers.Engine(ctx, env)
	if containers.Absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer engine.Close()
	found, err := containers.Find(ctx, engine, name)
	if err != nil || found == nil {
		return false, err
	}
	others, err := containers.Beside(ctx, engine, found)
	if err != nil {
		return false, err
	}
	if others == 0 {
		return false, command.Advise(fmt.Errorf("drain %s: it is the last container of %s that runs", name, found.Service),
			"to stop the service, stop the container: docker stop "+found.Name)
	}
	began := time.Now()
	if err := containers.Drain(context.WithoutCancel(ctx), engine, found, func(text string) { fmt.Fprintln(env.Stderr, text) }); err != nil {
		return true, fmt.Errorf("drain %s: %w", name, err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s has drained in %v; %s\n", found.Name, time.Since(began).Round(time.Millisecond), serveOn(others))
	return true, err
}
