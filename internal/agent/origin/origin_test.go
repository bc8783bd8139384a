package origin_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/origin"
)

func TestRefusal(t *testing.T) {
	loopback := origin.Policy{Loopback: true, Hosts: []string{"panda.test"}}
	open := origin.Policy{}
	link := "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document"
	for _, test := range []struct {
		policy  origin.Policy
		method  string
		host    string
		headers string
		refused string // a word of the reason
	}{
		{loopback, "GET", "127.0.0.1:8500", "", ""},
		{loopback, "GET", "[::1]:8500", "", ""},
		{loopback, "GET", "LocalHost", "", ""},
		{loopback, "GET", "localhost.:8500", "", ""},
		{loopback, "GET", "panda.localhost", "", ""},
		{loopback, "GET", "A.Panda.LOCALHOST.:8500", "", ""},
		{loopback, "POST", "panda.localhost:8500", "Origin: http://panda.localhost:8500|Sec-Fetch-Site: same-origin", ""},
		{loopback, "POST", "panda.localhost:8500", "Origin: http://other.localhost:8500", "Origin"},
		{loopback, "GET", "evillocalhost", "", "Host"},
		{loopback, "GET", "localhost..", "", "Host"},
		{loopback, "GET", ".", "", "Host"},
		{loopback, "GET", "Panda.Test:1", "", ""},
		{loopback, "GET", "panda.test.", "", ""},
		{loopback, "GET", "", "", ""},
		{loopback, "GET", "evil.example:8500", "", "Host"},
		{loopback, "GET", "localhost.evil.example", "", "Host"},
		{loopback, "GET", "127.0.0.1.evil.example", "", "Host"},
		{open, "GET", "agent.lan", "", ""},

		{loopback, "POST", "127.0.0.1:8500", "Origin: http://127.0.0.1:8500", ""},
		{loopback, "POST", "panda.test:8500", "Origin: http://panda.test:8500|Sec-Fetch-Site: same-origin", ""},
		{loopback, "POST", "127.0.0.1:8500", "Origin: http://127.0.0.1:8501", "Origin"},
		{loopback, "POST", "127.0.0.1:8500", "Origin: http://localhost:8500", "Origin"},
		{loopback, "POST", "127.0.0.1:8500", "Origin: https://127.0.0.1:8500", "Origin"},
		{loopback, "POST", "127.0.0.1:8500", "Origin: null", "Origin"},
		{loopback, "POST", "127.0.0.1:8500", "Origin: http://", "Origin"},
		{loopback, "POST", "", "Origin: http://", "Origin"},
		{loopback, "POST", "evil.example:8500", "Origin: http://evil.example:8500", "Origin"},
		{open, "POST", "evil.example:8500", "Origin: http://evil.example:8500", "Origin"},
		{open, "POST", "10.0.0.1:8500", "Origin: http://10.0.0.1:8500", ""},

		{loopback, "GET", "127.0.0.1:8500", "Sec-Fetch-Site: none", ""},
		{loopback, "GET", "127.0.0.1:8500", "Sec-Fetch-Site: same-origin", ""},
		{loopback, "GET", "127.0.0.1:8500", link, ""},
		{loopback, "POST", "127.0.0.1:8500", link, "Sec-Fetch-Site"},
		{loopback, "GET", "127.0.0.1:8500", strings.ReplaceAll(link, "document", "iframe"), "Sec-Fetch-Site"},
		{loopback, "GET", "localhost:8500", "Sec-Fetch-Site: same-site|Sec-Fetch-Mode: no-cors|Sec-Fetch-Dest: script", "Sec-Fetch-Site"},
		{loopback, "GET", "localhost:8500", "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: no-cors|Sec-Fetch-Dest: image", "Sec-Fetch-Site"},
	} {
		r := httptest.NewRequest(test.method, "/", http.NoBody)
		r.Host = test.host
		for header := range strings.SplitSeq(test.headers, "|") {
			if name, value, ok := strings.Cut(header, ": "); ok {
				r.Header.Set(name, value)
			}
		}
		got := test.policy.Refusal(r)
		if (got == "") != (test.refused == "") || !strings.Contains(got, test.refused) {
			t.Errorf("%s Host %q %s: %q, want %q", test.method, test.host, test.headers, got, test.refused)
		}
	}
}

func TestSchemeIsTheServers(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	r.Host, r.TLS = "localhost:1", &tls.ConnectionState{}
	r.Header.Set("Origin", "http://localhost:1")
	if (origin.Policy{}).Refusal(r) == "" {
		t.Error("a page that came without TLS may speak to a server with it")
	}
	r.Header.Set("Origin", "https://localhost:1")
	if why := (origin.Policy{}).Refusal(r); why != "" {
		t.Error(why)
	}
}
