package ui

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

const (
	separator  = "/"
	keysOnPage = 200
)

// keysData is the page of what is below a prefix.
type keysData struct {
	Prefix  string
	Crumbs  []crumb
	Entries []entryView
	After   string // leads to what comes next; "" where there is nothing
	Start   string // leads to the beginning; "" where this is it
	Done    string // what was done just now: "deleted" or ""
}

// crumb is a folder above what is shown.
type crumb struct{ Name, Prefix string }

// entryView is an entry with its name below the prefix.
type entryView struct {
	Entry

	Name string
}

// crumbs are the folders that lead to the prefix, which may end within a name.
func crumbs(prefix string) []crumb {
	var all []crumb
	for at := 0; ; {
		i := strings.Index(prefix[at:], separator)
		if i < 0 {
			return all
		}
		next := at + i + len(separator)
		all = append(all, crumb{Name: prefix[at:next], Prefix: prefix[:next]})
		at = next
	}
}

func prefixMark(kv KV, prefix string) func(catalog.View) []catalog.Mark {
	return func(v catalog.View) []catalog.Mark { return []catalog.Mark{kv.PrefixMark(v, prefix)} }
}

func (h *Handler) keys(r *request) answer {
	data := keysData{Prefix: r.query.Get("prefix"), Done: r.done("deleted")}
	data.Crumbs = crumbs(folderOf(data.Prefix))
	v, index := r.view(prefixMark(h.cfg.KV, data.Prefix))
	after := r.query.Get("after")
	entries := h.cfg.KV.List(v, data.Prefix, separator, after, keysOnPage+1)
	if len(entries) > keysOnPage {
		entries = entries[:keysOnPage]
		data.After = r.with("after", entries[keysOnPage-1].Key)
	}
	if after != "" {
		data.Start = folderLink(data.Prefix)
	}
	for _, e := range entries {
		data.Entries = append(data.Entries, entryView{Entry: e, Name: strings.TrimPrefix(e.Key, data.Prefix)})
	}
	return answer{page: page{name: "keys", Title: r.text("kv"), Section: "kv", Data: data, Live: true, Index: index, r: r}}
}

// done returns what was done just before, when it is one of these.
func (r *request) done(known ...string) string {
	for _, k := range known {
		if r.query.Get("done") == k {
			return k
		}
	}
	return ""
}

// keyData is the page of one key, or of the form for a new one.
type keyData struct {
	Key    string
	Crumbs []crumb
	New    bool // the form is for a key that does not exist yet
	Pair   *Pair
	Value  value
	Form   form
	// Seen is the ModifyIndex that the form was opened with; Moved, that the key is another one since.
	Seen  uint64
	Moved bool
	Done  string // what was done just now: "saved" or ""
}

// Escaped is how the key's address in the API must be written, "" where any client writes it so that it arrives.
func (d keyData) Escaped() string {
	switch {
	case d.Pair == nil || !rewritten(d.Key):
		return ""
	case d.Key == "." || d.Key == "..": // no separator is there to be escaped
		return kvAPI + strings.ReplaceAll(d.Key, ".", "%2E")
	}
	return kvAPI + url.PathEscape(d.Key)
}

// kvAPI is where the API has the keys.
const kvAPI = "/v1/kv/"

// rewritten reports whether servers and clients on the way take the address of the key for another one: it begins with a
// separator, has two in a row, or a part that is "." or "..".
func rewritten(key string) bool {
	address := kvAPI + key
	cleaned := path.Clean(address)
	if strings.HasSuffix(address, separator) {
		cleaned += separator
	}
	return cleaned != address
}

// folderOf returns the part of the key up to its last separator, but for one that ends it.
func folderOf(key string) string {
	return key[:strings.LastIndex(strings.TrimSuffix(key, separator), separator)+1]
}

func (h *Handler) key(r *request) answer {
	key := r.query.Get("key")
	v, index := r.view(prefixMark(h.cfg.KV, key))
	pair := h.cfg.KV.Get(v, key)
	data := keyData{Key: key, Crumbs: crumbs(folderOf(key)), Pair: pair, Done: r.done("saved")}
	p := page{name: "key", Title: key, Section: "kv", Live: true, Index: index, r: r}
	if pair == nil {
		p.status = http.StatusNotFound
	} else {
		data.Value = valueOf(pair.Value)
		data.Form = formOf(pair, data.Value)
		data.Seen = pair.ModifyIndex
	}
	if r.fragment() {
		data.Seen = parseIndex(r.query.Get("seen"))
		data.Moved = data.Seen != 0 && (pair == nil || pair.ModifyIndex != data.Seen)
		p.status = 0
	}
	p.Data = data
	return answer{page: p}
}

// LiveLink is the address of the live part: it tells which state of the key the form shows, and what led to it.
func (d keyData) LiveLink() string {
	to := keyLink(d.Key)
	if d.Seen != 0 {
		to += "&seen=" + formatIndex(d.Seen)
	}
	if d.Done != "" {
		to += "&done=" + d.Done
	}
	return to
}

// raw sends a value as it is, to be kept as a file.
func (h *Handler) raw(w http.ResponseWriter, r *http.Request) {
	v := h.cfg.Catalog.View()
	pair := h.cfg.KV.Get(v, r.URL.Query().Get("key"))
	if pair == nil {
		http.NotFound(w, r)
		return
	}
	if err := h.settle(r.Context(), v.Index()); err != nil {
		http.Error(w, "The agent cannot keep what it would show: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="value.bin"`)
	_, _ = w.Write(pair.Value) // a file to save, never shown; a client that is gone needs no answer
}

// sessions shows who may hold keys.
func (h *Handler) sessions(r *request) answer {
	v, index := r.view(func(v catalog.View) []catalog.Mark {
		return []catalog.Mark{h.cfg.KV.SessionsMark(v), h.cfg.KV.PrefixMark(v, "")}
	})
	all, pager := cut(r, h.cfg.KV.Sessions(v), rowsOnPage)
	data := sessionsData{Sessions: all, Pager: pager}
	return answer{page: page{name: "sessions", Title: r.text("sessions"), Section: "sessions", Data: data, Live: true, Index: index, r: r}}
}

type sessionsData struct {
	Sessions []Session
	Pager    pager
}
