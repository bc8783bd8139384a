package metrics

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// httpRoute counts the requests of one pattern.
type httpRoute struct {
	inFlight atomic.Int64
	seconds  histogram
	mu       sync.Mutex
	requests map[httpOutcome]uint64
}

type httpOutcome struct {
	method string
	code   int
}

// HTTP counts the requests that next serves, under the pattern it is registered for.
func (r *Registry) HTTP(pattern string, next http.Handler) http.Handler {
	r.mu.Lock()
	route := r.http[pattern]
	if route == nil {
		route = &httpRoute{requests: map[httpOutcome]uint64{}}
		r.http[pattern] = route
	}
	r.mu.Unlock()
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		route.inFlight.Add(1)
		started := time.Now()
		response := &responseWriter{ResponseWriter: w}
		completed := false
		defer func() { // also where the handler panics
			route.inFlight.Add(-1)
			route.ended(request.Method, response.status(completed), time.Since(started))
		}()
		next.ServeHTTP(response, request)
		completed = true
	})
}

func (h *httpRoute) ended(method string, code int, elapsed time.Duration) {
	h.seconds.observe(elapsed)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests[httpOutcome{knownMethod(method), code}]++
}

// knownMethod keeps callers from making series by inventing methods.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "OTHER"
}

// responseWriter remembers the status. What else the writer underneath can do is reached through Unwrap,
// by [http.ResponseController], and the two that older code asks for by type are here.
type responseWriter struct {
	http.ResponseWriter
	code int
}

func (w *responseWriter) WriteHeader(code int) {
	if w.code == 0 && (code >= http.StatusOK || code == http.StatusSwitchingProtocols) {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements [io.Writer]; the first one implies status 200.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements [io.ReaderFrom], by which net/http sends files without copying them.
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return io.Copy(w.ResponseWriter, r)
}

// Begun reports whether a part of the answer has been written, or the connection handed over.
func (w *responseWriter) Begun() bool { return w.code != 0 }

// Unwrap is for [http.ResponseController].
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements [http.Flusher], as far as the writer underneath does.
func (w *responseWriter) Flush() {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker], as far as the writer underneath does.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	connection, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.code == 0 {
		w.code = http.StatusSwitchingProtocols
	}
	return connection, buffered, err
}

func (w *responseWriter) status(completed bool) int {
	switch {
	case w.code >= 100 && w.code <= 599:
		return w.code
	case w.code != 0:
		return http.StatusInternalServerError
	case completed:
		return http.StatusOK
	}
	return http.StatusInternalServerError
}

func (o httpOutcome) labels(pattern string) string {
	return label("handler", pattern) + "," + label("method", o.method) + "," + label("code", strconv.Itoa(o.code))
}
