// Package httpapi answers Consul's HTTP API from a catalog: paths, verbs, parameters, headers, shapes, status codes
// and texts are those of Consul 1.12 wherever a client can depend on them. What the agent does not have (a service
// mesh, prepared queries, access control lists) is answered as by a Consul in which it is off or empty, and refused
// where something would be kept.
//
// It opens no socket and starts no goroutine: [Handler] is given to an HTTP server, whose requests'
// contexts end blocked queries and streams.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/pandakit/panda/internal/agent/arrival"
	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/event"
	"github.com/pandakit/panda/internal/agent/logs"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/agent/session"
	"github.com/pandakit/panda/internal/agent/store/archive"
)

// Config says what a Handler answers from.
type Config struct {
	Catalog   *catalog.Catalog
	Registrar *registrar.Registrar
	Sessions  *session.Expirer
	Logger    *slog.Logger

	Node       string // the agent's own, in the catalog
	Datacenter string
	Version    string // as agents tell it: "1.12.9+panda"
	ServerPort int    // of the server that the agent stands for; nothing listens there
	Pretty     bool   // answers are indented JSON, as for ?pretty
	Debug      bool   // the process can be watched at /debug/pprof/

	// Loopback says that the server listens on loopback only. Requests are then refused whose Host is
	// a name other than localhost and Hosts: a page of a foreign site could otherwise reach the agent
	// through a name that resolves to it.
	Loopback bool
	Hosts    []string // names without a port, in any case

	// ResponseHeaders are set on every answer.
	ResponseHeaders map[string]string
	// Reload reads the definition files again, and Leave begins the end of the agent; it must not wait for requests
	// under way. nil: there is nothing to do.
	Reload func(ctx context.Context) error
	Leave  func(ctx context.Context) error
	// Logs are what can be watched of the agent's log; nil when nothing can.
	Logs *logs.Hub

	// Settle returns once all that the catalog held up to the index survives a crash. Nothing is answered before,
	// so that nobody is told what a restart would take back. nil where nothing is kept.
	Settle func(ctx context.Context, index uint64) error
}

// Handler is the API. It may serve several requests at once.
type Handler struct {
	cfg    Config
	mux    *http.ServeMux
	events *event.Ring
	pages  pages
	gzips  sync.Pool
	meter  *meter
	began  time.Time
}

// New returns a Handler.
func New(cfg Config) *Handler {
	h := &Handler{cfg: cfg, mux: http.NewServeMux(), events: event.NewRing(), meter: newMeter(), began: time.Now()}
	h.mux.HandleFunc("/", h.index)
	for _, e := range h.endpoints() {
		h.mux.HandleFunc(e.path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, e) })
	}
	if cfg.Debug {
		h.debugEndpoints()
	}
	return h
}

// endpoint is one path of the API and the methods that it takes, in Consul's order; without methods it judges them
// itself. answer is encoded as JSON; nil means an empty body, and written that handle has written the answer itself.
type endpoint struct {
	methods string // "GET", "GET,PUT,DELETE"
	path    string
	handle  func(w http.ResponseWriter, r *http.Request) (answer any, err error)
}

// written is the answer of a handler that has written its own.
var written = new(struct{ _ byte })

func (h *Handler) endpoints() []endpoint {
	return slices.Concat(
		h.agentEndpoints(), h.selfEndpoints(), h.catalogEndpoints(), h.healthEndpoints(), h.eventEndpoints(),
		h.coordinateEndpoints(), h.operatorEndpoints(), h.meshEndpoints(), h.configEntryEndpoints(), h.queryEndpoints(), aclEndpoints(),
		h.dashboardEndpoints(), h.kvEndpoints(), h.sessionEndpoints(), h.txnEndpoints(), h.snapshotEndpoints(),
	)
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The answer before this one on the connection may have left a deadline.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	r = arrival.Bound(w, r, arrival.Timeout)
	for name, value := range h.cfg.ResponseHeaders {
		w.Header().Set(name, value)
	}
	if strings.IndexFunc(r.URL.Path, unprintable) >= 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if why := h.foreign(r); why != "" {
		writeText(w, http.StatusForbidden, why)
		return
	}
	h.mux.ServeHTTP(w, r)
}

func unprintable(c rune) bool { return !unicode.IsPrint(c) }

// maxBody is the largest body of a request, in bytes.
const maxBody = 512 << 10

func bodyLimit(path string) int64 {
	if path == snapshotPath {
		return archive.Largest
	}
	return maxBody
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	began := time.Now()
	defer func() { h.finished(r, e.path, time.Since(began)) }()
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header().Set("X-Consul-Default-Acl-Policy", "allow")
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if e.methods != "" && !slices.Contains(strings.Split(e.methods, ","), r.Method) {
		w.Header().Set("Allow", "OPTIONS,"+e.methods)
		if r.Method != http.MethodOptions {
			writeText(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s not allowed", r.Method))
		}
		return
	}
	w = h.settled(w, r)
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(e.path))
	answer, err := h.checked(e)(w, r)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	h.writeAnswer(w, r, answer)
}

func (h *Handler) writeAnswer(w http.ResponseWriter, r *http.Request, answer any) {
	switch a := answer.(type) {
	case *struct{ _ byte }: // written
		_, _ = w.Write(nil) // an answer without a body begins here
	case *codedAnswer:
		h.writeJSON(w, r, a.status, a.answer)
	case *page:
		h.writePage(w, r, a)
	default:
		h.writeJSON(w, r, http.StatusOK, answer)
	}
}

func (h *Handler) finished(r *http.Request, path string, took time.Duration) {
	h.meter.observe(r.Method, path, took)
	if h.cfg.Logger.Enabled(r.Context(), slog.LevelDebug) {
		h.cfg.Logger.Debug("request finished", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr, "latency", took)
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
	status, text, known := told(r, err)
	if !known {
		h.cfg.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeText(w, status, text)
}

// told returns what the client is told of the error, and whether the error is the client's rather than the agent's.
func told(r *http.Request, err error) (status int, text string, known bool) {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status, err.Error(), true
	}
	if e, ok := errors.AsType[*registrar.InvalidError](err); ok {
		return http.StatusBadRequest, "Bad request: " + e.Reason, true
	}
	if e, ok := errors.AsType[*registrar.UnknownServiceError](err); ok {
		return http.StatusNotFound, fmt.Sprintf("Unknown service ID %q. Ensure that the service ID is passed, not the service name.", e.ID), true
	}
	if e, ok := errors.AsType[*registrar.UnknownCheckError](err); ok {
		return http.StatusNotFound, fmt.Sprintf("Unknown check ID %q. Ensure that the check ID is passed, not the check name.", e.ID), true
	}
	if e, ok := errors.AsType[*registrar.RefusedError](err); ok {
		return http.StatusInternalServerError, e.Reason, true
	}
	if errors.Is(err, check.ErrNotTTL) {
		return http.StatusInternalServerError, fmt.Sprintf("CheckID %q does not have associated TTL", r.PathValue("id")), true
	}
	return http.StatusInternalServerError, err.Error(), false
}

// readBody returns the request's body.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err, "Request decode failed")
	}
	return body, nil
}

// decode reads the request's body as JSON.
func decode(r *http.Request, into any) error {
	return decodeAs(r, into, "Request decode failed")
}

// decodeAs reads the request's body as JSON, and says that of a mistake in it. An unknown field is one, as in Consul.
func decodeAs(r *http.Request, into any, failed string) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return bodyError(decoder.Decode(into), failed)
}

// bodyError is what the client is told when its body cannot be read.
func bodyError(err error, failed string) error {
	if err == nil {
		return nil
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body too large, max size: %d bytes", tooLarge.Limit)}
	}
	if arrival.Late(err) {
		return late(arrival.Timeout)
	}
	return badRequest("%s: %v", failed, err)
}

func late(timeout time.Duration) error {
	return &statusError{http.StatusRequestTimeout, fmt.Sprintf("Request body has not arrived within %s", timeout)}
}
