package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is an agent that serves until the test ends or stop is called.
type running struct {
	*agent.Agent
	client *api.Client
	http   *http.Client
	log    *safeBuffer
	stop   func() // ends it and waits
}

func start(t *testing.T, cfg agent.Config) *running {
	t.Helper()
	log := new(safeBuffer)
	if cfg.HTTPAddr == "" {
		cfg.HTTPAddr = "127.0.0.1:0"
	}
	cfg.Node = "n1"
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	transport := &http.Transport{}
	client, err := api.NewClient(&api.Config{Address: a.Addr().String(), HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		transport.CloseIdleConnections()
	})
	t.Cleanup(stop)
	return &running{Agent: a, client: client, http: &http.Client{Transport: transport}, log: log, stop: stop}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// do sends a request and returns the answer with its body read.
func (r *running) do(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
		request.Header.Set(header[i], header[i+1])
	}
	response, err := r.http.Do(request)
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

func (r *running) register(t *testing.T, registration *api.AgentServiceRegistration) {
	t.Helper()
	if err := r.client.Agent().ServiceRegister(registration); err != nil {
		t.Fatal(err)
	}
}

// entries asks for the service, after the index unless that is 0.
func (r *running) entries(t *testing.T, service string, index uint64) ([]*api.ServiceEntry, uint64) {
	t.Helper()
	entries, meta, err := r.client.Health().Service(service, "", false, &api.QueryOptions{WaitIndex: index, WaitTime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return entries, meta.LastIndex
}

// until follows the service by blocking queries until ok holds of its only instance's status.
func (r *running) until(t *testing.T, service, status string) *api.ServiceEntry {
	t.Helper()
	index := uint64(0)
	for {
		entries, next := r.entries(t, service, index)
		if len(entries) == 1 && entries[0].Checks.AggregatedStatus() == status {
			return entries[0]
		}
		if next <= index {
			t.Fatalf("%s is not %s in time: %s", service, status, describe(entries))
		}
		index = next
	}
}

func describe(entries []*api.ServiceEntry) string {
	var b strings.Builder
	for _, e := range entries {
		for _, c := range e.Checks {
			fmt.Fprintf(&b, "%s %s: %s %q; ", e.Service.ID, c.CheckID, c.Status, c.Output)
		}
	}
	return b.String()
}

func ttl(service, id, duration string) *api.AgentServiceRegistration {
	return &api.AgentServiceRegistration{
		Name: service, ID: id, Port: 80, Check: &api.AgentServiceCheck{TTL: duration},
	}
}
