package httpapi

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// How long a blocking query waits.
const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
	jitterShare = 16 // up to a sixteenth more, so that clients that asked together do not come back together
)

// blocking makes an endpoint of what reads a view. With ?index it answers once the topic has changed
// after that index, the wait is over, or the request's context is done: with what is known then.
func (h *Handler) blocking(topic func(*http.Request) catalog.Topic, read func(catalog.View, *http.Request) (any, error)) func(http.ResponseWriter, *http.Request) (any, error) {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		after, wait, err := waitFor(r)
		if err != nil {
			return nil, err
		}
		view, index := h.await(r, topic(r), after, wait)
		answer, err := read(view, r)
		if err != nil {
			return nil, err
		}
		meta(w, index, true)
		return answer, nil
	}
}

// whole is the topic of an endpoint that is about a whole table.
func whole(topic catalog.Topic) func(*http.Request) catalog.Topic {
	return func(*http.Request) catalog.Topic { return topic }
}

// named is the topic of an endpoint whose path ends in a name.
func named(topic func(string) catalog.Topic) func(*http.Request) catalog.Topic {
	return func(r *http.Request) catalog.Topic { return topic(r.PathValue("name")) }
}

// await returns a view in which the topic has changed after that index, or the last one when it did not
// in time. An index that this catalog has never reached is from another life of the agent: it is
// answered at once, since what changed in between cannot be known.
func (h *Handler) await(r *http.Request, topic catalog.Topic, after uint64, wait time.Duration) (catalog.View, uint64) {
	view := h.cfg.Catalog.View()
	mark := view.Mark(topic)
	if after == 0 || mark.Index > after || view.Index() < after {
		return view, mark.Index
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for mark.Index <= after {
		select {
		case <-mark.Changed:
		case <-timeout.C:
			return view, mark.Index
		case <-r.Context().Done():
			return view, mark.Index
		}
		view = h.cfg.Catalog.View()
		mark = view.Mark(topic)
	}
	return view, mark.Index
}

// waitFor reads ?index and ?wait, jitter included.
func waitFor(r *http.Request) (after uint64, wait time.Duration, err error) {
	query := r.URL.Query()
	if text := query.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			return 0, 0, &statusError{http.StatusBadRequest, "Invalid wait time"}
		}
	}
	if text := query.Get("index"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return 0, 0, &statusError{http.StatusBadRequest, "Invalid index"}
		}
	}
	if wait <= 0 {
		wait = defaultWait
	}
	wait = min(wait, maxWait)
	return after, wait + rand.N(wait/jitterShare+1), nil //nolint:gosec // spreads load; nothing secret depends on it
}
