package workspace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/nearname"
)

// leaveTime is how long an instance that is taken out may take to leave the registry by itself.
const leaveTime = 2 * time.Second

// UnknownInstanceError says that no instance has a name that was asked for.
type UnknownInstanceError struct {
	Name  string
	Known []string // labels and IDs
}

func (e *UnknownInstanceError) Error() string {
	if near := nearname.Of(e.Name, e.Known); len(near) > 0 {
		return fmt.Sprintf("no instance is called %q; near: %s", e.Name, strings.Join(near, ", "))
	}
	if len(e.Known) == 0 {
		return fmt.Sprintf("no instance is called %q; none runs", e.Name)
	}
	return fmt.Sprintf("no instance is called %q; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// Drain takes one instance, by its label or its ID, out of a service that runs on without it: it leaves the registry,
// finishes its calls and ends; one that is too broken to leave is taken out of the registry. It returns the instance's ID
// and how many are left when it is gone. The place stays empty until [Runner.Scale], [Runner.Restart] or a reload fills it.
// The last instance that is passing is not taken out. The error of an unknown name is an *[UnknownInstanceError], others
// are [Runner.Restart]'s.
func (r *Runner) Drain(ctx context.Context, name string) (id string, left int, err error) {
	s, err := r.serviceOfInstance(name)
	if err != nil {
		return "", 0, err
	}
	err = r.act(ctx, func(ctx context.Context) error {
		if err := r.idle(s); err != nil {
			return err
		}
		if err := s.busy.acquire(ctx); err != nil {
			return err
		}
		defer s.busy.release()
		i, rest, err := r.drainable(s, name)
		if err != nil {
			return err
		}
		id, left = i.id, rest
		r.takeOut(i)
		return r.awaitLeft(ctx, i)
	})
	return id, left, err
}

// awaitLeft returns when the instance is gone, and sees to it that it leaves the registry in time.
func (r *Runner) awaitLeft(ctx context.Context, i *instance) error {
	late := time.NewTimer(leaveTime)
	defer late.Stop()
	for {
		select {
		case <-i.done:
			if i.killed {
				return fmt.Errorf("%s was killed before it had drained: it did not end within %v", i.id, r.Grace)
			}
			return nil
		case <-late.C:
			r.deregister(i.id)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Runner) serviceOfInstance(name string) (*running, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var known []string
	for _, s := range r.services {
		for _, i := range s.instances {
			if i.id == name || i.label == name {
				return s, nil
			}
			known = append(known, i.label)
			if i.id != i.label {
				known = append(known, i.id)
			}
		}
	}
	slices.Sort(known)
	return nil, &UnknownInstanceError{name, slices.Compact(known)}
}

// drainable returns the instance of that name, and how many the service has without it.
func (r *Runner) drainable(s *running, name string) (*instance, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(s.instances, func(i *instance) bool { return i.id == name || i.label == name })
	if at < 0 {
		return nil, 0, refusedf("%s was stopped meanwhile", name)
	}
	i, others := s.instances[at], 0
	for _, other := range s.instances {
		if other != i && (other.passing || s.Registry == "") {
			others++
		}
	}
	if others == 0 {
		return nil, 0, refusedf("no other instance of %s is passing, so nobody would take its calls", s.Name)
	}
	return i, len(s.instances) - 1, nil
}
