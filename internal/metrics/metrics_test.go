package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc/codes"

	"github.com/pandakit/panda/internal/metrics"
)

// scrape reads the page with Prometheus's own parser.
func scrape(t testing.TB, r *metrics.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatalf("Prometheus's parser refuses the page: %v\n%s", err, w.Body)
	}
	return families
}

// find returns the metric of a family whose labels hold the given values.
func find(t testing.TB, families map[string]*dto.MetricFamily, name string, want map[string]string) *dto.Metric {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		matched := 0
		for _, l := range m.GetLabel() {
			if want[l.GetName()] == l.GetValue() {
				matched++
			}
		}
		if matched == len(want) {
			return m
		}
	}
	t.Fatalf("no metric %s with %v", name, want)
	return nil
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	r := metrics.NewRegistry()
	m := r.GRPC("unary", "shop.v1.Shop", "Buy")
	for range 3 {
		m.Started()
	}
	m.Handled(codes.OK, 300*time.Microsecond)
	m.Handled(codes.NotFound, 20*time.Second)
	m.Handled(codes.Code(99), time.Millisecond)
	if r.GRPC("unary", "shop.v1.Shop", "Buy") != m {
		t.Error("a method has two sets of counters")
	}
	families := scrape(t, r)
	labels := map[string]string{"grpc_type": "unary", "grpc_service": "shop.v1.Shop", "grpc_method": "Buy"}
	if n := find(t, families, "grpc_server_started_total", labels).GetCounter().GetValue(); n != 3 {
		t.Errorf("started %v, want 3", n)
	}
	for code, want := range map[string]float64{"OK": 1, "NotFound": 1, "Unknown": 1} {
		if n := find(t, families, "grpc_server_handled_total", map[string]string{"grpc_code": code}).GetCounter().GetValue(); n != want {
			t.Errorf("handled with %s: %v, want %v", code, n, want)
		}
	}
	h := find(t, families, "grpc_server_handling_seconds", labels).GetHistogram()
	if h.GetSampleCount() != 3 || h.GetSampleSum() < 20 || h.GetSampleSum() > 20.1 {
		t.Errorf("histogram has %d samples of %v s together, want 3 of 20.0013 s", h.GetSampleCount(), h.GetSampleSum())
	}
	for _, b := range h.GetBucket() {
		want := uint64(0)
		for _, sample := range []float64{0.0003, 20, 0.001} {
			if sample <= b.GetUpperBound() {
				want++
			}
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("bucket up to %v has %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
	}
}

func TestRPC(t *testing.T) {
	t.Parallel()
	r := metrics.NewRegistry()
	r.ObserveRPC("Panda.GetInfo", time.Millisecond, false)
	r.ObserveRPC("Panda.GetInfo", time.Millisecond, true)
	families := scrape(t, r)
	for _, result := range []string{"ok", "error"} {
		want := map[string]string{"rpc_method": "Panda.GetInfo", "result": result}
		if n := find(t, families, "rpc_server_handled_total", want).GetCounter().GetValue(); n != 1 {
			t.Errorf("%v: %v, want 1", want, n)
		}
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	r := metrics.NewRegistry()
	serve := func(method string, handler http.HandlerFunc) {
		defer func() { _ = recover() }()
		r.HTTP("GET /{x}", handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", http.NoBody))
	}
	serve(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "implied 200") })
	serve(http.MethodPost, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	serve("BREW", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	})
	serve(http.MethodDelete, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "said already")
		w.WriteHeader(http.StatusTeapot)
	})
	serve(http.MethodPut, func(http.ResponseWriter, *http.Request) { panic("at the disco") })
	families := scrape(t, r)
	for method, code := range map[string]string{"GET": "200", "POST": "418", "OTHER": "204", "DELETE": "200", "PUT": "500"} {
		want := map[string]string{"handler": "GET /{x}", "method": method, "code": code}
		if n := find(t, families, "http_requests_total", want).GetCounter().GetValue(); n != 1 {
			t.Errorf("%v: %v, want 1", want, n)
		}
	}
	if n := find(t, families, "http_requests_in_flight", nil).GetGauge().GetValue(); n != 0 {
		t.Errorf("%v requests in flight after all have ended", n)
	}
}

func TestResponsesKeepTheirAbilities(t *testing.T) {
	t.Parallel()
	var seen []string
	server := httptest.NewServer(metrics.NewRegistry().HTTP("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			seen = append(seen, err.Error())
			return
		}
		conn.Close()
	})))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err == nil {
		response.Body.Close()
	}
	if len(seen) > 0 {
		t.Errorf("hijacking failed: %v", seen)
	}
}

func TestRuntimeAndProcess(t *testing.T) {
	t.Parallel()
	families := scrape(t, metrics.NewRegistry())
	for _, name := range []string{"go_goroutines", "go_memstats_alloc_bytes_total", "go_info"} {
		if len(families[name].GetMetric()) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	if started := families["process_start_time_seconds"]; started != nil {
		age := time.Since(time.Unix(int64(started.GetMetric()[0].GetGauge().GetValue()), 0))
		if age < -2*time.Second || age > 24*time.Hour {
			t.Errorf("the process started %v ago", age)
		}
	}
}

func TestCountingCostsNoAllocation(t *testing.T) {
	m := metrics.NewRegistry().GRPC("unary", "s", "m")
	if n := testing.AllocsPerRun(100, func() { m.Started(); m.Handled(codes.OK, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}

func FuzzLabels(f *testing.F) {
	f.Add("GET /", "a\"b\\c\nd")
	f.Add("\xff\x00", "")
	f.Fuzz(func(t *testing.T, pattern, method string) {
		r := metrics.NewRegistry()
		r.HTTP(pattern, http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), &http.Request{Method: method})
		r.GRPC("unary", pattern, method).Started()
		r.ObserveRPC(method, 1, false)
		scrape(t, r)
	})
}
