package consul

import (
	"slices"
	"time"

	"github.com/pandakit/panda/discovery"
)

// view is what is held to be true of one datacenter: its last answer, and for a time after a disruption the
// instances that were usable before it. It reads no clock: the time comes in.
type view struct {
	grace time.Duration

	reported bool // anything: an answer, or that there is none
	answer   []sighting
	before   []discovery.Instance // usable before the disruption, and not told to be ill since
	until    time.Time            // when before is given up; zero while it is empty

	instances []discovery.Instance // what is published
	err       error
	since     time.Time
}

// take accepts a report that arrives now.
func (v *view) take(r report, now time.Time) {
	v.reported = true
	if r.err != nil {
		v.err, v.since = r.err, r.since
		return
	}
	v.err, v.since = nil, time.Time{}
	if r.disrupted {
		v.remember(now)
	} else {
		v.expire(now)
	}
	v.answer = r.seen
	v.merge()
}

// remember keeps what is usable now until the grace has passed. What was kept already is published, so it
// is kept for a whole grace again.
func (v *view) remember(now time.Time) {
	v.before, v.until = nil, time.Time{}
	if v.grace <= 0 {
		return
	}
	for _, instance := range v.instances {
		if instance.Usable() {
			v.before = append(v.before, instance)
			v.until = now.Add(v.grace)
		}
	}
}

// merge publishes the answer, and in place of what it lacks the instances from before.
func (v *view) merge() {
	merged := make([]discovery.Instance, 0, len(v.answer)+len(v.before))
	var kept, held []discovery.Instance
	for _, instance := range v.before {
		switch latest, verdict := v.judge(instance); verdict {
		case missing:
			kept, held = append(kept, latest), append(held, latest)
		case well:
			kept = append(kept, latest)
		case replaced:
		}
	}
	for i := range v.answer {
		s := &v.answer[i].Instance
		if !slices.ContainsFunc(held, func(h discovery.Instance) bool { return same(&h, s) }) {
			merged = append(merged, *s)
		}
	}
	merged = append(merged, held...)
	slices.SortStableFunc(merged, func(a, b discovery.Instance) int { return compareInstances(&a, &b) })
	v.instances, v.before = merged, kept
	if len(kept) == 0 {
		v.until = time.Time{}
	}
}

// verdict is what an answer makes of an instance from before the disruption.
type verdict int

const (
	missing  verdict = iota // not told of, or only as one that could not renew its TTL: it counts as before
	well                    // told of as usable; what a registry loses it may lose a moment later, too
	replaced                // told to be ill, or to be somewhere else now: before counts no more
)

// judge returns the verdict and the instance in its latest usable form.
func (v *view) judge(before discovery.Instance) (latest discovery.Instance, _ verdict) {
	found := missing
	latest = before
	for i := range v.answer {
		s := &v.answer[i]
		switch {
		case !same(&before, &s.Instance):
		case s.ID == before.ID && s.Endpoint() == before.Endpoint() && s.Usable():
			return s.Instance, well
		case !s.overdue || s.Endpoint() != before.Endpoint():
			found = replaced
		}
	}
	return latest, found
}

// same reports whether both are one instance, or one has taken the other's place.
func same(a, b *discovery.Instance) bool { return a.ID == b.ID || a.Endpoint() == b.Endpoint() }

// expire takes the answer as it is once the grace has passed.
func (v *view) expire(now time.Time) {
	if v.until.IsZero() || v.err != nil || now.Before(v.until) {
		return
	}
	v.before, v.until = nil, time.Time{}
	v.merge()
}
