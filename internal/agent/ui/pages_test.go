package ui_test

import (
	"net/http"
	"testing"
)

func TestEveryPageIsWritten(t *testing.T) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", "critical", "refused", "v1")
	s.kv.set("a/b", "1")
	for path, status := range map[string]int{
		"/ui/services": 200, "/ui/service?name=web": 200, "/ui/service?name=none": 404, "/ui/nodes": 200, "/ui/node?name=n1": 200,
		"/ui/node?name=none": 404, "/ui/check?node=n1&id=serfHealth": 200, "/ui/check?node=n1&id=none": 404, "/ui/kv": 200,
		"/ui/kv?prefix=a/": 200, "/ui/kv/key?key=a/b": 200, "/ui/kv/key?key=none": 404, "/ui/kv/new": 200,
		"/ui/kv/delete?key=a/b": 200, "/ui/kv/delete?key=none": 404, "/ui/sessions": 200, "/ui/none": 404, "/ui/kv/save": 404,
		"/ui/static/style.css": 200, "/ui/static/live.js": 200, "/ui/static/logo.svg": 200, "/ui/static/none": 404,
	} {
		for _, language := range []string{"en", "zh"} {
			if response, text := s.get(t, path, "Accept-Language", language); response.StatusCode != status {
				t.Errorf("%s in %s: %d %.200s", path, language, response.StatusCode, text)
			}
		}
	}
	if response, _ := s.get(t, "/ui/"); response.StatusCode != http.StatusFound || response.Header.Get("Location") != "/ui/services" {
		t.Errorf("/ui/: %d %v", response.StatusCode, response.Header)
	}
}
