package agent_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

func TestPagesForPeople(t *testing.T) {
	a := start(t, agent.Config{UI: true})
	a.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a.register(t, ttl("web", "web1", "10m"))
	for path, want := range map[string]struct {
		status   int
		location string
		text     string
	}{
		"/":                    {301, "/ui/", ""},
		"/ui":                  {307, "/ui/", ""},
		"/ui/":                 {302, "/ui/services", ""},
		"/ui/services":         {200, "", "web"},
		"/ui/service?name=web": {200, "", "web1"},
		"/ui/node?name=n1":     {200, "", "Serf Health Status"},
		"/ui/dc1/services":     {303, "/ui/services", ""},
		"/ui/nowhere":          {404, "", "There is no such page."},
		"/robots.txt":          {200, "", "Disallow: /"},
		"/v1/status/leader":    {200, "", "127.0.0.1"},
		"/nowhere":             {404, "", "Invalid URL path"},
	} {
		response, text := a.do(t, "GET", path, "")
		if response.StatusCode != want.status || response.Header.Get("Location") != want.location || !strings.Contains(text, want.text) {
			t.Errorf("%s: %d %q %.200s", path, response.StatusCode, response.Header.Get("Location"), text)
		}
		if response, _ := a.do(t, "GET", path, "", "Host", "evil.example"); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s under a foreign name: %d", path, response.StatusCode)
		}
	}
	if response, _ := a.do(t, "PUT", "/v1/agent/check/pass/service:web1", "", "Origin", a.URL()); response.StatusCode != http.StatusOK {
		t.Errorf("the agent's own page may not use its API: %d", response.StatusCode)
	}
}

func TestNoPagesForPeople(t *testing.T) {
	a := start(t, agent.Config{})
	for path, want := range map[string]string{
		"/":            "Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent configuration and restart.",
		"/ui/":         "Invalid URL path",
		"/ui/services": "Invalid URL path",
		"/robots.txt":  "Invalid URL path",
	} {
		if _, text := a.do(t, "GET", path, ""); !strings.HasPrefix(text, want) {
			t.Errorf("%s: %s", path, text)
		}
	}
}

func TestKeysOnPages(t *testing.T) {
	a := start(t, agent.Config{UI: true})
	a.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	form := func(path, body string) int {
		response, _ := a.do(t, "POST", path, body, "Content-Type", "application/x-www-form-urlencoded", "Origin", a.URL())
		return response.StatusCode
	}
	if got := form("/ui/kv/save", "key=a%2Fb&value=from+the+page&flags=7&index=0"); got != http.StatusSeeOther {
		t.Errorf("save: %d", got)
	}
	pair, _, err := a.client.KV().Get("a/b", nil)
	if err != nil || string(pair.Value) != "from the page" || pair.Flags != 7 {
		t.Fatalf("stored %+v, %v", pair, err)
	}
	pair.Value = []byte("from the API")
	if _, err := a.client.KV().Put(pair, nil); err != nil {
		t.Fatal(err)
	}
	index := strconv.FormatUint(pair.ModifyIndex, 10)
	if got := form("/ui/kv/save", "key=a%2Fb&value=late&flags=7&index="+index); got != http.StatusConflict {
		t.Errorf("a save that comes late: %d", got)
	}
	if got := form("/ui/kv/delete", "key=a%2Fb&index="+index); got != http.StatusConflict {
		t.Errorf("a deletion that comes late: %d", got)
	}
	if _, text := a.do(t, "GET", "/ui/kv/key?key=a/b", ""); !strings.Contains(text, "from the API") {
		t.Errorf("the page does not show the value: %s", text)
	}
	if _, text := a.do(t, "GET", "/ui/kv?prefix=a/", ""); !strings.Contains(text, "a%2fb") && !strings.Contains(text, "a%2Fb") {
		t.Errorf("the page does not list the key: %s", text)
	}
	id, _, err := a.client.Session().Create(&api.SessionEntry{Name: "leader election", TTL: "10s"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := a.client.KV().Acquire(&api.KVPair{Key: "lock", Session: id}, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, text := a.do(t, "GET", "/ui/sessions", ""); !strings.Contains(text, id) || !strings.Contains(text, "key=lock") {
		t.Errorf("the page does not show the session: %s", text)
	}
}
