package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzRequest holds that no path, query or body makes the handler panic or answer with a status that it has not.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/v1/catalog/service/web?tag=a&node-meta=b:c&filter=ServicePort==1", ""},
		{"GET", "/v1/health/service/%2F?passing&near=_agent&cached&stale", ""},
		{"GET", "/v1/catalog/node/" + strings.Repeat("1-", 40), ""},
		{"PUT", "/v1/catalog/register", `{"Node":"a","Address":"b","Service":{"Service":"c"},"Checks":[null,{"Name":"d","Definition":{"Interval":"1s"}}]}`},
		{"PUT", "/v1/catalog/deregister", `{"Node":"n1","ServiceID":"x"}`},
		{"PUT", "/v1/event/fire/a?node=.*&service=a&tag=b", "payload"},
		{"DELETE", "/v1/config/a/b/c", ""}, {"OPTIONS", "/v1/query/a/execute", ""}, {"GET", "/v1/connect/intentions/match?by=source&name=a/b/c/d", ""},
		{"PUT", "/v1/operator/autopilot/configuration?cas=-1", `{"LastContactThreshold":"x"}`}, {"PUT", "/v1/agent/join/[::1]:x", ""},
		{"GET", "/v1/agent/health/service/name/\xff", ""},
		{"CONNECT", "/", "body"}, {"CONNECT", "/v1/status/leader", ""}, {"CONNECT", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	h, _ := newHandler(f)
	server := httptest.NewServer(h)
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		location, err := url.Parse(target)
		if err != nil || location.Host != "" || strings.Contains(location.Path, "/monitor") || strings.Contains(location.Path, "/stream") {
			t.Skip()
		}
		query := location.Query()
		for _, waiting := range []string{"index", "wait", "hash"} { // nothing changes here: it would only wait
			query.Del(waiting)
		}
		location.RawQuery = query.Encode()
		location.Scheme, location.Host = "http", strings.TrimPrefix(server.URL, "http://")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, method, location.String(), strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		response, err := server.Client().Transport.RoundTrip(request)
		if err != nil {
			t.Fatalf("%s %q: %v", method, target, err)
		}
		_ = response.Body.Close()
		if response.StatusCode >= http.StatusNotImplemented {
			t.Errorf("%s %q: %s", method, target, response.Status)
		}
	})
}
