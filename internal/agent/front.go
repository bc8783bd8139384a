package agent

import (
	"net/http"
	"strings"

	"github.com/pandakit/panda/internal/agent/arrival"
	"github.com/pandakit/panda/internal/agent/origin"
	"github.com/pandakit/panda/internal/agent/ui"
)

// What is answered at / without the pages: Consul's words, which name the setting as it is called there.
const noPages = "Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent configuration and restart."

const robots = "User-agent: *\nDisallow: /\n"

// front stands before the API: it has the pages for people, where they are wanted, and what is at /. It leaves every
// other path as it came, since a key may look like one that wants cleaning.
func front(cfg *Config, kept *keeper, policy origin.Policy, api http.Handler) http.Handler {
	pages := newPages(cfg, kept, policy)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/" && pages == nil:
			guarded(w, r, policy, func() { writePlain(w, noPages) })
		case path == "/" && pages != nil:
			guarded(w, r, policy, func() { http.Redirect(w, r, ui.Root, http.StatusMovedPermanently) })
		case path == "/ui" && pages != nil:
			guarded(w, r, policy, func() { http.Redirect(w, r, ui.Root, http.StatusTemporaryRedirect) })
		case path == "/robots.txt" && pages != nil:
			guarded(w, r, policy, func() { writePlain(w, robots) })
		case strings.HasPrefix(path, ui.Root) && pages != nil:
			pages.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// newPages returns the pages for people, or nil where they are off.
func newPages(cfg *Config, kept *keeper, policy origin.Policy) http.Handler {
	if !cfg.UI {
		return nil
	}
	return ui.New(ui.Config{
		Catalog: kept.catalog, KV: ui.CatalogKV{Catalog: kept.catalog}, Settle: kept.settle, Logger: cfg.Logger, Node: cfg.Node, Datacenter: cfg.Datacenter, Version: Version,
		Origin: policy, ReadOnly: cfg.UIReadOnly,
	})
}

// guarded answers what needs no body.
func guarded(w http.ResponseWriter, r *http.Request, policy origin.Policy, answer func()) {
	_ = arrival.Bound(w, r, arrival.Timeout) // the server reads it all the same
	if why := policy.Refusal(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	answer()
}

func writePlain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
}
