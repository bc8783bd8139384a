package ui_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/ui"
	"github.com/pandakit/panda/internal/consulwire"
)

// words returns what stands in a page without its tags, each run of space as one.
func words(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " "))), " ")
}

// holds fails the test unless the page in a language has all of the words, and none of those behind a "!".
func (s *site) holds(t *testing.T, path, language string, all ...string) {
	t.Helper()
	_, text := s.get(t, path, "Accept-Language", language)
	for _, want := range all {
		if not, ok := strings.CutPrefix(want, "!"); ok == strings.Contains(words(text), strings.TrimPrefix(want, "!")) {
			t.Errorf("%s in %s: %q is there: %v\n%s", path, language, strings.TrimPrefix(want, "!"), not != want, words(text))
		}
	}
}

func TestNewcomerIsToldHowToRegister(t *testing.T) {
	s := newSite(t, true)
	const first = "No service of yours is registered yet"
	s.holds(t, "/ui/services", "en", first) // not even the agent itself
	s.write(t, func(w *catalog.Writer) error {
		return w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{ID: "consul", Service: "consul"}})
	})
	s.holds(t, "/ui/services", "en", first, "1 service", "consul", "panda up", "curl -X PUT "+s.url+"/v1/agent/service/register")
	s.holds(t, "/ui/services", "zh", "还没有注册您自己的服务")
	s.holds(t, "/ui/services?q=none", "en", "!"+first, "No service matches the filter.")
	for host, want := range map[string]string{
		"127.0.0.1:8500": "<pre>panda up</pre>", "localhost:8500": "<pre>panda up</pre>", "127.0.0.1:9": "<pre>CONSUL_HTTP_ADDR=127.0.0.1:9 panda up</pre>",
	} {
		if _, page := s.get(t, "/ui/services", "Host", host); !strings.Contains(page, want) {
			t.Errorf("on %s there is no %s", host, want)
		}
	}
	_, page := s.get(t, "/ui/services", "Host", "[::1]:8500")
	if !strings.Contains(page, "PUT http://[::1]:8500/v1/") {
		t.Error("the agent's address is not the one that the page was asked from")
	}
	page = html.UnescapeString(page)
	definition := regexp.MustCompile(`(?s)<pre>(\{.*?)</pre>`).FindStringSubmatch(page)
	registration := regexp.MustCompile(`(?s)-d '(.*?)'`).FindStringSubmatch(page)
	if definition == nil || registration == nil {
		t.Fatal("there is no example")
	}
	var file struct{ Service map[string]any }
	var call consulwire.ServiceRegistration
	if err := json.Unmarshal([]byte(definition[1]), &file); err != nil || file.Service["name"] != "web" {
		t.Errorf("%v in %s", err, definition[1])
	}
	if err := json.Unmarshal([]byte(registration[1]), &call); err != nil || call.Name != "web" || call.Check == nil {
		t.Errorf("%v in %s", err, registration[1])
	}
	s.set(t, "web", "web-1", consulwire.Passing, "ok")
	s.holds(t, "/ui/services", "en", "!"+first)
}

func TestSummaryCountsWhatIsShown(t *testing.T) {
	s := newSite(t, false)
	for _, name := range []string{"a1", "a2", "b1"} {
		s.set(t, name, name, consulwire.Passing, "ok")
	}
	s.set(t, "a3", "a3", consulwire.Critical, refused)
	s.holds(t, "/ui/services", "en", "4 services 1 critical 3 passing")
	s.holds(t, "/ui/services?q=a", "en", "3 of 4 services 1 critical 2 passing")
	s.holds(t, "/ui/services?q=a&status=critical", "en", "1 of 4 services 1 critical Service")
	s.holds(t, "/ui/services?q=b", "zh", "显示 1 个，共 4 个服务 1 正常 服务")
	s.holds(t, "/ui/nodes?q=none", "en", "0 of 1 nodes")
	if _, text := s.get(t, "/ui/services?q=a&page=1"); !strings.Contains(text, `href="/ui/services?q=a&amp;status=critical"`) {
		t.Error("a count leads away from what is looked for")
	}
}

func TestInstanceTellsWeightsAndAddresses(t *testing.T) {
	s := newSite(t, false)
	s.write(t, func(w *catalog.Writer) error {
		return w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{
			ID: "web-1", Service: "web", Weights: consulwire.Weights{Passing: 10, Warning: 2},
			TaggedAddresses: map[string]consulwire.ServiceAddress{"wan": {Address: "198.51.100.7", Port: 443}, "lan_ipv6": {Address: "fd00::7", Port: 80}, "bare": {Address: "10.0.0.1"}},
		}})
	})
	s.holds(t, "/ui/service?name=web", "en", "Weights 10 passing, 2 warning", "3 tagged addresses bare 10.0.0.1 lan_ipv6 [fd00::7]:80 wan 198.51.100.7:443")
	s.holds(t, "/ui/service?name=web", "zh", "权重 正常 10，警告 2")
}

func TestSessionsAreTold(t *testing.T) {
	s := newSite(t, false)
	const unnamed = "c0a8b2d7-3f51-4f2e-9f0a-0b7d2f4a6f11"
	s.kv.sessions = []ui.Session{
		{ID: "adf4238a-882b-9ddc-4a9d-5b6758e4159e", Name: "leader", Node: "n1", TTL: "90s", LockDelay: 15 * time.Second, Behavior: "release"},
		{ID: unnamed, Node: "n1", Behavior: "delete"},
	}
	s.holds(t, "/ui/sessions", "en", "TTL 1 min 30 s", "Lock delay 15 s", "its keys are released, and stay as they are", "its keys are deleted", "TTL none", "Lock delay none")
	s.holds(t, "/ui/sessions", "zh", "TTL 1 分钟 30 秒", "锁延迟 15 秒", "结束时对键的处理 释放，键值保持不变", "结束时对键的处理 删除", "!release", "!delete")
	_, text := s.get(t, "/ui/sessions")
	if n := strings.Count(words(text), unnamed); n != 1 {
		t.Errorf("the ID of a session without a name is there %d times", n)
	}
	if !strings.Contains(text, `<time datetime="PT90S">1 min 30 s</time>`) {
		t.Error("no program can read the TTL")
	}
}

func TestLargeValueIsShownInPart(t *testing.T) {
	s := newSite(t, false)
	s.kv.set("large", strings.Repeat("x", 512<<10))
	s.kv.set("small", strings.Repeat("x", 64<<10))
	s.holds(t, "/ui/kv", "en", "large 512 KiB", "small 64 KiB")
	for _, path := range []string{"/ui/kv/key?key=large", "/ui/kv/key?key=large&fragment=1"} {
		response, text := s.get(t, path)
		if response.StatusCode != http.StatusOK || len(text) > 16<<10 || strings.Contains(text, "<textarea") {
			t.Errorf("%s: %d, %d bytes", path, response.StatusCode, len(text))
		}
		if !strings.Contains(text, `<a href="/ui/kv/raw?key=large" download>508 KiB more: download all of it</a>`) || !strings.Contains(text, `<data value="524288">512 KiB</data>`) {
			t.Errorf("%s: %s", path, words(text))
		}
	}
	if _, text := s.get(t, "/ui/kv/key?key=small"); !strings.Contains(text, "<textarea") {
		t.Error("a value of 64 KiB cannot be edited")
	}
	// What was typed is not lost when somebody else made the value a large one.
	form := url.Values{"key": {"large"}, "value": {"mine"}, "flags": {"0"}, "index": {"1"}}
	response, text := s.post(t, "/ui/kv/save", form)
	if response.StatusCode != http.StatusConflict || len(text) > 16<<10 || !strings.Contains(text, "mine</textarea>") || !strings.Contains(text, "508 KiB more") {
		t.Errorf("a conflict with a large value: %d, %d bytes", response.StatusCode, len(text))
	}
}

func TestKeysOutOfReachAreRefused(t *testing.T) {
	s := newSite(t, false)
	for key, address := range map[string]string{
		"/lead": "%2Flead", "ui//dd": "ui%2F%2Fdd", "a/../b": "a%2F..%2Fb", ".": "%2E", "..": "%2E%2E", "a//": "a%2F%2F",
	} {
		form := url.Values{"key": {key}, "value": {"typed"}, "flags": {"0"}, "index": {"0"}}
		response, text := s.post(t, "/ui/kv/save", form)
		if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "another key") || !strings.Contains(text, "typed</textarea>") {
			t.Errorf("%s: %d %s", key, response.StatusCode, words(text))
		}
		if s.kv.modified(key) != "0" {
			t.Errorf("%s was created", key)
		}
		// One that a program made is shown with its address, and can be edited.
		s.kv.set(key, "v")
		s.holds(t, "/ui/kv/key?key="+url.QueryEscape(key), "en", "must be written exactly like this", "/v1/kv/"+address)
		form.Set("index", s.kv.modified(key))
		if response, text := s.post(t, "/ui/kv/save", form); response.StatusCode != http.StatusSeeOther {
			t.Errorf("edit %s: %d %s", key, response.StatusCode, words(text))
		}
	}
	s.kv.set("plain/key", "v")
	s.holds(t, "/ui/kv/key?key=plain/key", "en", "!must be written exactly")
}

func TestLockIsWarnedOf(t *testing.T) {
	s := newSite(t, false)
	const session = "adf4238a-882b-9ddc-4a9d-5b6758e4159e"
	s.kv.set("locked", "v").Session = session
	s.kv.set("free", "v")
	const (
		saving   = "A lock is on this key: saving changes the value and leaves the lock; whoever holds it is not asked. It is held by session " + session
		deleting = "A lock is on this key: deleting the key takes it away; whoever holds it is not asked. It is held by session " + session
	)
	s.holds(t, "/ui/kv/key?key=locked", "en", saving)
	s.holds(t, "/ui/kv/key?key=locked", "zh", "不会征求持有者同意。 持有锁的会话： "+session)
	s.holds(t, "/ui/kv/delete?key=locked", "en", deleting)
	s.holds(t, "/ui/kv/key?key=free", "en", "!A lock is on this key")
	s.holds(t, "/ui/kv/delete?key=free", "en", "!A lock is on this key")
	form := url.Values{"key": {"locked"}, "value": {"mine"}, "flags": {"0"}, "index": {"1"}}
	if _, text := s.post(t, "/ui/kv/save", form); !strings.Contains(words(text), saving) {
		t.Errorf("a conflict does not tell of the lock: %s", words(text))
	}
}

func TestSavedIsSaidUntilTheKeyMoves(t *testing.T) {
	s := newSite(t, false)
	s.kv.set("k", "1")
	page := "/ui/kv/key?key=k&done=saved"
	_, text := s.get(t, page)
	from := html.UnescapeString(regexp.MustCompile(`data-from="([^"]*)"`).FindStringSubmatch(text)[1]) + "&fragment=1"
	s.holds(t, page, "en", "Saved.")
	s.holds(t, from, "en", "Saved.")
	s.kv.set("k", "2")
	s.holds(t, from, "en", "!Saved.", "This key was changed since you opened it.")
}

func TestWhatIsNotSafeHasAPageOfItsOwn(t *testing.T) {
	s := newSite(t, false)
	s.lossy.Store(true)
	for language, want := range map[string]string{"en": "The agent cannot keep what it would show: disk is full", "zh": "代理无法保存将要显示的内容：disk is full"} {
		response, text := s.get(t, "/ui/services", "Accept-Language", language)
		if response.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") || !strings.Contains(words(text), want) {
			t.Errorf("%s: %d %s", language, response.StatusCode, words(text))
		}
	}
}
