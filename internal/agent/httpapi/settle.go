package httpapi

import (
	"context"
	"net/http"
	"strconv"
)

// settled returns a writer through which nothing is told before it is on disk. It waits when the answer begins: for
// what the answer says it was read at (X-Consul-Index: no later write has changed it), else for all that the catalog
// holds. On an agent where nothing is written both are on disk already.
func (h *Handler) settled(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if h.cfg.Settle == nil {
		return w
	}
	return &settledWriter{ResponseWriter: w, settle: func() error {
		index, err := strconv.ParseUint(w.Header().Get("X-Consul-Index"), 10, 64)
		if err != nil {
			index = h.cfg.Catalog.View().Index()
		}
		// The disk answers, or fails, on its own: an agent that ends still tells what it has done.
		return h.cfg.Settle(context.WithoutCancel(r.Context()), index)
	}}
}

type settledWriter struct {
	http.ResponseWriter

	settle func() error
	begun  bool
	failed error // why the answer is an error instead
}

// Unwrap lets http.ResponseController reach the connection.
func (w *settledWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader begins the answer: with status, or with an error if what it tells may not last.
func (w *settledWriter) WriteHeader(status int) {
	if w.begun {
		return
	}
	w.begun = true
	if w.failed = w.settle(); w.failed == nil {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	header := w.Header()
	for _, name := range []string{"X-Consul-Index", "Content-Length", "Content-Encoding"} {
		header.Del(name)
	}
	writeText(w.ResponseWriter, http.StatusInternalServerError, w.failed.Error())
}

// Write writes the answer's body; that of one that became an error is dropped.
func (w *settledWriter) Write(body []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.failed != nil {
		return len(body), nil //nolint:nilerr // the client was told in place of the body
	}
	return w.ResponseWriter.Write(body)
}

// Flush begins the answer if it has not begun, and sends what there is of it.
func (w *settledWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a client that is gone needs no answer
}
