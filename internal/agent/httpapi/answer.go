package httpapi

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// index answers what is no endpoint of the API.
func (*Handler) index(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/":
		writeText(w, http.StatusOK, "Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent configuration and restart.")
	case strings.Contains(r.URL.Path, "/v1/"):
		writeText(w, http.StatusNotFound, "Invalid URL path: not a recognized HTTP API endpoint\n")
	default:
		writeText(w, http.StatusNotFound, "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n")
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func (h *Handler) writeJSON(w http.ResponseWriter, r *http.Request, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	body, err := h.encode(r, answer)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if len(body) >= worthGzip && acceptsGzip(r) {
		body = h.compressed(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	writeBody(w, status, body)
}

// answerTimeout bounds how long a client may take to read an answer that is no stream.
const answerTimeout = 5 * time.Minute

func writeBody(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout)) // a test's recorder has none
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

func (h *Handler) encode(r *http.Request, answer any) ([]byte, error) {
	if h.cfg.Pretty || r.URL.Query().Has("pretty") {
		body, err := json.MarshalIndent(answer, "", "    ")
		return append(body, '\n'), err
	}
	return json.Marshal(answer)
}

// worthGzip is the smallest body that is compressed, in bytes. Smaller ones fit in one packet anyway.
const worthGzip = 512

// acceptsGzip reports whether the client names gzip in Accept-Encoding, with a weight above 0.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, parameter, weighed := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		if !weighed {
			return true
		}
		text, named := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		weight, err := strconv.ParseFloat(text, 64)
		return named && err == nil && weight > 0
	}
	return false
}

// compressed returns the body as gzip. Its writers are large, so they are used again.
func (h *Handler) compressed(body []byte) []byte {
	var into sliceWriter
	writer, ok := h.gzips.Get().(*gzip.Writer)
	if !ok {
		writer, _ = gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // a level that exists
	}
	defer h.gzips.Put(writer)
	writer.Reset(&into)
	_, _ = writer.Write(body) // a sliceWriter never fails
	_ = writer.Close()
	writer.Reset(io.Discard)
	return into
}

type sliceWriter []byte

func (s *sliceWriter) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}
