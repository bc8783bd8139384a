package ui

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// How long a live part waits for a change: less than what stands between a browser and an agent may cut off.
const (
	wait       = 50 * time.Second
	waitJitter = 5 * time.Second // more, at most, so that pages opened together do not come back together
)

// view returns the catalog for a page that shows what the marks are of, and the index for its next query. Where the
// request has ?index it waits until one of them has changed after that; not when the catalog has never reached that
// index: it is from another life of the agent.
func (r *request) view(marks func(catalog.View) []catalog.Mark) (catalog.View, uint64) {
	view := r.h.cfg.Catalog.View()
	now := marks(view)
	after, err := strconv.ParseUint(r.query.Get("index"), 10, 64)
	if err != nil || !r.fragment() || after == 0 || view.Index() < after {
		return view, latest(now)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait+rand.N(waitJitter)) //nolint:gosec // spreads load; nothing secret depends on it
	defer cancel()
	for latest(now) <= after && changed(ctx, now) {
		view = r.h.cfg.Catalog.View()
		now = marks(view)
	}
	return view, latest(now)
}

func latest(marks []catalog.Mark) uint64 {
	var index uint64
	for _, m := range marks {
		index = max(index, m.Index)
	}
	return index
}

// mostMarks is how many marks a page has at most.
const mostMarks = 3

// changed waits until one of the marks changes, and reports false when the time is over before.
func changed(ctx context.Context, marks []catalog.Mark) bool {
	var c [mostMarks]<-chan struct{} // one that is nil never fires
	for i, m := range marks[:min(len(marks), mostMarks)] {
		c[i] = m.Changed
	}
	select {
	case <-c[0]:
	case <-c[1]:
	case <-c[2]:
	case <-ctx.Done():
		return false
	}
	return true
}

// topics makes marks of topics that are known before.
func topics(all ...catalog.Topic) func(catalog.View) []catalog.Mark {
	return func(v catalog.View) []catalog.Mark {
		marks := make([]catalog.Mark, len(all))
		for i, t := range all {
			marks[i] = v.Mark(t)
		}
		return marks
	}
}
