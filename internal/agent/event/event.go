// Package event keeps the latest user events of the agent, which programs fire and others wait for.
//
// It keeps the last [Kept] of them in memory and nothing else: an event is a signal, not a record. It runs no
// handler and sends nothing over the network.
package event

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pandakit/panda/internal/consulwire"
)

// Kept is how many events are kept.
const Kept = 256

// mostBytes bounds an event's name, payload and filters together.
const mostBytes = 440

// Validate refuses an event that can never be fired.
func Validate(e *consulwire.UserEvent) error {
	if e.TagFilter != "" && e.ServiceFilter == "" {
		return errors.New("Cannot provide tag filter without service filter") //nolint:staticcheck // Consul's text
	}
	for _, filter := range []struct{ of, pattern string }{
		{"node", e.NodeFilter}, {"service", e.ServiceFilter}, {"tag", e.TagFilter},
	} {
		if _, err := regexp.Compile(filter.pattern); err != nil {
			return fmt.Errorf("Invalid %s filter: %w", filter.of, err) //nolint:staticcheck // Consul's text
		}
	}
	if len(e.Name)+len(e.Payload)+len(e.NodeFilter)+len(e.ServiceFilter)+len(e.TagFilter) > mostBytes {
		return errors.New("error broadcasting event: user event exceeds configured limit of 512 bytes before encoding")
	}
	return nil
}

// Concerns reports whether an event that Validate has let pass is meant for a node with these services and their
// tags.
func Concerns(e *consulwire.UserEvent, node string, services map[string][]string) bool {
	if !match(e.NodeFilter, node) {
		return false
	}
	if e.ServiceFilter == "" {
		return true
	}
	tagged := func(tag string) bool { return match(e.TagFilter, tag) }
	for name, tags := range services {
		if match(e.ServiceFilter, name) && (e.TagFilter == "" || slices.ContainsFunc(tags, tagged)) {
			return true
		}
	}
	return false
}

func match(pattern, text string) bool {
	expression, err := regexp.Compile(pattern)
	return err == nil && expression.MatchString(text)
}

// Ring holds the latest events. Its methods may be called from several goroutines at once.
type Ring struct {
	mu      sync.Mutex
	events  []*consulwire.UserEvent
	clock   uint64
	changed chan struct{}
}

// NewRing returns an empty ring.
func NewRing() *Ring {
	return &Ring{clock: 1, changed: make(chan struct{})} // Consul's first event has the time 2
}

// Fire gives the event its time and keeps it when that is asked for: one that concerns others only moves the clock.
func (r *Ring) Fire(e consulwire.UserEvent, keep bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock++
	if !keep {
		return
	}
	e.LTime = r.clock
	r.events = append(r.events, &e)
	if len(r.events) > Kept {
		r.events = slices.Delete(r.events, 0, len(r.events)-Kept)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Latest returns the events of that name, or all when it is empty, oldest first, and a channel that is closed once
// another event is kept. The events are shared and must not be changed.
func (r *Ring) Latest(name string) (events []*consulwire.UserEvent, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events = []*consulwire.UserEvent{}
	for _, e := range r.events {
		if name == "" || e.Name == name {
			events = append(events, e)
		}
	}
	return events, r.changed
}

// Index returns the index of a list: made of the last event's ID, a UUID. It identifies the event and does not
// rise. That of an empty list is 1.
func Index(events []*consulwire.UserEvent) uint64 {
	if len(events) == 0 {
		return 1
	}
	digits := strings.ReplaceAll(events[len(events)-1].ID, "-", "")
	const half = 16
	if len(digits) != 2*half {
		return 1
	}
	low, errLow := strconv.ParseUint(digits[:half], 16, 64)
	high, errHigh := strconv.ParseUint(digits[half:], 16, 64)
	if errLow != nil || errHigh != nil {
		return 1
	}
	return low ^ high
}
