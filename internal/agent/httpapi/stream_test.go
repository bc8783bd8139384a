package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/logs"
	"github.com/pandakit/panda/internal/consulwire"
)

// serve serves the handler until the test ends, and returns its URL and a client.
func serve(t *testing.T, h http.Handler) (string, *http.Client) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL, server.Client()
}

func fetch(t *testing.T, client *http.Client, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// TestMonitorStreams holds that lines arrive while the agent logs them, and that nothing is watched once the client
// has left.
func TestMonitorStreams(t *testing.T) {
	h, _ := newHandler(t)
	hub := logs.NewHub()
	h.cfg.Logs = hub
	logger := slog.New(hub.Handler())
	url, client := serve(t, h)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/agent/monitor?loglevel=debug", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	for n := range 3 { // the headers arrive once it watches
		logger.Debug("hello", "n", n)
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, fmt.Sprintf("[DEBUG] agent: hello: n=%d\n", n)) {
			t.Fatalf("line %d: %q, %v", n, line, err)
		}
	}
}

func TestMonitorWithoutLog(t *testing.T) {
	h, _ := newHandler(t)
	if answer := get(h, "/v1/agent/monitor"); answer.Code != http.StatusInternalServerError {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
}

func TestReloadAndLeave(t *testing.T) {
	h, _ := newHandler(t)
	url, client := serve(t, h)
	if response, text := fetch(t, client, http.MethodPut, url+"/v1/agent/leave", ""); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("left without a way to: %d %s", response.StatusCode, text)
	}
	called := ""
	h.cfg.Reload = func(context.Context) error { called += "reload "; return fmt.Errorf("read a.json: no") }
	h.cfg.Leave = func(context.Context) error { called += "leave"; return nil }
	response, text := fetch(t, client, http.MethodPut, url+"/v1/agent/reload", "")
	if response.StatusCode != http.StatusInternalServerError || text != "read a.json: no" {
		t.Errorf("reload: %d %s", response.StatusCode, text)
	}
	if response, text := fetch(t, client, http.MethodPut, url+"/v1/agent/leave", ""); response.StatusCode != http.StatusOK || text != "" || called != "reload leave" {
		t.Errorf("leave: %d %s, called %s", response.StatusCode, text, called)
	}
}

// TestEventWakes holds that a query waits for an event whose index it does not have.
func TestEventWakes(t *testing.T) {
	h, _ := newHandler(t)
	url, client := serve(t, h)
	done := make(chan string)
	waiting, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/event/list?index=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		response, err := client.Do(waiting)
		if err != nil {
			return
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		done <- string(text)
	}()
	fetch(t, client, http.MethodPut, url+"/v1/event/fire/up?node=other", "not for us")
	fetch(t, client, http.MethodPut, url+"/v1/event/fire/up", "for us")
	if got := <-done; !strings.Contains(got, `"Payload":"Zm9yIHVz"`) || strings.Contains(got, "other") {
		t.Errorf("got %s", got)
	}
	large := strings.Repeat("x", maxBody+1)
	if response, text := fetch(t, client, http.MethodPut, url+"/v1/event/fire/up", large); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %s", response.StatusCode, text)
	}
}

func TestGzip(t *testing.T) {
	h, state := newHandler(t)
	err := state.Write(func(w *catalog.Writer) error {
		for i := range 20 {
			if err := w.SetNode(&consulwire.Node{Node: fmt.Sprintf("node-%d", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	url, client := serve(t, h)
	_, plain := fetch(t, client, http.MethodGet, url+"/v1/catalog/nodes", "", "Accept-Encoding", "identity")
	for range 2 { // the second time from what was kept
		response, zipped := fetch(t, client, http.MethodGet, url+"/v1/catalog/nodes", "", "Accept-Encoding", "gzip")
		reader, err := gzip.NewReader(bytes.NewReader([]byte(zipped)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil || string(text) != plain || response.Header.Get("Content-Encoding") != "gzip" || response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%v, headers %v, %d bytes, want %d", err, response.Header, len(text), len(plain))
		}
	}
	for accept, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "gzip; q=1": true, "gzip;q=0": false, "gzip;q=x": false, "*": false, "": false, "x-gzip": false,
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Accept-Encoding", accept)
		if got := acceptsGzip(request); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	h, _ := newHandler(t)
	get(h, "/v1/catalog/nodes")
	text := get(h, "/v1/agent/metrics?format=prometheus").Body.String()
	for _, want := range []string{"# TYPE consul_api_http summary\n", `consul_api_http_count{method="GET",path="v1_catalog_nodes"} 1` + "\n", "consul_consul_state_nodes 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if text := get(h, "/v1/agent/metrics").Body.String(); !strings.Contains(text, `"Name":"consul.api.http","Count":1`) {
		t.Errorf("got %s", text)
	}
}

// TestHalfClosed holds that a query does not wait for a client that has closed its side of the connection.
func TestHalfClosed(t *testing.T) {
	h, state := newHandler(t)
	url, _ := serve(t, h)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	query := fmt.Sprintf("GET /v1/catalog/nodes?index=%d&wait=10m HTTP/1.1\r\nHost: localhost\r\n\r\n", state.View().Index())
	if _, err := io.WriteString(conn, query); err != nil {
		t.Fatal(err)
	}
	half, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatal("no TCP")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // ends once the server has closed it
		t.Fatal(err)
	}
}

func TestResponseHeaders(t *testing.T) {
	h, _ := newHandler(t)
	h.cfg.ResponseHeaders = map[string]string{"x-own": "1"}
	for _, path := range []string{"/v1/catalog/nodes", "/v1/nope", "/"} {
		if got := get(h, path).Header().Get("X-Own"); got != "1" {
			t.Errorf("%s: %q", path, got)
		}
	}
}
