package ui

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// Bounds of what a form may bring. The value's is Consul's.
const (
	maxValue = 512 << 10
	maxKey   = 4 << 10
	maxForm  = 4 * maxValue // escaped, a byte takes three
)

// form is what the user typed, and what stands in the way of saving it.
type form struct {
	Key, Value, Flags string
	CRLF              bool
	Index             uint64 // that the key must still have; 0 when it must not exist

	KeyError, ValueError, FlagsError string
	Conflict                         bool // the key is not what it was
}

func formOf(p *Pair, v value) form {
	return form{Key: p.Key, Value: v.Text, CRLF: v.CRLF, Flags: strconv.FormatUint(p.Flags, 10), Index: p.ModifyIndex}
}

// newKey shows the form for a key that does not exist.
func (h *Handler) newKey(r *request) answer {
	if h.cfg.ReadOnly {
		return r.problem(http.StatusForbidden, "error.readonly")
	}
	prefix := r.query.Get("prefix")
	return r.form(keyData{New: true, Crumbs: crumbs(prefix), Form: form{Key: prefix, Flags: "0"}}, http.StatusOK, 0)
}

// form shows the form alone: what is shown is what was typed, not what is there.
func (r *request) form(data keyData, status int, index uint64) answer {
	title := data.Key
	if data.New {
		title = r.text("kv.new")
	}
	return answer{page: page{name: "key", status: status, Title: title, Section: "kv", Data: data, Index: index, r: r}}
}

// save stores what was typed unless the key has changed since the form was opened.
func (h *Handler) save(r *request) answer {
	f := form{
		Key: r.PostForm.Get("key"), Value: r.PostForm.Get("value"), Flags: strings.TrimSpace(r.PostForm.Get("flags")),
		CRLF: r.PostForm.Get("lines") == "crlf", Index: parseIndex(r.PostForm.Get("index")),
	}
	flags, content := r.check(&f)
	if f.KeyError+f.ValueError+f.FlagsError != "" {
		return h.again(r, f, http.StatusUnprocessableEntity)
	}
	saved, err := h.cfg.KV.Put(f.Key, []byte(content), flags, f.Index)
	if err != nil {
		return h.failed(r, "save", err)
	}
	if !saved {
		f.Conflict = true
		return h.again(r, f, http.StatusConflict)
	}
	return h.settled(r, keyLink(f.Key)+"&done=saved")
}

// check reads what was typed and notes in the form what cannot be stored.
func (r *request) check(f *form) (flags uint64, content string) {
	content = unform(f.Value, f.CRLF)
	switch {
	case f.Key == "":
		f.KeyError = r.text("kv.error.key")
	case len(f.Key) > maxKey:
		f.KeyError = r.text("kv.error.long", maxKey)
	case f.Index == 0 && rewritten(f.Key): // one that is there already may be changed
		f.KeyError = r.text("kv.error.address")
	}
	if len(content) > maxValue {
		f.ValueError = r.text("kv.error.value", maxValue>>10)
	}
	flags, err := strconv.ParseUint(f.Flags, 10, 64)
	if err != nil {
		f.FlagsError = r.text("kv.error.flags")
	}
	return flags, content
}

// again shows a form that was not saved with what was typed, beside what the key is now.
func (h *Handler) again(r *request, f form, status int) answer {
	data := keyData{Key: f.Key, New: f.Index == 0, Crumbs: crumbs(folderOf(f.Key))}
	v := h.cfg.Catalog.View()
	if f.Conflict {
		if data.Pair = h.cfg.KV.Get(v, f.Key); data.Pair != nil {
			data.Value, data.New = valueOf(data.Pair.Value), false
			f.Index = data.Pair.ModifyIndex // to save once more means it
		} else {
			f.Index = 0
		}
	}
	data.Form = f
	return r.form(data, status, v.Index())
}

// deleteData is the page that asks before a key is deleted.
type deleteData struct {
	Pair     *Pair
	Value    value
	Crumbs   []crumb
	Conflict bool
}

func (h *Handler) confirmDelete(r *request) answer {
	if h.cfg.ReadOnly {
		return r.problem(http.StatusForbidden, "error.readonly")
	}
	return h.askDelete(r, h.cfg.Catalog.View(), r.query.Get("key"), false)
}

func (h *Handler) askDelete(r *request, v catalog.View, key string, conflict bool) answer {
	pair := h.cfg.KV.Get(v, key)
	if pair == nil {
		return r.problem(http.StatusNotFound, "kv.gone", key)
	}
	p := page{name: "delete", Title: r.text("kv.delete"), Section: "kv", Index: v.Index(), r: r}
	if conflict {
		p.status = http.StatusConflict
	}
	p.Data = deleteData{Pair: pair, Value: valueOf(pair.Value), Crumbs: crumbs(folderOf(key)), Conflict: conflict}
	return answer{page: p}
}

// deleteKey removes a key unless it has changed since the user was asked.
func (h *Handler) deleteKey(r *request) answer {
	key := r.PostForm.Get("key")
	deleted, err := h.cfg.KV.Delete(key, parseIndex(r.PostForm.Get("index")))
	if err != nil {
		return h.failed(r, "delete", err)
	}
	if !deleted {
		return h.askDelete(r, h.cfg.Catalog.View(), key, true)
	}
	to := folderLink(folderOf(key))
	if strings.Contains(to, "?") {
		return h.settled(r, to+"&done=deleted")
	}
	return h.settled(r, to+"?done=deleted")
}

// settled leads to the next page once what was written is safe.
func (h *Handler) settled(r *request, to string) answer {
	if err := h.settle(r.Context(), h.cfg.Catalog.View().Index()); err != nil {
		return h.failed(r, "keep", err)
	}
	return answer{to: to}
}

func (h *Handler) failed(r *request, act string, err error) answer {
	h.cfg.Logger.Error(act+" a key", "error", err)
	return r.problem(http.StatusInternalServerError, "error.write", err.Error())
}
