package httpapi

import (
	"net/http"
	"time"

	"github.com/pandakit/panda/internal/agent/logs"
)

// streamTimeout bounds how long the client of a stream may take to read what was written.
const streamTimeout = 30 * time.Second

// monitor writes what the agent logs until the client is gone or too slow.
func (h *Handler) monitor(w http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	name := query.Get("loglevel")
	if name == "" {
		name = "INFO"
	}
	level, ok := logs.ParseLevel(name)
	if !ok {
		return nil, badRequest("Unknown log level: %s", name)
	}
	if h.cfg.Logs == nil {
		return nil, fail("the log of this agent cannot be watched")
	}
	watcher := h.cfg.Logs.Watch(level, query.Has("logjson"))
	defer func() {
		if dropped := watcher.Close(); dropped > 0 {
			h.cfg.Logger.Warn("lines of the log were dropped: their reader was too slow", "lines", dropped)
		}
	}()
	h.stream(w, r, watcher.Lines())
	return written, nil
}

// stream writes lines as they come, several at once when they wait already.
func (*Handler) stream(w http.ResponseWriter, r *http.Request, lines <-chan []byte) {
	controller := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if controller.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case line := <-lines:
			_ = controller.SetWriteDeadline(time.Now().Add(streamTimeout))
			if _, err := w.Write(line); err != nil {
				return
			}
		}
		if len(lines) == 0 && controller.Flush() != nil {
			return
		}
	}
}
