package consul

import (
	"slices"
	"time"

	"github.com/pandakit/panda/discovery"
)

// view is what is held to be true of one datacenter: its last answer, and for a time the usable instances
// that a registry has forgotten in a disruption. It reads no clock: the time comes in.
type view struct {
	grace time.Duration

	reported bool // anything: an answer, or that there is none
	answer   []sighting
	held     []discovery.Instance // usable before the disruption, and not in the answer since
	until    time.Time            // when held is given up; zero while nothing is held

	instances []discovery.Instance // what is published: answer and held
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
		v.hold(now) // what was held already is held for a whole grace again
	} else {
		v.expire(now)
	}
	v.answer = r.seen
	v.release()
	v.merge()
}

// hold keeps what is usable now until the grace has passed.
func (v *view) hold(now time.Time) {
	v.held = v.held[:0:0]
	for _, instance := range v.instances {
		if v.grace > 0 && instance.Usable() {
			v.held = append(v.held, instance)
		}
	}
	v.until = now.Add(v.grace)
}

// release lets go of the held instances that the answer tells of. One whose TTL ran out stays held:
// while the registry was away it could not renew it.
func (v *view) release() {
	v.held = slices.DeleteFunc(v.held, func(held discovery.Instance) bool {
		return slices.ContainsFunc(v.answer, func(s sighting) bool { return same(&held, &s.Instance) && !s.overdue })
	})
	if len(v.held) == 0 {
		v.until = time.Time{}
	}
}

// same reports whether both are one instance, or one has taken the other's place.
func same(a, b *discovery.Instance) bool { return a.ID == b.ID || a.Endpoint() == b.Endpoint() }

func (v *view) merge() {
	merged := make([]discovery.Instance, 0, len(v.answer)+len(v.held))
	for i := range v.answer {
		s := &v.answer[i].Instance
		if !slices.ContainsFunc(v.held, func(held discovery.Instance) bool { return same(&held, s) }) {
			merged = append(merged, *s)
		}
	}
	merged = append(merged, v.held...)
	slices.SortStableFunc(merged, func(a, b discovery.Instance) int { return compareInstances(&a, &b) })
	v.instances = merged
}

// expire takes the answer as it is once the grace has passed, and reports whether it has just done so.
func (v *view) expire(now time.Time) bool {
	if v.until.IsZero() || v.err != nil || now.Before(v.until) {
		return false
	}
	v.held, v.until = nil, time.Time{}
	v.merge()
	return true
}
