package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
)

// minInterval is the least time between the starts of two queries of one watch. It bounds what a service
// that changes all the time costs; it never delays a change that comes after a pause.
const minInterval = 20 * time.Millisecond

// report is what one query of a datacenter has brought: an answer, or that no agent gives one.
type report struct {
	from      int // index of the feed
	seen      []sighting
	disrupted bool // since the answer before, the registry was away or has begun anew
	err       error
	since     time.Time // when err began
}

// feed asks again and again for one service in one datacenter. It belongs to one goroutine.
//
// It begins with a query that is answered at once, and then lets the registry hold each query back until
// something changes. After a failure it begins again, at the next agent. All agents are tried without
// delay once; then it waits, longer each time, before it tries them all again.
type feed struct {
	registry   *Registry
	service    string
	datacenter string
	distance   int

	at    int    // the agent in use
	index uint64 // of the last answer; 0 asks for an immediate one
	some  bool   // the last answer had instances

	failures  []*failure // of each agent since the last answer; nil where it was not asked
	since     time.Time  // when the first failure since the last answer began
	disrupted bool

	tries int // agents that may still be tried without delay
	waits int // delays in a row, for the backoff
}

func newFeed(r *Registry, service string, distance int) *feed {
	return &feed{
		registry:   r,
		service:    service,
		datacenter: r.datacenters[distance],
		distance:   distance,
		at:         int(r.preferred.Load()),
		failures:   make([]*failure, len(r.agents)),
		tries:      len(r.agents) - 1,
	}
}

// run sends reports until ctx is done.
func (f *feed) run(ctx context.Context, reports chan<- report) {
	for {
		r, tell, pause := f.next(ctx)
		if ctx.Err() != nil {
			return
		}
		if tell {
			select {
			case reports <- r:
			case <-ctx.Done():
				return
			}
		}
		if !rest(ctx, pause) {
			return
		}
	}
}

// next makes one query. It returns what there is to tell, if anything, and how long to wait after it.
func (f *feed) next(ctx context.Context) (r report, tell bool, pause time.Duration) {
	began, asked, known := time.Now(), f.index, f.index
	entries, index, err := f.query(ctx, false)
	if err == nil && len(entries) == 0 && f.some && asked > 0 {
		// An agent that follows the servers' stream does not tell "none" from "none that you may read"; asked anew, a server does.
		// The leader is not behind what the stream has told; without one, any other will do.
		f.index, asked = 0, 0
		if entries, index, err = f.query(ctx, true); err != nil {
			entries, index, err = f.query(ctx, false)
		}
	}
	if err != nil {
		pause = f.fail(began, asked > 0, err)
		if o := f.outage(); o != nil {
			return report{from: f.distance, err: o, since: f.since}, true, pause
		}
		return report{}, false, pause
	}
	f.recover()
	f.some = len(entries) > 0
	f.disrupted = f.disrupted || index < known
	r = report{from: f.distance, seen: readEntries(entries, f.distance), disrupted: f.disrupted}
	f.disrupted = false
	return r, true, f.advance(asked, index, time.Since(began))
}

type healthAnswer struct {
	entries []*api.ServiceEntry
	index   uint64
}

// query asks the agent in use: without waiting when no index is known, else until something changes.
func (f *feed) query(ctx context.Context, latest bool) ([]*api.ServiceEntry, uint64, *failure) {
	timeout := queryTimeout
	if f.index > 0 {
		// Consul adds up to a sixteenth, so that queries do not end in step.
		timeout = f.registry.wait + f.registry.wait/16 + 2*queryTimeout
	}
	answer, err := ask(ctx, f.registry.agents[f.at], timeout, func(ctx context.Context, a *agent) (healthAnswer, error) {
		entries, index, err := a.instances(ctx, f.service, f.datacenter, f.index, f.registry.wait, latest)
		// An index of 0 would make every query an immediate one.
		return healthAnswer{entries: entries, index: max(index, 1)}, err
	})
	return answer.entries, answer.index, err
}

// fail notes a failure, moves on to the next agent and returns how long to wait before it is asked. A held
// query that breaks does not count against its agent: a proxy between may have grown tired of it.
func (f *feed) fail(began time.Time, held bool, err *failure) (pause time.Duration) {
	if held && time.Since(began) >= f.registry.backoff.Max {
		f.waits, f.tries = 0, len(f.registry.agents)
	}
	if !f.disrupted {
		f.disrupted, f.since = true, began
		if held {
			f.since = time.Now() // until now it was well
		}
	}
	if !held {
		f.failures[f.at] = err
	}
	f.index = 0
	f.at = (f.at + 1) % len(f.registry.agents)
	if f.tries > 0 {
		f.tries--
		return 0
	}
	f.tries = len(f.registry.agents) - 1
	f.waits++
	return f.registry.backoff.Delay(f.waits - 1)
}

// outage returns why no agent answers, or nil while one of them has not been asked.
func (f *feed) outage() error {
	for _, failed := range f.failures {
		if failed == nil {
			return nil
		}
	}
	return outage(append([]*failure(nil), f.failures...))
}

func (f *feed) recover() {
	if f.disrupted {
		f.registry.prefer(f.at)
	}
	clear(f.failures)
}

// advance takes over the index of an answer and returns how long to wait before the next query: not at
// all, but where queries come back too soon or without need.
func (f *feed) advance(asked, index uint64, took time.Duration) (pause time.Duration) {
	switch {
	case asked == 0:
		f.index = index
		return minInterval - took
	case index < asked: // the registry has begun anew
		f.index = 0
	case index == asked && took < f.registry.wait/2: // it does not wait as asked
	default:
		f.index, f.waits, f.tries = index, 0, len(f.registry.agents)
		return minInterval - took
	}
	f.waits++
	return f.registry.backoff.Delay(f.waits - 1)
}
