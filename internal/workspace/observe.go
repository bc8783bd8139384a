package workspace

import (
	"context"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

// processChanged takes note of what became of an instance's process.
func (r *runner) processChanged(i *instance, e supervise.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	event := Event{Label: i.label, Exit: e.Exit, Took: e.Took, Delay: e.Delay, Killed: e.Killed, Err: e.Err}
	if e.Kind != supervise.Started {
		i.began, i.passing, i.stale = time.Time{}, false, i.seen.Registration
	}
	switch e.Kind {
	case supervise.Started:
		i.began, i.told = time.Now(), nil
		if i.service.Registry != "" || i.service.Oneshot {
			return // it is ready later
		}
		event.Kind, i.over = Started, true
	case supervise.Crashed:
		event.Kind = Crashed
	case supervise.Unstarted:
		event.Kind = Unstarted
	case supervise.Finished:
		event.Kind, i.over, i.finished = Finished, true, true
	case supervise.Stopped:
		event.Kind, i.killed = Stopped, e.Killed
	}
	r.Observe(event)
	r.advance()
}

// healthChanged compares what the registry says with what it said before.
func (r *runner) healthChanged(state health.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return
	}
	if state.Err != nil {
		r.away = state.Since
		r.Observe(Event{Kind: RegistryAway, Err: state.Err})
		return
	}
	if !r.away.IsZero() {
		r.Observe(Event{Kind: RegistryBack, Took: time.Since(r.away)})
		r.away = time.Time{}
	}
	for _, s := range r.services {
		for _, i := range s.instances {
			r.instanceChanged(i, state.Instances[i.id])
		}
	}
	r.advance()
}

func (r *runner) instanceChanged(i *instance, now health.Instance) {
	i.seen = now
	if now.Registration != i.stale {
		i.stale = 0
	}
	if i.began.IsZero() || i.stale != 0 {
		return // there is no process, or this is what the last one has left
	}
	passing := now.Status == discovery.Passing
	if passing == i.passing {
		return
	}
	i.passing = passing
	event := Event{Kind: Failing, Label: i.label, Status: string(now.Status), Output: strings.TrimSpace(now.Output)}
	if passing {
		i.over = true
		event = Event{Kind: Passing, Label: i.label, Address: now.Address, Took: time.Since(i.began)}
	}
	i.told = &event
	r.Observe(event)
}

// noticeSlow tells of each process that it is still not passing after the workspace's patience, and again
// when there is another reason.
func (r *runner) noticeSlow(ctx context.Context) {
	ticker := time.NewTicker(max(r.Patience/10, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.tellSlow()
		}
	}
}

func (r *runner) tellSlow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.services {
		if s.Registry == "" || s.Oneshot || !r.away.IsZero() {
			continue
		}
		for _, i := range s.instances {
			if i.began.IsZero() || i.passing || time.Since(i.began) < r.Patience {
				continue
			}
			event := Event{Kind: Slow, Label: i.label, Took: time.Since(i.began)}
			if i.stale == 0 {
				event.Status, event.Output = string(i.seen.Status), strings.TrimSpace(i.seen.Output)
			}
			if i.told.same(event) {
				continue
			}
			i.told = &event
			r.Observe(event)
		}
	}
}

// same reports whether e would tell nothing new: outputs that change, as a count of seconds does, are not told each.
func (told *Event) same(e Event) bool {
	return told != nil && told.Status == e.Status && (told.Output == "") == (e.Output == "")
}
