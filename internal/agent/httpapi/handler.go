// Package httpapi answers Consul's HTTP API from a catalog: /v1/agent, /v1/catalog, /v1/health and
// /v1/status, with blocking queries. Paths, verbs, headers and texts are those of Consul 1.12 wherever
// a client can depend on them.
//
// It opens no socket and starts no goroutine: [Handler] is given to an HTTP server, whose requests'
// contexts end blocked queries. It never guesses: a query option that it does not have, such as
// ?filter, is refused rather than ignored.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/registrar"
)

// Config says what a Handler answers from.
type Config struct {
	Catalog   *catalog.Catalog
	Registrar *registrar.Registrar
	Logger    *slog.Logger

	Node       string // the agent's own, in the catalog
	Datacenter string
	Version    string // as agents tell it: "1.12.9+panda"
	ServerPort int    // of the server that the agent stands for; nothing listens there

	// Loopback says that the server listens on loopback only. Requests are then refused whose Host is
	// a name other than localhost and Hosts: a page of a foreign site could otherwise reach the agent
	// through a name that resolves to it.
	Loopback bool
	Hosts    []string // names without a port, in any case

	// Reload reads the definition files again, and Leave begins the end of the agent; it must not wait for requests
	// under way. nil: there is nothing to do.
	Reload func(ctx context.Context) error
	Leave  func(ctx context.Context) error

	// Settle returns once all that the catalog held up to the index survives a crash. Nothing is answered before,
	// so that nobody is told what a restart would take back. nil where nothing is kept.
	Settle func(ctx context.Context, index uint64) error
}

// Handler is the API. It may serve several requests at once.
type Handler struct {
	cfg Config
	mux *http.ServeMux
}

// New returns a Handler.
func New(cfg Config) *Handler {
	h := &Handler{cfg: cfg, mux: http.NewServeMux()}
	h.mux.HandleFunc("/", notFound)
	for _, e := range h.endpoints() {
		h.mux.HandleFunc(e.path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, e) })
	}
	return h
}

// endpoint is one path of the API and the methods that it takes, in Consul's order. answer is encoded as JSON; nil
// means an empty body, and written that handle has written the answer itself.
type endpoint struct {
	methods string // "GET", "GET,PUT,DELETE"
	path    string
	handle  func(w http.ResponseWriter, r *http.Request) (answer any, err error)
}

// written is the answer of a handler that has written its own.
var written = new(struct{ _ byte })

func (h *Handler) endpoints() []endpoint {
	return slices.Concat(h.agentEndpoints(), h.catalogEndpoints(), h.healthEndpoints(), []endpoint{
		{http.MethodGet, "/v1/status/leader", h.leader},
		{http.MethodGet, "/v1/status/peers", h.peers},
	})
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header().Set("X-Consul-Default-Acl-Policy", "allow")
	if why := h.foreign(r); why != "" {
		writeText(w, http.StatusForbidden, why)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// maxBody is the largest body of a request, in bytes.
const maxBody = 512 << 10

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	if !slices.Contains(strings.Split(e.methods, ","), r.Method) {
		w.Header().Set("Allow", "OPTIONS,"+e.methods)
		if r.Method != http.MethodOptions {
			writeText(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s not allowed", r.Method))
		}
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	answer, err := h.checked(e)(w, r)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	if answer == written {
		return
	}
	if coded, ok := answer.(*codedAnswer); ok {
		h.writeJSON(w, r, coded.status, coded.answer)
		return
	}
	h.writeJSON(w, r, http.StatusOK, answer)
}

// checked refuses what applies to every endpoint before it runs.
func (h *Handler) checked(e endpoint) func(http.ResponseWriter, *http.Request) (any, error) {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		query := r.URL.Query()
		for _, option := range []string{"filter", "node-meta", "peer"} {
			if query.Get(option) != "" {
				return nil, badRequest("?%s is not supported by this agent", option)
			}
		}
		for _, option := range []string{"ns", "partition"} {
			if value := query.Get(option); value != "" && !strings.EqualFold(value, "default") {
				return nil, badRequest("Invalid query parameter: %q - this agent has only the default one", option)
			}
		}
		if dc := query.Get("dc"); dc != "" && !strings.EqualFold(dc, h.cfg.Datacenter) {
			return nil, &statusError{http.StatusInternalServerError, "No path to datacenter"}
		}
		if query.Has("stale") && query.Has("consistent") {
			return nil, &statusError{http.StatusBadRequest, "Cannot specify ?stale with ?consistent, conflicting semantics."}
		}
		return e.handle(w, r)
	}
}

// statusError is an error whose status and text the client gets.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, "Bad request: " + fmt.Sprintf(format, args...)}
}

func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusInternalServerError, err.Error()
	if e, ok := errors.AsType[*statusError](err); ok {
		status = e.status
	} else if e, ok := errors.AsType[*registrar.InvalidError](err); ok {
		status, text = http.StatusBadRequest, "Bad request: "+e.Reason
	} else if e, ok := errors.AsType[*registrar.UnknownServiceError](err); ok {
		status = http.StatusNotFound
		text = fmt.Sprintf("Unknown service ID %q. Ensure that the service ID is passed, not the service name.", e.ID)
	} else if e, ok := errors.AsType[*registrar.UnknownCheckError](err); ok {
		status = http.StatusNotFound
		text = fmt.Sprintf("Unknown check ID %q. Ensure that the check ID is passed, not the check name.", e.ID)
	} else if e, ok := errors.AsType[*registrar.RefusedError](err); ok {
		text = e.Reason
	} else if errors.Is(err, check.ErrNotTTL) {
		text = fmt.Sprintf("CheckID %q does not have associated TTL", r.PathValue("id"))
	} else {
		h.cfg.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeText(w, status, text)
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusNotFound, "Invalid URL path: not a recognized HTTP API endpoint")
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) //nolint:gosec // plain text, never sniffed; a client that is gone needs no answer
}

func (h *Handler) writeJSON(w http.ResponseWriter, r *http.Request, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	body, err := encode(r, answer)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

func encode(r *http.Request, answer any) ([]byte, error) {
	if query := r.URL.Query(); query.Has("pretty") && query.Get("pretty") != "false" {
		body, err := json.MarshalIndent(answer, "", "    ")
		return append(body, '\n'), err
	}
	return json.Marshal(answer)
}

// bodyTimeout bounds how long the body of a request may take to arrive.
const bodyTimeout = 30 * time.Second

// decode reads the request's body.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return err
	}
	err := json.NewDecoder(r.Body).Decode(into)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body too large, max size: %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return badRequest("Request decode failed: %v", err)
	}
	return nil
}
