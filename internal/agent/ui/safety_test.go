package ui_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// attacks are texts that would run if a page took them for more than text.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title><script>alert(1)</script>`,
	`</textarea><script>alert(1)</script>`, `javascript:alert(1)`, `{{.}}`, `<!--`, "a\x00b\xff<svg/onload=alert(1)>", `&lt;script&gt;`,
}

func TestNothingIsTakenForHTML(t *testing.T) {
	s := newSite(t, false)
	pages := []string{"/ui/services", "/ui/nodes", "/ui/kv", "/ui/sessions"}
	for _, a := range attacks {
		s.write(t, func(w *catalog.Writer) error {
			err := w.SetNode(&consulwire.Node{Node: a, Address: a, ID: a, Datacenter: a, Meta: map[string]string{a: a}, TaggedAddresses: map[string]string{a: a}})
			if err != nil {
				return err
			}
			err = w.SetInstance(&catalog.Instance{Node: a, NodeService: consulwire.NodeService{
				ID: a, Service: a, Tags: []string{a}, Address: a, SocketPath: a, Meta: map[string]string{a: a, "version": a},
			}})
			if err != nil {
				return err
			}
			c := check(a, a, a, a, consulwire.Critical, a)
			c.Notes, c.Type, c.Interval, c.Timeout = a, a, a, a
			return w.SetCheck(c)
		})
		s.kv.set(a, a)
		q := url.QueryEscape(a)
		pages = append(pages, "/ui/service?name="+q, "/ui/node?name="+q, "/ui/check?node="+q+"&id="+q, "/ui/kv?prefix="+q, "/ui/kv/key?key="+q,
			"/ui/kv/key?fragment=1&key="+q, "/ui/kv/delete?key="+q, "/ui/kv/new?prefix="+q, "/ui/services?q="+q+"&status="+q+"&sort="+q+"&page="+q,
			"/ui/kv?prefix="+q+"&after="+q+"&done="+q, "/ui/service?name=none"+q, "/ui/nowhere"+url.PathEscape(a))
	}
	for _, path := range pages {
		response, text := s.get(t, path)
		if response.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
		if response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusOK && response.StatusCode/100 != 3 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
		lower := strings.ToLower(text)
		for _, bad := range []string{"<script>", "<img src=x", " onmouseover='", "<svg", `href="javascript:`, `href='javascript:`, "<!-- ", "<!--<"} {
			if strings.Contains(lower, bad) {
				t.Errorf("%s: %s is in the page", path, bad)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t, false)
	for _, path := range []string{"/ui/services", "/ui/nowhere", "/ui/static/live.js", "/ui/kv/raw?key=none"} {
		response, text := s.get(t, path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if !strings.HasPrefix(response.Header.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, response.Header.Get(name))
			}
		}
		if !strings.Contains(response.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: may be framed", path)
		}
		if strings.Contains(text, "<style") || strings.Contains(text, "style=\"") || strings.Contains(text, "<script>") {
			t.Errorf("%s: has something inline", path)
		}
	}
	if response, _ := s.get(t, "/ui/services"); response.Header.Get("Cache-Control") != "no-store" {
		t.Error("what the catalog holds may be kept by caches")
	}
}

func TestForeignRequestsAreRefused(t *testing.T) {
	s := newSite(t, false)
	form := url.Values{"key": {"k"}, "value": {"v"}, "flags": {"0"}, "index": {"0"}}
	for _, headers := range [][]string{
		{"Origin", "http://evil.example"}, {"Origin", "null"}, {"Origin", "http://localhost:1"}, {"Host", "evil.example"},
		{"Host", "evil.example", "Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	} {
		if response, text := s.post(t, "/ui/kv/save", form, headers...); response.StatusCode != http.StatusForbidden {
			t.Errorf("save with %v: %d %s", headers, response.StatusCode, text)
		}
		if response, _ := s.post(t, "/ui/kv/delete", form, headers...); response.StatusCode != http.StatusForbidden {
			t.Errorf("delete with %v: %d", headers, response.StatusCode)
		}
	}
	if s.kv.modified("k") != "0" {
		t.Error("a foreign page stored a key")
	}
	if response, _ := s.get(t, "/ui/services", "Host", "evil.example"); response.StatusCode != http.StatusForbidden {
		t.Errorf("a name that resolves to loopback: %d", response.StatusCode)
	}
	if response, _ := s.get(t, "/ui/services", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); response.StatusCode != http.StatusOK {
		t.Errorf("a link from another site: %d", response.StatusCode)
	}
	for _, headers := range [][]string{nil, {"Origin", s.url}, {"Origin", s.url, "Sec-Fetch-Site", "same-origin"}} {
		form.Set("index", s.kv.modified("k"))
		if response, text := s.post(t, "/ui/kv/save", form, headers...); response.StatusCode != http.StatusSeeOther {
			t.Errorf("our own page with %v: %d %s", headers, response.StatusCode, text)
		}
	}
}

func TestReadOnly(t *testing.T) {
	s := newSite(t, true)
	pair := s.kv.set("k", "kept value")
	form := url.Values{"key": {"k"}, "value": {"new"}, "flags": {"0"}, "index": {s.kv.modified("k")}}
	for _, path := range []string{"/ui/kv/save", "/ui/kv/delete"} {
		if response, _ := s.post(t, path, form); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	for _, path := range []string{"/ui/kv/new", "/ui/kv/delete?key=k"} {
		if response, _ := s.get(t, path); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	if s.kv.Get(s.state.View(), "k") != pair {
		t.Error("the key was changed")
	}
	for _, path := range []string{"/ui/kv", "/ui/kv/key?key=k", "/ui/kv/key?key=none", "/ui/kv/key?key=k&fragment=1"} {
		_, text := s.get(t, path)
		for _, change := range []string{"<form", "/ui/kv/new", "/ui/kv/delete", "<button"} {
			if strings.Contains(text, change) {
				t.Errorf("%s offers %s", path, change)
			}
		}
	}
	if _, text := s.get(t, "/ui/kv/key?key=k"); !strings.Contains(text, "kept value") || !strings.Contains(text, "Read-only") {
		t.Error("the value is not shown")
	}
}

func TestBadForms(t *testing.T) {
	s := newSite(t, false)
	good := func() url.Values {
		return url.Values{"key": {"k"}, "value": {"v"}, "flags": {"0"}, "index": {"0"}}
	}
	for name, test := range map[string]struct {
		field, value string
		status       int
		says         string
	}{
		"no key":          {"key", "", 422, "A key needs a name."},
		"long key":        {"key", strings.Repeat("k", 4097), 422, "at most 4096 bytes"},
		"long value":      {"value", strings.Repeat("v", 512<<10+1), 422, "at most 512 KiB"},
		"huge value":      {"value", strings.Repeat("v", 3<<20), 413, "too large"},
		"negative flags":  {"flags", "-1", 422, "whole number"},
		"too large flags": {"flags", "18446744073709551616", 422, "whole number"},
		"other index":     {"index", "77", 409, "Not saved"},
	} {
		form := good()
		form.Set(test.field, test.value)
		response, text := s.post(t, "/ui/kv/save", form)
		if response.StatusCode != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %d %.300s", name, response.StatusCode, text)
		}
	}
	form := good()
	form.Set("value", strings.Repeat("中", (512<<10)/3))
	if response, text := s.post(t, "/ui/kv/save", form); response.StatusCode != http.StatusSeeOther {
		t.Errorf("the largest value: %d %.300s", response.StatusCode, text)
	}
	s.kv.broken = errors.New("disk is full")
	if response, text := s.post(t, "/ui/kv/save", good()); response.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "disk is full") {
		t.Errorf("a store that fails: %d %.300s", response.StatusCode, text)
	}
}

// TestNothingUnsafeIsShown holds that nobody is told what a restart would take back.
func TestNothingUnsafeIsShown(t *testing.T) {
	s := newSite(t, false)
	s.kv.set("k", "secret value")
	index := s.kv.modified("k")
	s.lossy.Store(true)
	for _, path := range []string{"/ui/services", "/ui/kv", "/ui/kv/key?key=k", "/ui/kv/key?key=k&fragment=1", "/ui/kv/delete?key=k", "/ui/kv/raw?key=k"} {
		if response, text := s.get(t, path); response.StatusCode != http.StatusServiceUnavailable || strings.Contains(text, "secret") {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
	form := url.Values{"key": {"k"}, "value": {"new"}, "flags": {"0"}, "index": {index}}
	if response, text := s.post(t, "/ui/kv/save", form); response.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "disk is full") {
		t.Errorf("save: %d %s", response.StatusCode, text)
	}
}
