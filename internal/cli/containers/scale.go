package containers

import (
	"context"
	"errors"
	"fmt"

	"github.com/pandakit/panda/internal/cli/command"
)

// mostReplicas bounds how many containers of a service a command may want, as it bounds the instances of "panda up".
const mostReplicas = 100

// Replicas returns the error for a number of containers that no service runs in.
func Replicas(service string, n int) error {
	if n < 1 || n > mostReplicas {
		return command.Usagef("run %d replicas of %s: want 1 to %d", n, service, mostReplicas)
	}
	return nil
}

// Scale makes the service run in n containers: more are started like the newest, one after the other, and are passing when
// it returns; of those that are too many the youngest are drained. What was done before a failure stays. A drain that has begun
// is finished when ctx ends.
func (f *Fleet) Scale(ctx context.Context, n int) error {
	if err := Replicas(f.Service, n); err != nil {
		return err
	}
	if err := f.sweep(ctx); err != nil {
		return err
	}
	for {
		live, err := f.live(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		switch count := len(live); {
		case count == n:
			return nil
		case count < n:
			in, err := f.Start(ctx, 0)
			if err != nil {
				return err
			}
			f.Tell(fmt.Sprintf("%s is passing at %s", in.Label, in.Address))
		default:
			youngest := &live[count-1]
			if err := Drain(context.WithoutCancel(ctx), f.Engine, youngest, f.Tell); err != nil {
				return err
			}
			f.Tell(youngest.Name + " has drained")
		}
	}
}
