package workspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/workspace/config"
)

// steady is how long a process that registers nothing has to run to be called well.
const steady = 500 * time.Millisecond

// maxLeaving bounds how many processes of one place may drain at once, however fast new ones come.
const maxLeaving = 2

// errEnded is why an instance is not ready of which nothing more can be said.
var errEnded = errors.New("it was stopped before it was passing") //nolint:gochecknoglobals // constant

// NotPassingError says why a new instance was given up.
type NotPassingError struct {
	After  time.Duration
	Status string // of its worst check; "" when it is not registered
	Output string // of that check
}

func (e *NotPassingError) Error() string {
	reason := "it is not registered"
	switch {
	case e.Output != "":
		output, _, _ := strings.Cut(e.Output, "\n")
		reason = fmt.Sprintf("its check is %s: %s", e.Status, output)
	case e.Status != "":
		reason = "its check is " + e.Status
	}
	return fmt.Sprintf("it was not passing after %v: %s", e.After.Round(time.Second/10), reason)
}

// RefusedError says that a request makes no sense.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

func refusedf(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// replaceAll gives every place of the service a new instance, one after the other. The first that does not pass
// ends it with an error: that place, and those after it, keep the instances that they have.
func (r *Runner) replaceAll(ctx context.Context, s *running, began time.Time) error {
	for n := 1; ; n++ {
		r.mu.Lock()
		if n > len(s.instances) {
			r.mu.Unlock()
			return nil
		}
		old := s.instances[n-1]
		alone := s.exclusive()
		r.mu.Unlock()
		var err error
		if alone {
			err = r.replaceEmptied(ctx, s, old)
		} else {
			err = r.replace(ctx, s, old, began)
		}
		if errors.Is(err, errAlone) {
			err = r.replaceEmptied(ctx, s, old)
		}
		if err != nil {
			return err
		}
	}
}

// errAlone says that a new process could not have the port that the one before it has.
var errAlone = errors.New("the port is taken by the instance before it") //nolint:gochecknoglobals // constant

// exclusive reports whether two processes of the service cannot run at once.
func (s *running) exclusive() bool {
	return s.alone || s.Oneshot || s.Debugger != nil || config.FixedPort(s.Env)
}

// replace starts a new instance beside the old one, and drains the old one once the new one is passing.
func (r *Runner) replace(ctx context.Context, s *running, old *instance, began time.Time) error {
	if err := r.awaitRoom(ctx, s, old.n); err != nil {
		return err
	}
	r.mu.Lock()
	next := r.launch(s, old.n, old.label, candidate)
	r.mu.Unlock()
	err := r.await(ctx, next)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || r.stopping {
		next.role = leaving
		next.stop()
		if err == nil || ctx.Err() != nil {
			return context.Canceled
		}
		if next.portTaken.Load() {
			s.alone = true
			return errAlone
		}
		r.Observe(Event{Kind: Kept, Label: old.label, Err: err})
		return fmt.Errorf("%s: %w; the instance before it serves on", old.label, err)
	}
	r.promote(next)
	s.put(next, old)
	old.role = leaving
	old.stop()
	r.Observe(Event{Kind: Replaced, Label: old.label, Address: next.seen.Address, Took: time.Since(began)})
	return nil
}

// promote makes a candidate one of those that serve.
func (r *Runner) promote(i *instance) {
	i.role, i.over = serving, true
}

// replaceEmptied drains the old instance first.
func (r *Runner) replaceEmptied(ctx context.Context, s *running, old *instance) error {
	r.mu.Lock()
	old.role = leaving
	old.stop()
	r.Observe(Event{Kind: Emptied, Label: old.label})
	r.mu.Unlock()
	<-old.done // within the grace; without it the place would be empty for good
	r.mu.Lock()
	if r.stopping {
		r.mu.Unlock()
		return context.Canceled
	}
	next := r.launch(s, old.n, old.label, serving)
	s.put(next, old)
	r.mu.Unlock()
	if s.Oneshot {
		return nil
	}
	if err := r.await(ctx, next); err != nil {
		return fmt.Errorf("%s: %w", old.label, err)
	}
	return nil
}

// awaitRoom waits while too many instances of a place still drain.
func (r *Runner) awaitRoom(ctx context.Context, s *running, n int) error {
	for {
		var draining []*instance
		r.mu.Lock()
		for _, i := range r.instances {
			if i.service == s && i.n == n && i.role == leaving {
				draining = append(draining, i)
			}
		}
		r.mu.Unlock()
		if len(draining) < maxLeaving {
			return nil
		}
		select { // any of them will do
		case <-draining[0].done:
		case <-draining[1].done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await returns once an instance is ready, or says why it is not within the patience.
func (r *Runner) await(ctx context.Context, i *instance) error {
	var patience, well <-chan time.Time
	if i.service.Debugger == nil { // who debugs may stop it at its first line
		timer := time.NewTimer(r.Patience)
		defer timer.Stop()
		patience = timer.C
	}
	if i.service.Registry == "" {
		timer := time.NewTimer(steady)
		defer timer.Stop()
		well = timer.C
	}
	select {
	case <-i.decided:
		if i.failure != nil || well == nil {
			return i.failure
		}
		select { // it has begun, and is to stay
		case <-well:
			return nil
		case <-i.done:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	case <-well:
		return nil
	case <-patience:
		r.mu.Lock()
		defer r.mu.Unlock()
		slow := i.slow()
		return &NotPassingError{r.Patience, slow.Status, slow.Output}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// find returns services by name, each once.
func (r *Runner) find(names []string) ([]*running, error) {
	var found []*running
	for _, name := range names {
		s := r.service(name)
		if s == nil {
			return nil, &UnknownServiceError{name, r.names()}
		}
		if !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return found, nil
}

func (r *Runner) names() []string {
	names := make([]string, 0, len(r.services))
	for _, s := range r.services {
		names = append(names, s.Name)
	}
	return names
}

// maxRolling bounds how many services are replaced at once.
const maxRolling = 4

// each runs do for all services, several at once, each while nothing else changes its instances.
func each(ctx context.Context, services []*running, do func(*running) error) error {
	errs := make([]error, len(services))
	places := make(chan struct{}, maxRolling)
	var group sync.WaitGroup
	for at, s := range services {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			if errs[at] = s.busy.acquire(ctx); errs[at] == nil {
				defer s.busy.release()
				errs[at] = do(s)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// Restart builds the services, and gives each a new instance in place of every one that runs, as a reload does,
// whether their executables differ or not. Those that were stopped are started. It returns when all are passing. When
// something does not compile nothing is restarted, and the error is a *[build.Error]; one that names no service of the
// workspace is an *[UnknownServiceError], and one that cannot be done a *[RefusedError].
func (r *Runner) Restart(ctx context.Context, names []string) error {
	services, err := r.find(names)
	if err != nil {
		return err
	}
	return r.act(ctx, func(ctx context.Context) error {
		began := time.Now()
		if err := r.idle(services...); err != nil {
			return err
		}
		if err := r.rolling.acquire(ctx); err != nil {
			return err
		}
		defer r.rolling.release()
		if err := r.notAttached(services); err != nil {
			return err
		}
		built, err := r.rebuild(ctx, services)
		defer built.discard()
		if err != nil {
			return err
		}
		return each(ctx, services, func(s *running) error {
			path := built.of(s)
			if path != "" && r.same(s, path) {
				path = ""
			}
			before := r.use(s, path)
			if err := r.renew(ctx, s, began); err != nil {
				r.reuse(s, before)
				return err
			}
			r.forgetBinary(before)
			return nil
		})
	})
}

func (r *Runner) notAttached(services []*running) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range services {
		if s.attached != nil {
			return refusedf("%s is attached at %s; detach it first: panda attach --detach %s", s.Name, s.attached.address, s.Name)
		}
	}
	return nil
}

// renew starts a service that does not run, and replaces what does.
func (r *Runner) renew(ctx context.Context, s *running, began time.Time) error {
	r.mu.Lock()
	missing := s.replicas - len(s.instances)
	s.stopped = false
	r.mu.Unlock()
	if missing < s.replicas {
		if err := r.replaceAll(ctx, s, began); err != nil {
			return err
		}
	}
	if missing > 0 { // all of them after a stop, those that were drained otherwise
		return r.grow(ctx, s, s.replicas)
	}
	return nil
}

// use makes an executable the one that the service's next instances run, and returns the one before.
func (r *Runner) use(s *running, path string) *binary {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := s.binary
	if path == "" {
		path = before.path
	}
	s.binary = r.keep(path)
	return before
}

// reuse takes use back.
func (r *Runner) reuse(s *running, before *binary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(s.binary)
	s.binary = before
}

func (r *Runner) forgetBinary(before *binary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(before)
}

// Scale makes n instances of a service run, 1 to [config.MaxReplicas]. New ones are passing when it returns; one that
// is not is stopped again, and named by the error. Of those that are too many the youngest are drained. The errors for
// what makes no sense are [Runner.Restart]'s.
func (r *Runner) Scale(ctx context.Context, name string, n int) error {
	if err := r.CheckScale(name, n); err != nil {
		return err
	}
	s := r.service(name)
	return r.act(ctx, func(ctx context.Context) error {
		if err := r.idle(s); err != nil {
			return err
		}
		if err := s.busy.acquire(ctx); err != nil {
			return err
		}
		defer s.busy.release()
		if err := r.notAttached([]*running{s}); err != nil {
			return err
		}
		r.mu.Lock()
		started := s.started
		r.mu.Unlock()
		if !started {
			return refusedf("run %d replicas of %s: it is waiting for %s", n, name, strings.Join(s.After, ", "))
		}
		if err := r.grow(ctx, s, n); err != nil {
			return err
		}
		r.shrink(s, n)
		return nil
	})
}

// CheckScale returns what makes no sense about running n instances of a service, or nil.
func (r *Runner) CheckScale(name string, n int) error {
	s := r.service(name)
	switch {
	case s == nil:
		return &UnknownServiceError{name, r.names()}
	case n < 1 || n > config.MaxReplicas:
		return refusedf("run %d replicas of %s: want 1 to %d", n, name, config.MaxReplicas)
	case s.Oneshot:
		return refusedf("run %d replicas of %s: it is a one-shot program", n, name)
	case n > 1 && config.FixedPort(s.Env):
		return refusedf("run %d replicas of %s: its PANDA_ADDR %q is one port", n, name, s.Env["PANDA_ADDR"])
	case n > 1 && s.Debugger != nil:
		return refusedf("run %d replicas of %s: it is being debugged", n, name)
	}
	return nil
}

// Know returns nil when all names are those of services, else an *[UnknownServiceError].
func (r *Runner) Know(names []string) error {
	_, err := r.find(names)
	return err
}

// grow starts instances until there are n, and waits for them.
func (r *Runner) grow(ctx context.Context, s *running, n int) error {
	r.mu.Lock()
	s.started = true // it waits for others no more
	var added []*instance
	for _, at := range s.free(n) {
		if n > 1 { // the first of several has a number too, unless it got its name while it was alone
			s.labels = s.InstanceID
		}
		added = append(added, r.launch(s, at, s.labels(at), candidate))
	}
	r.mu.Unlock()
	for at, i := range added {
		err := r.await(ctx, i)
		r.mu.Lock()
		if err != nil || r.stopping {
			for _, rest := range added[at:] {
				rest.role = leaving
				rest.stop()
			}
			r.mu.Unlock()
			if err == nil || ctx.Err() != nil {
				return context.Canceled
			}
			return fmt.Errorf("start %s: %w", i.label, err)
		}
		r.promote(i)
		s.instances = append(s.instances, i)
		s.sort()
		s.replicas, s.stopped = max(len(s.instances), s.replicas), false
		event := Event{Kind: Passing, Label: i.label, Address: i.seen.Address, Took: time.Since(i.began)}
		if s.Registry == "" {
			event.Kind = Started
		}
		r.Observe(event)
		r.advance()
		r.mu.Unlock()
	}
	return nil
}

// shrink drains instances, the youngest first, until there are n, and returns when they are gone.
func (r *Runner) shrink(s *running, n int) {
	r.mu.Lock()
	surplus := slices.Clone(s.instances[min(n, len(s.instances)):])
	s.instances = s.instances[:min(n, len(s.instances))]
	for _, i := range slices.Backward(surplus) {
		i.role = stopping
		i.stop()
	}
	if n > 0 {
		s.replicas = n
	}
	if len(surplus) > 0 && !r.stopping {
		r.Observe(Event{Kind: Downsizing, Label: s.Name, Count: len(surplus)})
	}
	r.mu.Unlock()
	for _, i := range surplus {
		<-i.done
	}
}

// Stop drains the services and returns when none of their instances is left. They stay stopped until
// [Runner.Restart] or [Runner.Scale] starts them again. The error is for what makes no sense.
func (r *Runner) Stop(ctx context.Context, names []string) error {
	services, err := r.find(names)
	if err != nil {
		return err
	}
	return r.act(ctx, func(ctx context.Context) error {
		if err := r.idle(services...); err != nil {
			return err
		}
		if err := r.notAttached(services); err != nil {
			return err
		}
		return each(ctx, services, func(s *running) error {
			r.mu.Lock()
			s.stopped, s.started = true, true
			r.mu.Unlock()
			r.shrink(s, 0)
			return nil
		})
	})
}
