package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// listing is an endpoint that reads the catalog, may be blocked on, and answers the same to the same question while
// its topic has not changed.
type listing struct {
	topic func(name string) catalog.Topic
	// missing is what is said when the path names nothing; "" where it need not.
	missing string
	// open judges the question, once, and returns what reads the answer from a view.
	open func(q *question) (func(catalog.View) any, error)
	// cached says that ?cached is answered with headers of a cache.
	cached bool
	// quiet says that a failure has no headers about an index.
	quiet bool
}

// question is a request of a listing.
type question struct {
	url.Values
	path     string
	name     string            // what the path ends in
	nodeMeta map[string]string // of ?node-meta: all must be the node's
	tags     []string          // of ?tag: all must be the instance's, in any case
}

func ask(r *http.Request) *question {
	q := &question{Values: r.URL.Query(), path: r.URL.Path, name: r.PathValue("name")}
	q.tags = q.Values["tag"]
	for _, pair := range q.Values["node-meta"] {
		key, value, _ := strings.Cut(pair, ":")
		if q.nodeMeta == nil {
			q.nodeMeta = make(map[string]string)
		}
		q.nodeMeta[key] = value
	}
	return q
}

func (q *question) hasNodeMeta(meta map[string]string) bool {
	for key, value := range q.nodeMeta {
		if got, ok := meta[key]; !ok || got != value {
			return false
		}
	}
	return true
}

func (h *Handler) list(l listing) func(http.ResponseWriter, *http.Request) (any, error) {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		q := ask(r)
		if q.name == "" && l.missing != "" {
			return nil, badRequest("%s", l.missing)
		}
		after, wait, err := waitFor(r)
		if err != nil {
			return nil, err
		}
		read, err := l.open(q)
		if err != nil {
			h.tellFailure(w, r, &l, err)
			return nil, err
		}
		view, index := h.await(r, l.watched(q), after, wait)
		meta(w, index, true)
		w.Header().Set("X-Consul-Effective-Consistency", consistency(r))
		answer, hit := h.page(r, q, view, index, read)
		if l.cached && q.Has("cached") {
			tellCache(w, hit)
		}
		return answer, nil
	}
}

// tellFailure sets the headers of a question that was refused: Consul reads first and finds a bad request later.
func (h *Handler) tellFailure(w http.ResponseWriter, r *http.Request, l *listing, err error) {
	if refused, ok := errors.AsType[*statusError](err); ok && refused.status == http.StatusBadRequest {
		meta(w, h.cfg.Catalog.View().Index(), true)
		w.Header().Set("X-Consul-Effective-Consistency", consistency(r))
	} else if !l.quiet {
		meta(w, 0, false)
	}
}

// watched returns the topic that the question is about. The metadata of nodes belongs to none but everything.
func (l *listing) watched(q *question) catalog.Topic {
	if len(q.nodeMeta) > 0 {
		return catalog.Everything
	}
	return l.topic(q.name)
}

func tellCache(w http.ResponseWriter, hit bool) {
	if !hit {
		w.Header().Set("X-Cache", "MISS")
		return
	}
	w.Header().Set("X-Cache", "HIT")
	w.Header().Set("Age", "0")
}

// page returns the answer, encoded, and whether it was there already.
func (h *Handler) page(r *http.Request, q *question, view catalog.View, index uint64, read func(catalog.View) any) (*page, bool) {
	p, hit := h.pages.get(q.key(), index, q.Has("cached"))
	p.once.Do(func() {
		p.body, p.err = h.encode(r, read(view))
		h.pages.grow(p, len(p.body))
	})
	return p, hit
}

// key tells questions apart that may have different answers.
func (q *question) key() string {
	own := url.Values{}
	for _, name := range []string{"filter", "node-meta", "tag", "passing", "pretty"} {
		if values, ok := q.Values[name]; ok {
			own[name] = values
		}
	}
	return q.path + "?" + own.Encode()
}

// everyone makes the topic of a listing that is about a whole table.
func everyone(topic catalog.Topic) func(string) catalog.Topic {
	return func(string) catalog.Topic { return topic }
}

func (h *Handler) writePage(w http.ResponseWriter, r *http.Request, p *page) {
	if p.err != nil {
		h.writeError(w, r, p.err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	body := p.body
	if len(body) >= worthGzip && acceptsGzip(r) {
		p.onceZipped.Do(func() {
			p.zipped = h.compressed(p.body)
			h.pages.grow(p, len(p.zipped))
		})
		body = p.zipped
		w.Header().Set("Content-Encoding", "gzip")
	}
	writeBody(w, http.StatusOK, body)
}
