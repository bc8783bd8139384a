package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pageNames are the files in templates that define a page: its templates "main" and, if it is live, "live".
var pageNames = []string{"services", "service", "nodes", "node", "check", "keys", "key", "delete", "sessions", "problem"}

// version is all pages in one language.
type version struct {
	texts texts
	pages map[string]*template.Template
}

func loadVersions(a assets) map[language]*version {
	all := make(map[language]*version, len(languages))
	for _, l := range languages {
		words := loadTexts(l)
		v := &version{texts: words, pages: make(map[string]*template.Template, len(pageNames))}
		base := template.Must(template.New("layout.html").Funcs(template.FuncMap{
			"t": words.text, "n": words.count, "size": words.size, "duration": words.duration, "iso": isoDuration, "asset": a.link,
			"serviceLink": serviceLink, "nodeLink": nodeLink, "checkLink": checkLink,
			"keyLink": keyLink, "folderLink": folderLink,
		}).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
		for _, name := range pageNames {
			v.pages[name] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
		}
		all[l] = v
	}
	return all
}

// page is what is written as HTML.
type page struct {
	name    string // of its template
	status  int    // 200 when 0
	Title   string
	Section string // of the navigation
	Data    any
	// Index is that of the state which the page shows; 0 when it shows none. A live page is written anew whenever
	// that state changes.
	Index uint64
	Live  bool

	r *request
}

// Lang and the other methods are for the layout.
func (p *page) Lang() string { return htmlNames[p.r.language] }

// Here is the address of this page.
func (p *page) Here() string { return p.r.here() }

// Languages are the others that the page can be seen in.
func (p *page) Languages() []link {
	var all []link
	for _, l := range languages {
		if l != p.r.language {
			query := url.Values{"to": {string(l)}, "back": {p.r.here()}}
			all = append(all, link{Text: p.r.h.versions[l].texts["language.name"], Lang: htmlNames[l], To: "/ui/language?" + query.Encode()})
		}
	}
	return all
}

// link leads to a page.
type link struct{ Text, To, Lang string }

// HasKV, ReadOnly, Node, Datacenter and Version are the agent's.
func (p *page) HasKV() bool        { return p.r.h.cfg.KV != nil }
func (p *page) ReadOnly() bool     { return p.r.h.cfg.ReadOnly }
func (p *page) Node() string       { return p.r.h.cfg.Node }
func (p *page) Datacenter() string { return p.r.h.cfg.Datacenter }
func (p *page) Version() string    { return p.r.h.cfg.Version }

// request is a request for a page.
type request struct {
	*http.Request

	h        *Handler
	w        http.ResponseWriter
	language language
	query    url.Values
}

func (h *Handler) request(w http.ResponseWriter, r *http.Request) *request {
	return &request{Request: r, h: h, w: w, language: languageOf(r), query: r.URL.Query()}
}

// text returns words in the request's language. The keys are constants of this package.
func (r *request) text(key string, args ...any) string {
	words, err := r.h.versions[r.language].texts.text(key, args...)
	if err != nil {
		r.h.cfg.Logger.Error("write a page", "error", err)
		return key
	}
	return words
}

// here returns the address of the page that is asked for, without what only its script adds.
func (r *request) here() string {
	query := r.URL.Query()
	query.Del("index")
	query.Del("fragment")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return Root
	}
	if len(query) == 0 {
		return r.URL.Path
	}
	return r.URL.Path + "?" + query.Encode()
}

// fragment reports whether only the live part of a page is wanted.
func (r *request) fragment() bool { return r.query.Has("fragment") }

// problem is a page that says what is wrong.
func (r *request) problem(status int, key string, args ...any) answer {
	title := "error.title"
	if status == http.StatusNotFound {
		title = "error.missing"
	}
	return answer{page: page{
		name: "problem", status: status, Title: r.text(title), r: r,
		Data: problem{Status: status, Text: r.text(key, args...)},
	}}
}

type problem struct {
	Status int
	Text   string
}

// write sends a page, or its live part where that is what was asked for. A live part that the browser has already is
// not sent again.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, p *page) {
	if err := h.settle(r.Context(), p.Index); err != nil {
		unsafe := p.r.problem(http.StatusServiceUnavailable, "error.keep", err.Error())
		p = &unsafe.page
	}
	part := "layout.html"
	if p.Live && p.r.fragment() {
		part = "live"
	}
	var body bytes.Buffer
	if err := h.versions[p.r.language].pages[p.name].ExecuteTemplate(&body, part, p); err != nil {
		h.cfg.Logger.Error("write a page", "path", r.URL.Path, "error", err)
		http.Error(w, "The page cannot be written", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", p.Lang())
	header.Set("Vary", "Accept-Language, Cookie")
	header.Set("X-Consul-Index", strconv.FormatUint(p.Index, 10))
	if part == "live" && unchanged(header, r, body.Bytes()) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(max(p.status, http.StatusOK))
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
}

// settle returns once what the catalog held up to the index survives a crash.
func (h *Handler) settle(ctx context.Context, index uint64) error {
	if h.cfg.Settle == nil || index == 0 {
		return nil
	}
	return h.cfg.Settle(ctx, index)
}

// unchanged sets the tag of a live part and reports whether the request has the same one.
func unchanged(header http.Header, r *http.Request, body []byte) bool {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	header.Set("Etag", tag)
	return strings.Contains(r.Header.Get("If-None-Match"), tag)
}
