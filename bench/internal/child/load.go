package child

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pandakit/panda/bench/internal/statistics"
)

// Call makes one unary call and returns what was answered. It may be used by several callers at once.
type Call func(ctx context.Context, name string) (string, error)

// The bounds of a load, and how long its last calls may take.
const (
	maxCallers = 10_000
	maxFor     = time.Minute
	maxCalls   = 1_000_000_000
	lastCalls  = 10 * time.Second
)

func (l Load) validate() error {
	switch {
	case l.Callers < 1 || l.Callers > maxCallers:
		return fmt.Errorf("load: %d callers, want 1 to %d", l.Callers, maxCallers)
	case l.For <= 0 || l.For > maxFor:
		return fmt.Errorf("load: for %v, want over 0 and at most %v", l.For, maxFor)
	case l.MaxCalls < 1 || l.MaxCalls > maxCalls:
		return fmt.Errorf("load: at most %d calls, want 1 to %d", l.MaxCalls, maxCalls)
	}
	return nil
}

// run makes the load's calls, the callers taking turns at the calls given, and waits until the last has
// returned. One failed call ends the load: what is measured beside failures means nothing.
func (l Load) run(calls []Call) (Done, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	overdue := time.AfterFunc(l.For+lastCalls, func() { cancel(fmt.Errorf("calls still open %v after the load", lastCalls)) })
	defer overdue.Stop()

	callers := make([]*caller, l.Callers)
	for i := range callers {
		callers[i] = &caller{call: calls[i%len(calls)], quota: l.MaxCalls / l.Callers}
		if i < l.MaxCalls%l.Callers {
			callers[i].quota++
		}
	}
	var running sync.WaitGroup
	began := time.Now()
	deadline := began.Add(l.For)
	for _, c := range callers {
		running.Go(func() {
			if err := c.loop(ctx, deadline); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return Done{}, err
	}
	return sum(callers, min(time.Since(began), l.For)), nil
}

func sum(callers []*caller, elapsed time.Duration) Done {
	done := Done{Elapsed: elapsed}
	var latency statistics.Histogram
	for _, c := range callers {
		latency.Add(&c.latency)
		done.InTime += c.inTime
	}
	done.Calls = latency.Count()
	done.P50, done.P99 = latency.Quantile(0.5), latency.Quantile(0.99)
	return done
}

type caller struct {
	call    Call
	quota   int
	inTime  uint64
	latency statistics.Histogram
}

// loop reads the clock once a call: the end of one is the start of the next.
func (c *caller) loop(ctx context.Context, deadline time.Time) error {
	began := time.Now()
	for range c.quota {
		answer, err := c.call(ctx, Greeting)
		if err != nil {
			return err
		}
		if answer != Greeting {
			return fmt.Errorf("call: answer %q, want %q", answer, Greeting)
		}
		now := time.Now()
		c.latency.Record(now.Sub(began))
		if now.After(deadline) {
			return nil
		}
		c.inTime++
		began = now
	}
	return nil
}
