package workspace

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

// processChanged takes note of what became of an instance's process.
func (r *Runner) processChanged(i *instance, e supervise.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind != supervise.Started {
		i.began, i.passing, i.stale = time.Time{}, false, i.seen.Registration
	}
	switch i.role {
	case candidate:
		r.candidateChanged(i, e)
	case leaving:
		if e.Kind != supervise.Started && (e.Killed || e.Exit != (process.Exit{})) && !r.stopping {
			r.Observe(Event{Kind: Retired, Label: i.label, Exit: e.Exit, Took: e.Took, Killed: e.Killed})
		}
	case serving, stopping:
		r.memberChanged(i, e)
	}
	if e.Kind == supervise.Stopped {
		i.killed = e.Killed
	}
	if e.Kind == supervise.Stopped && e.Killed && r.stopping {
		r.killed = append(r.killed, i.label)
	}
	r.advance()
}

// candidateChanged lets an instance that is to take over fail once.
func (r *Runner) candidateChanged(i *instance, e supervise.Event) {
	switch e.Kind {
	case supervise.Started:
		i.began, i.pid = time.Now(), e.PID
	case supervise.Unstarted:
		i.decide(e.Err)
		i.stop()
	case supervise.Crashed, supervise.Finished, supervise.Stopped:
		i.decide(fmt.Errorf("it ended with %s after %v", e.Exit, e.Took.Round(time.Millisecond)))
		i.stop()
	}
}

func (r *Runner) memberChanged(i *instance, e supervise.Event) {
	event := Event{Label: i.label, Exit: e.Exit, Took: e.Took, Delay: e.Delay, Killed: e.Killed, Err: e.Err}
	switch e.Kind {
	case supervise.Started:
		i.began, i.told, i.pid = time.Now(), nil, e.PID
		if i.service.Registry != "" || i.service.Oneshot {
			return // it is ready later
		}
		event.Kind, i.over = Started, true
		i.decide(nil)
	case supervise.Crashed:
		event.Kind = Crashed
	case supervise.Unstarted:
		event.Kind = Unstarted
	case supervise.Finished:
		event.Kind, i.over, i.finished = Finished, true, true
		i.decide(nil)
	case supervise.Stopped:
		event.Kind = Stopped
	}
	r.Observe(event)
}

// follows reports whether an instance is of interest: ours, or under the name of one of our services.
func (r *Runner) follows(id, service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.instances[id] != nil {
		return true
	}
	for _, s := range r.services {
		if s.Registry != "" && s.Registry == service {
			return true
		}
	}
	return false
}

// healthChanged compares what the registry says with what it said before.
func (r *Runner) healthChanged(state health.State) {
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
	for _, i := range r.instances {
		if i.role == candidate {
			r.instanceChanged(i, state.Instances[i.id])
		}
	}
	r.foreignChanged(state.Instances)
	r.advance()
}

// foreignChanged wakes those who wait for an instance that was started elsewhere.
func (r *Runner) foreignChanged(known map[string]health.Instance) {
	foreign := maps.Clone(known)
	maps.DeleteFunc(foreign, func(id string, _ health.Instance) bool { return r.ours(id) })
	if !maps.Equal(foreign, r.foreign) {
		r.foreign = foreign
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// ours reports whether an ID is that of an instance of this workspace, now or before.
func (r *Runner) ours(id string) bool { return r.instances[id] != nil || r.service(nameOf(id)) != nil }

func (r *Runner) instanceChanged(i *instance, now health.Instance) {
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
	i.over = i.over || passing
	if passing {
		i.decide(nil)
	}
	if i.role != serving {
		return
	}
	event := Event{Kind: Failing, Label: i.label, Status: string(now.Status), Output: strings.TrimSpace(now.Output)}
	if passing {
		event = Event{Kind: Passing, Label: i.label, Address: now.Address, Took: time.Since(i.began)}
	}
	i.told = &event
	r.Observe(event)
}

// noticeSlow tells of each process that it is still not passing after the workspace's patience, and again
// when there is another reason.
func (r *Runner) noticeSlow(ctx context.Context) {
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

func (r *Runner) tellSlow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.services {
		if s.Registry == "" || s.Oneshot || !r.away.IsZero() {
			continue
		}
		for _, i := range s.instances {
			if i.began.IsZero() || i.passing || i.role != serving || time.Since(i.began) < r.Patience {
				continue
			}
			event := i.slow()
			if i.told.same(event) {
				continue
			}
			i.told = &event
			r.Observe(event)
		}
	}
}

// slow says why a process is not passing.
func (i *instance) slow() Event {
	event := Event{Kind: Slow, Label: i.label, Took: time.Since(i.began)}
	if i.stale == 0 {
		event.Status, event.Output = string(i.seen.Status), strings.TrimSpace(i.seen.Output)
	}
	return event
}

// same reports whether e would tell nothing new: outputs that change, as a count of seconds does, are not told each.
func (told *Event) same(e Event) bool {
	return told != nil && told.Status == e.Status && (told.Output == "") == (e.Output == "")
}
