package ui_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
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

// fragment asks for the live part of a page, after the index unless that is "".
func (s *site) fragment(t *testing.T, path, index string, headers ...string) (*http.Response, string) {
	t.Helper()
	return s.get(t, path+"&fragment=1&index="+index, headers...)
}

func TestLivePartWaits(t *testing.T) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", consulwire.Passing, "ok")
	first, text := s.fragment(t, "/ui/service?name=web", "")
	if strings.Contains(text, "<html") || !strings.Contains(text, "web-1") {
		t.Fatalf("not a live part: %s", text)
	}
	type result struct {
		response *http.Response
		text     string
	}
	answered := make(chan result)
	go func() {
		response, text := s.fragment(t, "/ui/service?name=web", first.Header.Get("X-Consul-Index"), "If-None-Match", first.Header.Get("Etag"))
		answered <- result{response, text}
	}()
	s.set(t, "other", "other-1", consulwire.Passing, "ok") // is not waited for
	s.set(t, "web", "web-1", consulwire.Critical, "refused")
	got := <-answered
	if got.response.StatusCode != http.StatusOK || !strings.Contains(got.text, "refused") {
		t.Errorf("%d %s", got.response.StatusCode, got.text)
	}
	// A change that the page does not show sends nothing.
	now, _ := s.fragment(t, "/ui/services?", "")
	s.set(t, "web", "web-1", consulwire.Critical, "refused again")
	if response, text := s.fragment(t, "/ui/services?", now.Header.Get("X-Consul-Index"), "If-None-Match", now.Header.Get("Etag")); response.StatusCode != http.StatusNotModified || text != "" {
		t.Errorf("the same part again: %d %s", response.StatusCode, text)
	}
	// An index of another life of the agent is answered at once.
	if response, _ := s.fragment(t, "/ui/services?", "99999999999999"); response.StatusCode != http.StatusOK {
		t.Errorf("an index from the future: %d", response.StatusCode)
	}
}

func TestOrderFilterAndPages(t *testing.T) {
	s := newSite(t, false)
	for i := range 150 {
		s.set(t, fmt.Sprintf("svc-%03d", i), fmt.Sprintf("i-%d", i), consulwire.Passing, "ok", "even"[:4*(1-i%2)])
	}
	s.set(t, "svc-140", "i-140", consulwire.Critical, "refused", "even")
	s.set(t, "svc-141", "i-141", consulwire.Warning, "slow")
	rows := regexp.MustCompile(`data-key="(svc-\d+)"`)
	names := func(path string) string {
		_, text := s.get(t, path)
		var all []string
		for _, m := range rows.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		if len(all) > 3 {
			return fmt.Sprint(all[:3], len(all))
		}
		return fmt.Sprint(all, len(all))
	}
	for path, want := range map[string]string{
		"/ui/services":                          "[svc-140 svc-141 svc-000] 100",
		"/ui/services?page=2":                   "[svc-098 svc-099 svc-100] 50",
		"/ui/services?page=99":                  "[svc-098 svc-099 svc-100] 50",
		"/ui/services?page=-1":                  "[svc-140 svc-141 svc-000] 100",
		"/ui/services?sort=name":                "[svc-000 svc-001 svc-002] 100",
		"/ui/services?q=SVC-14":                 "[svc-140 svc-141 svc-142] 10",
		"/ui/services?q=even":                   "[svc-140 svc-000 svc-002] 75",
		"/ui/services?status=critical":          "[svc-140] 1",
		"/ui/services?status=warning&q=svc-141": "[svc-141] 1",
		"/ui/services?q=nothing":                "[] 0",
	} {
		if got := names(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestMaintenanceAndNodeChecksCount(t *testing.T) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", consulwire.Critical, "refused")
	status := func() string {
		_, text := s.get(t, "/ui/services")
		return regexp.MustCompile(`data-key="web" data-status="(\w+)"`).FindStringSubmatch(text)[1]
	}
	s.write(t, func(w *catalog.Writer) error {
		return w.SetCheck(check("n1", "web-1", consulwire.ServiceMaintenancePrefix+"web-1", "Maintenance", consulwire.Critical, ""))
	})
	if got := status(); got != "maintenance" {
		t.Errorf("under maintenance: %s", got)
	}
	s.write(t, func(w *catalog.Writer) error {
		w.DeleteCheck("n1", consulwire.ServiceMaintenancePrefix+"web-1")
		w.SetStatus("n1", "service:web-1", consulwire.Passing, "ok")
		w.SetStatus("n1", consulwire.SerfHealth, consulwire.Warning, "tired")
		return nil
	})
	if got := status(); got != "warning" {
		t.Errorf("on a node with a warning: %s", got)
	}
}

func TestValuesSurviveTheForm(t *testing.T) {
	s := newSite(t, false)
	for name, test := range map[string]struct {
		value    string
		editable bool
	}{
		"text": {"a\nb\n", true}, "begins with a line's end": {"\n\na", true}, "CR LF": {"a\r\nb\r\n", true}, "empty": {"", true},
		"mixed": {"a\r\nb\n", false}, "CR": {"a\rb", false}, "binary": {"\x00\x01", false}, "not UTF-8": {"\xff", false},
		"escape": {"\x1b[31m", false}, "Chinese": {"中文 🐼 \u202e", true},
	} {
		s.kv.set(name, test.value)
		_, text := s.get(t, "/ui/kv/key?key="+url.QueryEscape(name))
		if editable := strings.Contains(text, "<textarea"); editable != test.editable {
			t.Errorf("%s: in a form %v", name, editable)
		}
		if !test.editable {
			continue
		}
		shown := html.UnescapeString(strings.TrimPrefix(regexp.MustCompile(`(?s)<textarea[^>]*>(.*)</textarea>`).FindStringSubmatch(text)[1], "\n"))
		form := url.Values{"key": {name}, "flags": {"0"}, "index": {s.kv.modified(name)}, "value": {strings.ReplaceAll(shown, "\n", "\r\n")}} // as browsers send it
		if m := regexp.MustCompile(`name="lines" value="(\w+)"`).FindStringSubmatch(text); m != nil {
			form.Set("lines", m[1])
		}
		if response, _ := s.post(t, "/ui/kv/save", form); response.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
		if got := string(s.kv.Get(s.state.View(), name).Value); got != test.value {
			t.Errorf("%s: saved as %q, was %q", name, got, test.value)
		}
		if response, body := s.get(t, "/ui/kv/raw?key="+url.QueryEscape(name)); body != test.value || response.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: downloaded %q", name, body)
		}
	}
}

func TestDeleteConflict(t *testing.T) {
	s := newSite(t, false)
	s.kv.set("a/b", "1")
	before := s.kv.modified("a/b")
	s.kv.set("a/b", "2")
	response, text := s.post(t, "/ui/kv/delete", url.Values{"key": {"a/b"}, "index": {before}})
	if response.StatusCode != http.StatusConflict || !strings.Contains(text, "changed meanwhile") || s.kv.modified("a/b") == "0" {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	response, _ = s.post(t, "/ui/kv/delete", url.Values{"key": {"a/b"}, "index": {s.kv.modified("a/b")}})
	if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/ui/kv?prefix=a%2F&done=deleted" || s.kv.modified("a/b") != "0" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestConsulsPathsLeadHere(t *testing.T) {
	s := newSite(t, false)
	for path, want := range map[string]string{
		"/ui/dc1/services": "/ui/services", "/ui/dc1/services/web/instances": "/ui/service?name=web", "/ui/dc1/nodes": "/ui/nodes",
		"/ui/dc1/nodes/n1/health-checks": "/ui/node?name=n1", "/ui/dc1/kv": "/ui/kv", "/ui/dc1/kv/a/b/": "/ui/kv?prefix=a%2Fb%2F",
		"/ui/dc1/kv/a/b/edit": "/ui/kv/key?key=a%2Fb", "/ui/dc1/intentions": "", "/ui/dc2/services": "",
	} {
		response, _ := s.get(t, path)
		if got := response.Header.Get("Location"); got != want {
			t.Errorf("%s leads to %q, want %q", path, got, want)
		}
	}
}

func TestLanguageCookieLeadsNowhereElse(t *testing.T) {
	s := newSite(t, false)
	for _, back := range []string{"//evil.example/", "https://evil.example/ui/", `/ui/\evil`, "/v1/agent/leave", ""} {
		response, _ := s.get(t, "/ui/language?to=zh&back="+url.QueryEscape(back))
		if got := response.Header.Get("Location"); got != "/ui/" {
			t.Errorf("back to %q leads to %q", back, got)
		}
	}
	response, _ := s.get(t, "/ui/language?to=xx&back=/ui/nodes")
	if response.Header.Get("Set-Cookie") != "" {
		t.Error("a language that is none was kept")
	}
	for header, want := range map[string]string{
		"": "en", "zh": "zh-Hans", "zh-CN,zh;q=0.9,en;q=0.8": "zh-Hans", "en-US,en;q=0.9,zh;q=0.8": "en", "fr": "en",
		"zh;q=0.1,en;q=0.2": "en", "zh;q=x": "en", "de, ZH-tw;q=0.5": "zh-Hans", "zh;q=0": "en",
	} {
		if _, text := s.get(t, "/ui/nodes", "Accept-Language", header); !strings.Contains(text, `<html lang="`+want+`"`) {
			t.Errorf("Accept-Language %q: not %s", header, want)
		}
	}
}

// TestManyServices holds that the pages of a large catalog are small and written without asking it again and again.
func TestManyServices(t *testing.T) {
	s := newSite(t, false)
	s.write(t, func(w *catalog.Writer) error {
		for n := range 50 {
			if err := w.SetNode(&consulwire.Node{Node: fmt.Sprintf("node-%02d", n), Address: "10.0.0.1"}); err != nil {
				return err
			}
		}
		for i := range 5000 {
			node, id := fmt.Sprintf("node-%02d", i%50), fmt.Sprintf("i-%d", i)
			err := w.SetInstance(&catalog.Instance{Node: node, NodeService: consulwire.NodeService{
				ID: id, Service: fmt.Sprintf("service-%03d", i%1000), Tags: []string{"v1", "blue"}, Port: i,
			}})
			if err != nil {
				return err
			}
			if err := w.SetCheck(check(node, id, "service:"+id, "HTTP", worst[i%3], strings.Repeat("output ", 1500))); err != nil {
				return err
			}
		}
		for i := range 5000 {
			err := w.SetInstance(&catalog.Instance{Node: "node-00", NodeService: consulwire.NodeService{ID: fmt.Sprintf("big-%d", i), Service: "big"}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for path, most := range map[string]int{
		"/ui/services": 150 << 10, "/ui/services?q=999": 20 << 10, "/ui/service?name=service-001": 40 << 10, "/ui/service?name=big": 150 << 10,
		"/ui/nodes": 100 << 10, "/ui/node?name=node-00": 120 << 10,
	} {
		began := time.Now()
		response, text := s.get(t, path)
		t.Logf("%s: %d KiB in %s", path, len(text)>>10, time.Since(began).Round(time.Millisecond))
		if response.StatusCode != http.StatusOK || len(text) > most {
			t.Errorf("%s: %d, %d bytes", path, response.StatusCode, len(text))
		}
	}
}

var worst = []string{consulwire.Critical, consulwire.Warning, consulwire.Passing}
