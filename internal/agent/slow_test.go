package agent

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/httpapi"
	"github.com/pandakit/panda/internal/agent/origin"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

// pipes is a listener for connections within the process, whose deadlines are in a test's time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// served is a client's connection to a server with all that an agent answers.
func served(t *testing.T) (client net.Conn, state *catalog.Catalog) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	state = catalog.New(1)
	if err := state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: "n1"}) }); err != nil {
		t.Fatal(err)
	}
	r := registrar.New(registrar.Config{Catalog: state, Node: "n1", Logger: logger})
	api := httpapi.New(httpapi.Config{Catalog: state, Registrar: r, Logger: logger, Node: "n1", Datacenter: "dc1"})
	cfg := &Config{UI: true, Node: "n1", Datacenter: "dc1", Logger: logger}
	server, listener := newServer(front(cfg, &keeper{catalog: state}, origin.Policy{}, api), logger), make(pipes, 1)
	client, accepted := net.Pipe()
	listener <- accepted
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	t.Cleanup(func() {
		_, _ = client.Close(), server.Close()
		<-ended
		r.Close()
	})
	return client, state
}

// ask sends what is given of a request and returns the answer and how long it took.
func ask(t *testing.T, conn net.Conn, request string) (answer *http.Response, took time.Duration) {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v after %s", request, err, time.Since(began))
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer, time.Since(began)
}

// TestStalledBodies holds that a body which never arrives is waited for so long and no longer, read or not, and that the
// connection is closed then.
func TestStalledBodies(t *testing.T) {
	for request, want := range map[string]struct {
		status int
		within time.Duration
	}{
		"PUT /v1/agent/maintenance?enable=false":      {200, 30 * time.Second},
		"GET /v1/kv/max":                              {404, 30 * time.Second},
		"DELETE /v1/agent/self":                       {405, 30 * time.Second},
		"GET /v1/nope":                                {404, 30 * time.Second},
		"PUT /v1/kv/max":                              {408, 30 * time.Second},
		"PUT /v1/agent/service/register":              {408, 30 * time.Second},
		"PUT /v1/txn":                                 {408, 30 * time.Second},
		"PUT /v1/event/fire/e":                        {408, 30 * time.Second},
		"PUT /v1/snapshot":                            {408, 10 * time.Minute},
		"GET /ui/services":                            {200, 30 * time.Second},
		"POST /ui/kv/save":                            {408, 30 * time.Second},
		"GET /":                                       {301, 30 * time.Second},
		"GET /robots.txt":                             {200, 30 * time.Second},
		"GET /v1/catalog/nodes?index=1000000&wait=5m": {200, 30 * time.Second},
		"GET /v1/health/service/web?index=2&wait=2m":  {200, 135 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn, _ := served(t)
			answer, took := ask(t, conn, request+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n{")
			if answer.StatusCode != want.status || took > want.within || took < min(want.within, 30*time.Second) {
				t.Errorf("%s: %d after %s, want %d after %s", request, answer.StatusCode, took, want.status, want.within)
			}
			if n, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: %d bytes more, and the connection stays", request, n)
			}
		})
	}
}

// TestQueriesAreNotCut holds that what bounds a body does not end the wait of a query that has none, or a whole one, and
// that the connection takes another request.
func TestQueriesAreNotCut(t *testing.T) {
	for _, body := range []string{"\r\n", "Content-Length: 2\r\n\r\n{}"} {
		synctest.Test(t, func(t *testing.T) {
			conn, state := served(t)
			query := fmt.Sprintf("GET /v1/health/service/web?index=%d&wait=8m HTTP/1.1\r\nHost: localhost\r\n%s", state.View().Index(), body)
			for range 2 {
				answer, took := ask(t, conn, query)
				if answer.StatusCode != http.StatusOK || took < 8*time.Minute {
					t.Fatalf("%q: %d after %s", body, answer.StatusCode, took)
				}
			}
			answer, _ := ask(t, conn, "PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{\"Name\":\"web\"}")
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%q: a request afterwards: %d", body, answer.StatusCode)
			}
			if answer, took := ask(t, conn, query); answer.StatusCode != http.StatusOK || took > time.Second {
				t.Errorf("%q: a query afterwards: %d after %s", body, answer.StatusCode, took)
			}
		})
	}
}
