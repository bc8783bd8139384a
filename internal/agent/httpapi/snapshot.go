package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/agent/arrival"
	"github.com/pandakit/panda/internal/agent/store/archive"
)

const snapshotPath = "/v1/snapshot"

// restoreTimeout bounds how long a snapshot may take to arrive.
const restoreTimeout = 10 * time.Minute

func (h *Handler) snapshotEndpoints() []endpoint {
	return []endpoint{{"GET,PUT", snapshotPath, h.snapshot}}
}

func (h *Handler) snapshot(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method == http.MethodPut {
		return nil, h.restore(w, r)
	}
	return h.save(w)
}

func (h *Handler) save(w http.ResponseWriter) (any, error) {
	view := h.cfg.Catalog.View()
	saved, err := archive.New(view, time.Now())
	if err != nil {
		return nil, err
	}
	header := w.Header()
	header.Set("X-Consul-Index", strconv.FormatUint(view.Index(), 10))
	header.Set("X-Consul-KnownLeader", "true")
	header.Set("X-Consul-LastContact", "0")
	header.Set("X-Consul-Query-Backend", "blocking-query")
	header.Set("Content-Type", "application/x-gzip")
	if err := saved.Write(w); err != nil {
		panic(http.ErrAbortHandler) // the client is gone, or must not take half an archive for a whole one
	}
	return written, nil
}

func (h *Handler) restore(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("stale") {
		return &statusError{http.StatusInternalServerError, "stale not allowed for restore"}
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(restoreTimeout)); err != nil {
		return err
	}
	state, err := archive.Read(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body too large, max size: %d bytes", tooLarge.Limit)}
	}
	if arrival.Late(err) {
		return late(restoreTimeout)
	}
	if err != nil {
		return &statusError{http.StatusInternalServerError, err.Error()}
	}
	if err := h.cfg.Registrar.Restore(state.Rows, state.Index); err != nil {
		return err
	}
	h.cfg.Sessions.Resume()
	h.cfg.Logger.Info("snapshot restored", "index", state.Index)
	return nil
}
