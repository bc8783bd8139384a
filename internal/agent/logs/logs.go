// Package logs passes what the agent logs on to those who watch it, as `consul monitor` does.
//
// A watcher that reads too slowly loses lines and is told how many; the agent never waits for one. Nothing is kept
// for a watcher that comes later, and without watchers nothing is formatted.
package logs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
)

// buffered is how many lines wait for one watcher.
const buffered = 512

// Hub takes records and hands them to watchers. Its methods may be called from several goroutines at once. Make a
// logger of it with [Hub.Handler], beside the one that writes: slog.NewMultiHandler joins them.
type Hub struct {
	mu       sync.RWMutex
	watchers map[*Watcher]struct{}
	lowest   atomic.Int64 // the lowest level that a watcher wants
}

// nobody is above every level.
const nobody = int64(1) << 32

// NewHub returns a hub without watchers.
func NewHub() *Hub {
	h := &Hub{watchers: make(map[*Watcher]struct{})}
	h.lowest.Store(nobody)
	return h
}

// Watch returns a watcher of records of that level and above, as JSON when that is asked for. Close ends it.
func (h *Hub) Watch(level slog.Level, asJSON bool) *Watcher {
	w := &Watcher{hub: h, level: level, json: asJSON, lines: make(chan []byte, buffered)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[w] = struct{}{}
	h.update()
	return w
}

// update must be called with mu held.
func (h *Hub) update() {
	lowest := nobody
	for w := range h.watchers {
		lowest = min(lowest, int64(w.level))
	}
	h.lowest.Store(lowest)
}

// Watcher receives lines.
type Watcher struct {
	hub     *Hub
	level   slog.Level
	json    bool
	lines   chan []byte
	dropped atomic.Uint64
}

// Lines are what was logged, each with its newline. The channel is never closed.
func (w *Watcher) Lines() <-chan []byte { return w.lines }

// Close ends the watcher and returns how many lines it lost.
func (w *Watcher) Close() (dropped uint64) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.watchers, w)
	w.hub.update()
	return w.dropped.Load()
}

func (w *Watcher) offer(line []byte) {
	select {
	case w.lines <- line:
	default:
		w.dropped.Add(1)
	}
}

// Handler returns the hub as the handler of a logger.
func (h *Hub) Handler() slog.Handler { return &handler{hub: h} }

type handler struct {
	hub    *Hub
	attrs  []slog.Attr // with their groups in their keys
	prefix string      // of later keys: "group."
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return int64(level) >= h.hub.lowest.Load()
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	h.hub.mu.RLock()
	defer h.hub.mu.RUnlock()
	var text, object []byte
	for w := range h.hub.watchers {
		switch {
		case r.Level < w.level:
		case w.json:
			if object == nil {
				object = asJSON(&r, h.all(&r))
			}
			w.offer(object)
		default:
			if text == nil {
				text = asText(&r, h.all(&r))
			}
			w.offer(text)
		}
	}
	return nil
}

// all returns the attributes of the logger and the record, flat.
func (h *handler) all(r *slog.Record) []slog.Attr {
	flat := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		flat = flatten(flat, h.prefix, a)
		return true
	})
	return flat
}

func flatten(into []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	value := a.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		if a.Key == "" {
			return into
		}
		return append(into, slog.Attr{Key: prefix + a.Key, Value: value})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, inner := range value.Group() {
		into = flatten(into, prefix, inner)
	}
	return into
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := &handler{hub: h.hub, prefix: h.prefix, attrs: slices.Clone(h.attrs)}
	for _, a := range attrs {
		own.attrs = flatten(own.attrs, h.prefix, a)
	}
	return own
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{hub: h.hub, prefix: h.prefix + name + ".", attrs: h.attrs}
}
