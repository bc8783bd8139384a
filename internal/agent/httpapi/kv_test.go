package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// request sends a request whose path is taken as it is.
func request(h http.Handler, method, path, query, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery = path, query
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer
}

// FuzzKV holds that whatever a key and its query are, a value that was taken is found again under its own key, and
// nothing else happened to the store.
func FuzzKV(f *testing.F) {
	for _, seed := range [][2]string{
		{"a", ""}, {"a/b/", "flags=7"}, {"a//b", ""}, {"../x", ""}, {"\xff", "cas=0"}, {"a b?c", "cas=1"}, {"服务", "acquire=x"},
		{"", "recurse"}, {"a\x00b", ""}, {"a", "keys&separator="}, {".", "flags=%zz"}, {"%2e%2e", "release=&cas=3"}, {"a;b", "dc=dc1&cas=;"},
	} {
		f.Add(seed[0], seed[1])
	}
	h, state := newHandler(f)
	f.Fuzz(func(t *testing.T, key, query string) {
		before := state.View()
		answer := request(h, http.MethodPut, "/v1/kv/"+key, query, "value")
		stored := state.View().Key(key)
		if took := answer.Code == http.StatusOK && answer.Body.String() == "true"; took != (state.View().Index() != before.Index()) && before.Key(key) == nil {
			t.Errorf("put %q?%s: %d %s, and the index went from %d to %d", key, query, answer.Code, answer.Body, before.Index(), state.View().Index())
		}
		if stored != nil {
			if got := request(h, http.MethodGet, "/v1/kv/"+key, "raw", ""); got.Code != http.StatusOK || got.Body.String() != "value" {
				t.Errorf("get %q: %d %q", key, got.Code, got.Body)
			}
			if got := request(h, http.MethodGet, "/v1/kv/"+key, "keys&separator="+query, ""); got.Code != http.StatusOK {
				t.Errorf("keys of %q: %d %q", key, got.Code, got.Body)
			}
			if request(h, http.MethodDelete, "/v1/kv/"+key, "", ""); state.View().Key(key) != nil {
				t.Errorf("%q stays though it was deleted", key)
			}
		}
		request(h, http.MethodGet, "/v1/kv/"+key, "wait=1ns&"+query, "")
		request(h, http.MethodDelete, "/v1/kv/"+key, query, "")
		for p := range state.View().Keys("") {
			t.Errorf("left: %q", p.Key)
		}
	})
}

func TestUpTo(t *testing.T) {
	for _, test := range []struct {
		key, prefix, separator, want string
	}{
		{"a/b/c", "a/", "/", "a/b/"},
		{"a/b", "a/", "/", "a/b"},
		{"a/b/c", "a", "/", "a/"},
		{"a/b", "a/", "", "a/b"},
		{"a--b--c", "a", "--", "a--"},
		{"a/", "a/", "/", "a/"},
	} {
		if got := upTo(test.key, len(test.prefix), test.separator); got != test.want {
			t.Errorf("%s below %s up to %q: %s, want %s", test.key, test.prefix, test.separator, got, test.want)
		}
	}
}
