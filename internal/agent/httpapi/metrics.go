package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// interval is what metrics are summed up over.
const interval = 10 * time.Second

// meter counts requests. An interval is told once it is over; before the first is, it is told as it is.
type meter struct {
	mu      sync.Mutex
	began   time.Time // of now
	now     map[sampled]*sample
	last    map[sampled]*sample
	forever map[sampled]*sample // for Prometheus
}

// sampled is what requests are told apart by: known methods and the patterns of paths, so that there are few.
type sampled struct{ method, path string }

// sample sums up durations in milliseconds.
type sample struct {
	count                   int
	sum, squares, low, high float64
}

func newMeter() *meter {
	return &meter{began: time.Now(), now: map[sampled]*sample{}, forever: map[sampled]*sample{}}
}

func (m *meter) observe(method, path string, took time.Duration) {
	if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"}, method) {
		method = "other"
	}
	key := sampled{method, path}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	milliseconds := float64(took) / float64(time.Millisecond)
	add(m.now, key, milliseconds)
	add(m.forever, key, milliseconds)
}

func add(to map[sampled]*sample, key sampled, value float64) {
	s := to[key]
	if s == nil {
		s = &sample{low: math.Inf(1)}
		to[key] = s
	}
	s.count++
	s.sum += value
	s.squares += value * value
	s.low, s.high = min(s.low, value), max(s.high, value)
}

// turn begins a new interval when the one under way is over. It must be called with mu held.
func (m *meter) turn() {
	past := time.Since(m.began)
	if past < interval {
		return
	}
	m.last = m.now
	if past >= 2*interval { // nothing happened in the interval that ended last
		m.last = map[sampled]*sample{}
	}
	m.now = map[sampled]*sample{}
	m.began = m.began.Add(past.Truncate(interval))
}

// summary returns the interval that ended last, or the first while there is no other.
func (m *meter) summary() (began time.Time, samples []consulwire.MetricSample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	from := m.last
	began = m.began.Add(-interval)
	if from == nil {
		from, began = m.now, m.began
	}
	for _, key := range sorted(from) {
		s := from[key]
		mean := s.sum / float64(s.count)
		samples = append(samples, consulwire.MetricSample{
			Name: "consul.api.http", Count: s.count, Rate: s.sum / interval.Seconds(), Sum: s.sum, Min: s.low, Max: s.high,
			Mean: mean, Stddev: math.Sqrt(max(s.squares/float64(s.count)-mean*mean, 0)),
			Labels: map[string]string{"method": key.method, "path": label(key.path)},
		})
	}
	return began, samples
}

func sorted(samples map[sampled]*sample) []sampled {
	keys := make([]sampled, 0, len(samples))
	for key := range samples {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b sampled) int {
		return strings.Compare(a.path+" "+a.method, b.path+" "+b.method)
	})
	return keys
}

// label returns a pattern as Consul writes it: "v1_kv_" for "/v1/kv/{key...}".
func label(pattern string) string {
	path, _, _ := strings.Cut(pattern, "{")
	return strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "_")
}

// gauges are the values of now.
func (h *Handler) gauges() []consulwire.MetricGauge {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	view := h.cfg.Catalog.View()
	services := view.Services()
	instances := 0
	for name := range services {
		instances += len(view.Instances(name))
	}
	var gauges []consulwire.MetricGauge
	for _, g := range []struct {
		name  string
		value float64
	}{
		{"consul.autopilot.failure_tolerance", 0},
		{"consul.autopilot.healthy", 1},
		{"consul.consul.state.nodes", float64(len(view.Nodes()))},
		{"consul.consul.state.service_instances", float64(instances)},
		{"consul.consul.state.services", float64(len(services))},
		{"consul.runtime.alloc_bytes", float64(memory.Alloc)},
		{"consul.runtime.free_count", float64(memory.Frees)},
		{"consul.runtime.heap_objects", float64(memory.HeapObjects)},
		{"consul.runtime.malloc_count", float64(memory.Mallocs)},
		{"consul.runtime.num_goroutines", float64(runtime.NumGoroutine())},
		{"consul.runtime.sys_bytes", float64(memory.Sys)},
		{"consul.runtime.total_gc_pause_ns", float64(memory.PauseTotalNs)},
		{"consul.runtime.total_gc_runs", float64(memory.NumGC)},
		{"consul.server.isLeader", 1},
	} {
		gauges = append(gauges, consulwire.MetricGauge{Name: g.name, Value: g.value, Labels: map[string]string{}})
	}
	return gauges
}

func (h *Handler) summary() *consulwire.MetricSummary {
	began, samples := h.meter.summary()
	return &consulwire.MetricSummary{
		Timestamp: began.UTC().Truncate(time.Second).Format("2006-01-02 15:04:05 -0700 MST"),
		Gauges:    h.gauges(), Points: []struct{}{}, Counters: []consulwire.MetricSample{}, Samples: list(samples),
	}
}

// metrics answers as JSON, or as Prometheus reads it.
func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.URL.Query().Get("format") != "prometheus" && !wantsPrometheus(r.Header.Get("Accept")) {
		return h.summary(), nil
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	writeBody(w, http.StatusOK, h.prometheus())
	return written, nil
}

func wantsPrometheus(accept string) bool {
	for kind := range strings.SplitSeq(strings.ToLower(accept), ",") {
		name, parameters, _ := strings.Cut(kind, ";")
		name = strings.TrimSpace(name)
		if name == "application/openmetrics-text" || name == "text/plain" && strings.HasPrefix(strings.TrimSpace(parameters), "version=0.") {
			return true
		}
	}
	return false
}

func (h *Handler) prometheus() []byte {
	var b bytes.Buffer
	for _, g := range h.gauges() {
		name := strings.NewReplacer(".", "_", "-", "_").Replace(g.Name)
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %g\n", name, name, name, name, g.Value)
	}
	const requests = "consul_api_http"
	fmt.Fprintf(&b, "# HELP %s Samples how long it takes to service the given HTTP request for the given verb and path.\n# TYPE %s summary\n", requests, requests)
	h.meter.mu.Lock()
	defer h.meter.mu.Unlock()
	for _, key := range sorted(h.meter.forever) {
		s, labels := h.meter.forever[key], fmt.Sprintf("{method=%q,path=%q}", key.method, label(key.path))
		fmt.Fprintf(&b, "%s_sum%s %g\n%s_count%s %d\n", requests, labels, s.sum, requests, labels, s.count)
	}
	return b.Bytes()
}

// metricsStream writes a summary at the end of each interval until the client is gone.
func (h *Handler) metricsStream(w http.ResponseWriter, r *http.Request) (any, error) {
	controller := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if err := controller.Flush(); err != nil {
		return written, nil
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "    ")
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-r.Context().Done():
			return written, nil
		case <-ticks.C:
		}
		_ = controller.SetWriteDeadline(time.Now().Add(streamTimeout))
		if err := encoder.Encode(h.summary()); err != nil || controller.Flush() != nil {
			return written, nil
		}
	}
}
