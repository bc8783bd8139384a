// Package supervise keeps one instance of a program running: it starts it again with backoff when it ends
// unasked, and drains it when it is to end. It never decides when to start or to stop, and knows nothing of
// registries.
package supervise

import (
	"context"
	"io"
	"time"

	"github.com/pandakit/panda/internal/backoff"
	"github.com/pandakit/panda/internal/process"
)

// settled is how long a process has to run for its next crash to count as the first.
const settled = 10 * time.Second

// Output takes one output of a program; Flush is called when a process has ended.
type Output interface {
	io.Writer
	Flush()
}

// Instance is a program to keep running. All fields but Oneshot are required.
type Instance struct {
	Command process.Command // without Stdout and Stderr
	Oneshot bool            // ending with exit code 0 is what it is for

	Stdout, Stderr Output // one writer for both would be used by two goroutines

	// Observe is told what happens; calls do not overlap, and hold the instance up.
	Observe func(Event)
	// Ended is called after each end of a process that did not end well when asked, before what follows.
	Ended func(ctx context.Context)
}

// Kind says what happened to an instance.
type Kind int

// What can happen to an instance.
const (
	Started   Kind = iota // a process runs
	Crashed               // it ended unasked; it is started again after Delay
	Unstarted             // it could not be started, which is tried again after Delay
	Finished              // a one-shot program has done its work
	Stopped               // it ended because it was asked, or killed
)

// Event is one step in the life of an instance.
type Event struct {
	Kind   Kind
	PID    int           // of Started
	Exit   process.Exit  // of Crashed, Finished and Stopped
	Took   time.Duration // how long it ran; of Stopped, from the request to the end
	Delay  time.Duration // of Crashed and Unstarted
	Killed bool          // of Stopped: it did not end in time, or there was no time
	Err    error         // of Unstarted
}

// Supervisor starts instances. Its methods may be called from several goroutines.
type Supervisor struct {
	Starter *process.Starter
	Backoff backoff.Policy
	Grace   time.Duration // for an instance to end when asked
}

// Run keeps the instance running until ctx is done and then drains it: it is asked to end, and killed with
// all that it started after Grace or once kill is closed. It returns when nothing of it runs any more, and
// reports whether it ended without being killed.
func (s *Supervisor) Run(ctx context.Context, i *Instance, kill <-chan struct{}) (clean bool) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		p, err := s.start(i)
		if err != nil {
			delay := s.Backoff.Delay(attempt)
			i.Observe(Event{Kind: Unstarted, Err: err, Delay: delay})
			pause(ctx, delay)
			continue
		}
		i.Observe(Event{Kind: Started, PID: p.PID()})
		select {
		case <-p.Done():
		case <-ctx.Done():
			return s.stop(ctx, i, p, kill)
		}
		i.flush()
		ran := time.Since(began)
		if i.Oneshot && p.Exit() == (process.Exit{}) {
			i.Observe(Event{Kind: Finished, Took: ran})
			return true
		}
		if ran >= settled {
			attempt = 0
		}
		delay := s.Backoff.Delay(attempt)
		i.Observe(Event{Kind: Crashed, Exit: p.Exit(), Took: ran, Delay: delay})
		i.Ended(ctx)
		pause(ctx, delay)
	}
	return true
}

func (s *Supervisor) start(i *Instance) (*process.Process, error) {
	command := i.Command
	command.Stdout, command.Stderr = i.Stdout, i.Stderr
	return s.Starter.Start(command)
}

func (s *Supervisor) stop(ctx context.Context, i *Instance, p *process.Process, kill <-chan struct{}) (clean bool) {
	began := time.Now()
	killed := p.Stop(s.Grace, kill)
	i.flush()
	i.Observe(Event{Kind: Stopped, Exit: p.Exit(), Took: time.Since(began), Killed: killed})
	if p.Exit() != (process.Exit{}) {
		i.Ended(context.WithoutCancel(ctx))
	}
	return !killed
}

func (i *Instance) flush() {
	i.Stdout.Flush()
	i.Stderr.Flush()
}

func pause(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
