// Package rollout brings a new version of a service into traffic beside the old one, judges it there, and takes the old
// one out, so that no call is lost and a failure at any point leaves a system that works. It is the order of the steps and
// the judgement alone: it starts no process, opens no socket and knows no registry. What it acts on is a [Fleet].
//
// The steps of [Run]:
//
//	rehearse   one of the new version serves unregistered, is compared with what runs, and is removed
//	canary     if wanted: one of the new version gets a small share of the calls, and is judged by what it does with them
//	start      as many of the new version as there are to be, one after the other, beside the old ones
//	drain      the canary, then the old ones, one after the other
//
// Until the last instance of the new version is passing, everything is taken back when a step fails or the context ends:
// the new ones are drained, and the old ones have served all along. From then on there is no way back but another
// upgrade, and none is needed: what is left to do is done even when the context ends. A process that is killed takes nothing back:
// what it has left serves beside the rest, and is among the old ones of the next [Run].
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Instance is one running copy of the service.
type Instance struct {
	ID      string // under which the fleet knows it; unique, and never used for two that run at once
	Label   string // for people; may be the ID
	Version string // for people; "" when it is not known
	Address string // host:port that the process that calls Run reaches it at
	Weight  int    // its share of the calls relative to the others, 1 to 65535; 0 is not known, and counts as 1
}

// Fleet is the instances of one service, wherever they run, and the new version of it. Its methods are called one at a
// time, each may block until its ctx ends, and returns soon after it has.
type Fleet interface {
	// Running returns the instances that are to be replaced, the oldest first, and how many there are to be of the new version: as
	// many, unless some are left of an upgrade that was killed. It is called once, before anything else.
	Running(ctx context.Context) (old []Instance, wanted int, err error)

	// Rehearse starts one of the new version that is not registered, so that nobody calls it, and returns once it takes
	// connections. remove ends it, and is called once. An error leaves nothing behind.
	Rehearse(ctx context.Context) (in Instance, remove func(ctx context.Context) error, err error)

	// Start starts one of the new version and returns once its checks are passing in the registry. weight is the one that
	// it registers with; 0: that of the old ones, for it is to stay. An error leaves nothing behind, also when ctx has
	// ended: what was begun is taken back within the fleet's own bounds.
	Start(ctx context.Context, weight int) (Instance, error)

	// Drain takes an instance out that Running or Start returned: it leaves the registry, finishes the calls that it has,
	// and ends. It returns when it is gone, nil also when it was gone before, and [ErrKilled] when it had to be killed. Any
	// other error says that it may still be there.
	Drain(ctx context.Context, in Instance) error
}

// Plan is how an upgrade is done. The zero value compares nothing, has no canary and tells nobody.
type Plan struct {
	// Check compares the API of an old instance with that of the rehearsed one: nil when callers of old are served by
	// fresh too, an *[IncompatibleError] when they are not, another error when that cannot be found out. Nil: nothing is
	// rehearsed.
	Check func(ctx context.Context, old, fresh Instance) error

	// Canary is the share of the calls that the canary gets, above 0 and at most 0.5. 0: there is none.
	Canary float64
	// CanaryTime is how long it is judged, 30 s when it is 0.
	CanaryTime time.Duration
	// Measure returns what an instance has counted since it began. It is required for a canary, and bounded by itself.
	Measure func(ctx context.Context, in Instance) (Sample, error)

	// Observe is told each step. Calls do not overlap, and hold the upgrade up. May be nil.
	Observe func(Event)

	// Kill, when it is closed, ends at once what goes on after ctx has ended, and leaves what is there. May be nil.
	Kill <-chan struct{}
}

// DefaultCanaryTime is how long a canary is judged unless the plan says otherwise.
const DefaultCanaryTime = 30 * time.Second

// Run does the upgrade. It returns nil when only the new version is left, else an *[Error] that says what is there.
func Run(ctx context.Context, fleet Fleet, plan Plan) error {
	r := &run{Plan: plan, fleet: fleet, began: time.Now()}
	r.CanaryTime = cmp.Or(r.CanaryTime, DefaultCanaryTime)
	if r.Observe == nil {
		r.Observe = func(Event) {}
	}
	var release context.CancelFunc
	r.after, release = context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	if plan.Kill != nil {
		ended := make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-plan.Kill:
				release()
			case <-ended:
			}
		}()
		defer func() { close(ended); <-watched }()
	}
	return r.all(ctx)
}

// run is one upgrade on its way.
type run struct {
	Plan
	fleet Fleet
	began time.Time
	after context.Context //nolint:containedctx // of what is done when the caller's has ended

	old    []Instance
	wanted int        // how many are to stay
	fresh  []Instance // that are to stay
	canary *Instance  // while there is one
	stuck  []Instance // that was rehearsed and could not be removed

	telling sync.Mutex // held while Observe is called
}

func (r *run) all(ctx context.Context) error {
	steps := []struct {
		step Step
		do   func(context.Context) error
	}{
		{Looking, r.look},
		{Rehearsing, r.rehearse},
		{Judging, r.try},
		{Starting, r.start},
	}
	for _, s := range steps {
		err := ctx.Err()
		if err == nil {
			err = s.do(ctx)
		}
		if err != nil {
			return r.takeBack(ctx, s.step, err)
		}
	}
	return r.drain(ctx)
}

func (r *run) look(ctx context.Context) (err error) {
	if r.old, r.wanted, err = r.fleet.Running(ctx); err != nil {
		return err
	}
	if len(r.old) == 0 {
		return ErrNothingRuns
	}
	if _, err := r.weight(); err != nil {
		return err
	}
	r.tell(Event{Kind: Found, Count: len(r.old), Left: len(r.old) - r.wanted, Instance: r.old[0]})
	return nil
}

// rehearse compares what the new version serves with what the old one does.
func (r *run) rehearse(ctx context.Context) error {
	if r.Check == nil {
		return nil
	}
	began := time.Now()
	in, remove, err := r.fleet.Rehearse(ctx)
	if err != nil {
		return err
	}
	r.tell(Event{Kind: Rehearsed, Instance: in, Took: time.Since(began)})
	err = r.Check(ctx, r.old[0], in)
	if gone := remove(r.after); gone != nil {
		r.stuck, err = append(r.stuck, in), errors.Join(err, gone)
		r.tell(Event{Kind: NotDrained, Instance: in, Err: gone})
	}
	if err != nil {
		return err
	}
	r.tell(Event{Kind: Compatible, Instance: in})
	return nil
}

// start starts what is to stay.
func (r *run) start(ctx context.Context) error {
	for n := range r.wanted {
		began := time.Now()
		in, err := r.fleet.Start(ctx, 0)
		if err != nil {
			return err
		}
		r.fresh = append(r.fresh, in)
		r.tell(Event{Kind: Started, Instance: in, Nth: n + 1, Count: r.wanted, Took: time.Since(began)})
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// drain ends the canary and the old ones. One that does not end keeps none of the others.
func (r *run) drain(ctx context.Context) error {
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		r.tell(Event{Kind: TooLate})
	})
	defer func() {
		if !stop() {
			<-told
		}
	}()
	going := r.old
	if r.canary != nil {
		going = append([]Instance{*r.canary}, r.old...)
	}
	var left []Instance
	var errs []error
	for n, in := range going {
		began := time.Now()
		if err := r.fleet.Drain(r.after, in); errors.Is(err, ErrKilled) {
			errs = append(errs, fmt.Errorf("%s: %w", in.Label, err))
			r.tell(Event{Kind: Killed, Instance: in, Took: time.Since(began)})
			continue
		} else if err != nil {
			left, errs = append(left, in), append(errs, err)
			r.tell(Event{Kind: NotDrained, Instance: in, Err: err})
			continue
		}
		r.tell(Event{Kind: Drained, Instance: in, Nth: n + 1, Count: len(going), Took: time.Since(began)})
	}
	if len(errs) > 0 {
		return &Error{Step: Draining, Err: errors.Join(errs...), Upgraded: true, Serving: r.fresh, Left: left}
	}
	r.tell(Event{Kind: Done, Count: len(r.fresh), Took: time.Since(r.began)})
	return nil
}

// takeBack drains what is new, the youngest first.
func (r *run) takeBack(ctx context.Context, step Step, cause error) error {
	if ctx.Err() != nil {
		cause = context.Cause(ctx)
	}
	failed := &Error{Step: step, Err: cause, Serving: r.old, Left: r.stuck}
	going := r.fresh
	if r.canary != nil {
		going = append([]Instance{*r.canary}, r.fresh...)
	}
	if len(going) > 0 {
		r.tell(Event{Kind: TakingBack, Count: len(going), Err: cause})
	}
	for _, in := range slices.Backward(going) {
		began := time.Now()
		if err := r.fleet.Drain(r.after, in); errors.Is(err, ErrKilled) {
			r.tell(Event{Kind: Killed, Instance: in, Took: time.Since(began)})
			continue
		} else if err != nil {
			failed.Left = append(failed.Left, in)
			failed.Err = errors.Join(failed.Err, err)
			r.tell(Event{Kind: NotDrained, Instance: in, Err: err})
			continue
		}
		r.tell(Event{Kind: TakenBack, Instance: in, Took: time.Since(began)})
	}
	return failed
}

func (r *run) tell(e Event) {
	r.telling.Lock()
	defer r.telling.Unlock()
	e.At = time.Now()
	r.Observe(e)
}
