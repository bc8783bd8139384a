package consul

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/internal/limits"
)

// patience is how long the first snapshot waits for datacenters other than the nearest.
const patience = time.Second

// Watch implements [discovery.Registry]. It asks for instances in every status, so that a caller can tell
// why none is usable, and takes the answer of any server, so that it works while the cluster has no leader.
//
// When an agent fails the next one is asked at once; only when none answers is that told, beside the last
// known instances. After any such failure, or when the registry's index went backwards, the registry may
// have lost its state while all instances live. For Config.RestartGrace its answers are then joined with
// the instances that were usable before: one stays as it was until the registry tells of it again, in any
// state but a TTL that could not be renewed meanwhile. When the grace ends the answer counts as it is, so
// an instance that died in the outage is told for that long after it.
//
// An error other than ctx's is returned only for a name that no service can have.
func (r *Registry) Watch(ctx context.Context, service string, update func(discovery.Snapshot)) error {
	if reason := limits.Name(service); reason != "" {
		return fmt.Errorf("watch service %q: %s", service, reason)
	}
	r.begin()
	defer r.end()
	ctx, cancel := context.WithCancel(ctx)
	var feeds sync.WaitGroup
	defer feeds.Wait()
	defer cancel()

	w := &watch{registry: r, service: service, update: update, reports: make(chan report)}
	for distance := range r.datacenters {
		w.views = append(w.views, &view{grace: r.grace})
		f := newFeed(r, service, distance)
		feeds.Go(func() { f.run(ctx, w.reports) })
	}
	return w.run(ctx)
}

// watch joins the datacenters' views into snapshots and tells each new one.
type watch struct {
	registry *Registry
	service  string
	update   func(discovery.Snapshot)
	reports  chan report

	views  []*view // by distance
	opened time.Time
	told   *discovery.Snapshot // the last one; nil before the first
}

func (w *watch) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	w.opened = time.Now()
	for {
		if due, some := w.due(); some {
			timer.Reset(time.Until(due))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the contract
		case r := <-w.reports:
			w.note(ctx, r)
			w.views[r.from].take(r, time.Now())
		case <-timer.C:
			for _, v := range w.views {
				v.expire(time.Now())
			}
		}
		if ctx.Err() == nil && w.complete(time.Now()) {
			w.tell()
		}
	}
}

// due returns when something happens without a report: a grace ends, or the patience.
func (w *watch) due() (due time.Time, some bool) {
	earliest := func(t time.Time) {
		if !some || t.Before(due) {
			due, some = t, true
		}
	}
	for _, v := range w.views {
		if !v.until.IsZero() && v.err == nil {
			earliest(v.until)
		}
	}
	if w.told == nil && w.views[0].reported {
		earliest(w.opened.Add(patience))
	}
	return due, some
}

// complete reports whether there is a full set to tell.
func (w *watch) complete(now time.Time) bool {
	if w.told != nil {
		return true
	}
	all := true
	for _, v := range w.views {
		all = all && v.reported
	}
	return all || w.views[0].reported && !now.Before(w.opened.Add(patience))
}

// tell calls update with the present state unless it has been told.
func (w *watch) tell() {
	nearest := w.views[0]
	snapshot := discovery.Snapshot{Service: w.service, Registry: w.registry.name, Err: nearest.err, Since: nearest.since}
	for _, v := range w.views {
		snapshot.Instances = append(snapshot.Instances, v.instances...)
	}
	if w.told != nil && w.told.Equal(&snapshot) {
		return
	}
	w.told = &snapshot
	w.update(snapshot)
}

// note logs what no snapshot tells: that a farther datacenter does not answer, once for each time.
func (w *watch) note(ctx context.Context, r report) {
	if r.from > 0 && r.err != nil && w.views[r.from].err == nil {
		w.registry.log.WarnContext(ctx, "a datacenter does not answer; its last known instances stay",
			"service", w.service, "datacenter", w.registry.datacenters[r.from], "error", r.err)
	}
}
