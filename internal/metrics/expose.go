package metrics

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// Handler serves the metrics of the registry, of the Go runtime and, on Linux, of the process.
func (r *Registry) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var p page
		r.writeGRPC(&p)
		r.writeRPC(&p)
		r.writeHTTP(&p)
		writeRuntime(&p)
		writeProcess(&p)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(p.Bytes()) // a reader that went away is no concern of ours
	})
}

// page is an exposition under construction.
type page struct{ bytes.Buffer }

func (p *page) family(name, kind, help string) {
	p.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

func (p *page) sample(name, labels, value string) {
	p.WriteString(name)
	if labels != "" {
		p.WriteString("{" + labels + "}")
	}
	p.WriteString(" " + value + "\n")
}

func (p *page) count(name, labels string, n uint64) {
	p.sample(name, labels, strconv.FormatUint(n, 10))
}

// single writes a family of one sample.
func (p *page) single(name, kind, help string, value float64) {
	p.family(name, kind, help)
	p.sample(name, "", strconv.FormatFloat(value, 'g', -1, 64))
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'g', -1, 64) }

func (p *page) histogram(name, labels string, h *histogram) {
	total := uint64(0)
	for i := range h.buckets {
		total += h.buckets[i].Load()
		bound := "+Inf"
		if i < len(bounds) {
			bound = seconds(bounds[i])
		}
		p.count(name+"_bucket", labels+`,le="`+bound+`"`, total)
	}
	p.sample(name+"_sum", labels, seconds(time.Duration(h.sum.Load())))
	p.count(name+"_count", labels, total)
}

func (r *Registry) writeGRPC(p *page) {
	r.mu.Lock()
	_, methods := sorted(r.grpc)
	r.mu.Unlock()
	if len(methods) == 0 {
		return
	}
	p.family("grpc_server_started_total", "counter", "Total number of RPCs started on the server.")
	for _, m := range methods {
		p.count("grpc_server_started_total", m.labels, m.started.Load())
	}
	p.family("grpc_server_handled_total", "counter", "Total number of RPCs completed on the server, regardless of success or failure.")
	for _, m := range methods {
		for code := range m.handled {
			if n := m.handled[code].Load(); n > 0 || codes.Code(code) == codes.OK {
				p.count("grpc_server_handled_total", m.labels+","+label("grpc_code", codes.Code(code).String()), n)
			}
		}
	}
	p.family("grpc_server_handling_seconds", "histogram", "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.")
	for _, m := range methods {
		p.histogram("grpc_server_handling_seconds", m.labels, &m.seconds)
	}
}

func (r *Registry) writeRPC(p *page) {
	r.mu.Lock()
	names, methods := sorted(r.rpc)
	r.mu.Unlock()
	if len(methods) == 0 {
		return
	}
	p.family("rpc_server_handled_total", "counter", "Total number of net/rpc calls completed on the server.")
	for i, m := range methods {
		p.count("rpc_server_handled_total", label("rpc_method", names[i])+`,result="ok"`, m.ok.Load())
		p.count("rpc_server_handled_total", label("rpc_method", names[i])+`,result="error"`, m.failed.Load())
	}
	p.family("rpc_server_handling_seconds", "histogram", "Histogram of the latency (seconds) of net/rpc calls.")
	for i, m := range methods {
		p.histogram("rpc_server_handling_seconds", label("rpc_method", names[i]), &m.seconds)
	}
}

func (r *Registry) writeHTTP(p *page) {
	r.mu.Lock()
	patterns, routes := sorted(r.http)
	r.mu.Unlock()
	if len(routes) == 0 {
		return
	}
	p.family("http_requests_total", "counter", "Total number of HTTP requests served.")
	for i, route := range routes {
		route.writeRequests(p, patterns[i])
	}
	p.family("http_requests_in_flight", "gauge", "Number of HTTP requests being served.")
	for i, route := range routes {
		p.sample("http_requests_in_flight", label("handler", patterns[i]), strconv.FormatInt(route.inFlight.Load(), 10))
	}
	p.family("http_request_duration_seconds", "histogram", "Histogram of the latency (seconds) of HTTP requests.")
	for i, route := range routes {
		p.histogram("http_request_duration_seconds", label("handler", patterns[i]), &route.seconds)
	}
}

func (h *httpRoute) writeRequests(p *page, pattern string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := make([]string, 0, len(h.requests))
	for outcome, n := range h.requests {
		lines = append(lines, outcome.labels(pattern)+" "+strconv.FormatUint(n, 10))
	}
	slices.Sort(lines)
	for _, line := range lines {
		at := strings.LastIndexByte(line, ' ')
		p.sample("http_requests_total", line[:at], line[at+1:])
	}
}
