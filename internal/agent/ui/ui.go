package ui

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/pandakit/panda/internal/agent/arrival"
	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/origin"
)

// Root is where the pages are. A Handler is given the whole path.
const Root = "/ui/"

// Config says what a Handler shows.
type Config struct {
	Catalog *catalog.Catalog
	KV      KV // nil where there is none: its pages are then not there
	Logger  *slog.Logger

	Node       string // the agent's own, in the catalog
	Datacenter string
	Version    string // as agents tell it: "1.12.9+panda"

	Origin   origin.Policy
	ReadOnly bool // nothing can be changed through the pages

	// Settle returns once all that the catalog held up to the index survives a crash; nothing is shown before. nil
	// where nothing is kept.
	Settle func(ctx context.Context, index uint64) error
}

// Handler answers the requests below [Root]. It may serve several at once.
type Handler struct {
	cfg      Config
	mux      *http.ServeMux
	guard    *http.CrossOriginProtection
	assets   assets
	versions map[language]*version // the pages in each language
}

// New returns a Handler.
func New(cfg Config) *Handler {
	h := &Handler{cfg: cfg, mux: http.NewServeMux(), guard: http.NewCrossOriginProtection(), assets: loadAssets()}
	h.versions = loadVersions(h.assets)
	h.mux.Handle("GET /ui/static/{name}", h.assets)
	h.mux.HandleFunc("GET /ui/language", h.setLanguage)
	h.mux.HandleFunc("GET /ui/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ui/services", http.StatusFound)
	})
	h.handle("GET /ui/services", h.services)
	h.handle("GET /ui/service", h.service)
	h.handle("GET /ui/nodes", h.nodes)
	h.handle("GET /ui/node", h.node)
	h.handle("GET /ui/check", h.check)
	h.handle("/ui/", h.elsewhere)
	if cfg.KV != nil {
		h.handleKV()
	}
	return h
}

func (h *Handler) handleKV() {
	h.handle("GET /ui/kv", h.keys)
	h.handle("GET /ui/kv/key", h.key)
	h.handle("GET /ui/kv/new", h.newKey)
	h.handle("GET /ui/kv/delete", h.confirmDelete)
	h.handle("POST /ui/kv/save", h.changing(h.save))
	h.handle("POST /ui/kv/delete", h.changing(h.deleteKey))
	h.handle("GET /ui/sessions", h.sessions)
	h.mux.HandleFunc("GET /ui/kv/raw", h.raw)
}

// answer is what a handler shows: a page, or a redirect when to is set.
type answer struct {
	page
	to string
}

// handle adds what answers with a page.
func (h *Handler) handle(pattern string, show func(*request) answer) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		a := show(h.request(w, r))
		if a.to != "" {
			http.Redirect(w, r, a.to, http.StatusSeeOther)
			return
		}
		h.write(w, r, &a.page)
	})
}

// contentPolicy lets a page load from the agent alone, and nobody show it inside a page of theirs.
const contentPolicy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = arrival.Bound(w, r, arrival.Timeout)
	header := w.Header()
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "same-origin") // "no-referrer" would take the Origin from forms too
	header.Set("Cache-Control", "no-store")
	if why := h.cfg.Origin.Refusal(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	if err := h.guard.Check(r); err != nil {
		http.Error(w, "Refused: "+err.Error(), http.StatusForbidden)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// changing wraps what changes something: it reads the form, and answers nothing where pages are read-only.
func (h *Handler) changing(change func(*request) answer) func(*request) answer {
	return func(r *request) answer {
		if h.cfg.ReadOnly {
			return r.problem(http.StatusForbidden, "error.readonly")
		}
		r.Body = http.MaxBytesReader(r.w, r.Body, maxForm)
		err := r.ParseForm()
		if arrival.Late(err) {
			return r.problem(http.StatusRequestTimeout, "error.slow")
		}
		if err != nil {
			return r.problem(http.StatusRequestEntityTooLarge, "error.form")
		}
		return change(r)
	}
}

// elsewhere answers paths that are none of ours: Consul's own lead to the same thing here.
func (h *Handler) elsewhere(r *request) answer {
	if to := fromConsul(strings.TrimPrefix(r.URL.Path, Root), h.cfg.Datacenter); to != "" && r.Method == http.MethodGet {
		return answer{to: to}
	}
	return r.problem(http.StatusNotFound, "error.notfound")
}
