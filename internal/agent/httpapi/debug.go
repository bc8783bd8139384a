package httpapi

import (
	"net/http"
	"net/http/pprof" // what it registers by itself is served nowhere
	"strconv"
	"time"
)

// longestProfile bounds how long one request may watch the process.
const longestProfile = time.Minute

// debugEndpoints are Go's own views of the process: its memory, its goroutines, what it spends its time on.
func (h *Handler) debugEndpoints() {
	for path, show := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			defer func() { h.finished(r, path, time.Since(began)) }()
			// What is read as no number is the default there, of half a minute at the most.
			if seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64); err == nil && seconds > longestProfile.Seconds() {
				writeText(w, http.StatusBadRequest, "Bad request: ?seconds is longer than "+longestProfile.String()+"\n")
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			show(w, r)
		})
	}
}
