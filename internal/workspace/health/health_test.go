package health_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/workspace/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent answers as an agent does whose state a test sets.
type agent struct {
	*httptest.Server
	mu       sync.Mutex
	index    int
	checks   []map[string]any
	broken   bool
	changed  chan struct{} // closed by the next change
	queries  int           // about checks
	services int           // questions for addresses
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	a := &agent{index: 10, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/health/state/any", a.state)
	mux.HandleFunc("GET /v1/agent/services", func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.services++
		_ = json.NewEncoder(w).Encode(map[string]any{
			"web-1": map[string]any{"ID": "web-1", "Address": "::1", "Port": 81},
		})
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *agent) state(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.queries++
	for r.URL.Query().Get("index") == fmt.Sprint(a.index) && !a.broken {
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		a.mu.Lock()
	}
	defer a.mu.Unlock()
	if a.broken {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Consul-Index", fmt.Sprint(a.index))
	_ = json.NewEncoder(w).Encode(a.checks)
}

// set changes the state and wakes those who wait.
func (a *agent) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index++
	change()
	close(a.changed)
	a.changed = make(chan struct{})
}

func check(id, service, status, output string, created int) map[string]any {
	return map[string]any{"CheckID": id, "ServiceID": service, "Status": status, "Output": output, "CreateIndex": created}
}

// follow returns the states that come.
func follow(t *testing.T, addresses ...string) <-chan health.State {
	t.Helper()
	registry, err := health.New(consul.Config{Addresses: addresses})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	states, ended := make(chan health.State), make(chan struct{})
	go func() {
		defer close(ended)
		registry.Follow(ctx, func(id, _ string) bool { return strings.HasPrefix(id, "web-") }, func(s health.State) {
			select {
			case states <- s:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		registry.Close()
	})
	return states
}

// await returns the first state that fits.
func await(t *testing.T, states <-chan health.State, what string, fits func(health.State) bool) health.State {
	t.Helper()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for {
		select {
		case s := <-states:
			if fits(s) {
				return s
			}
		case <-timeout.C:
			t.Fatalf("no state %s", what)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	states := follow(t, a.URL)
	if s := <-states; len(s.Instances) != 0 || s.Err != nil {
		t.Errorf("the first state is %+v, want none and no error", s)
	}
	a.set(func() {
		a.checks = []map[string]any{
			check("node", "", "critical", "", 1), check("service:db-1", "db-1", "passing", "", 2),
			check("a", "web-1", "passing", "fine", 7), check("b", "web-1", "critical", "disk full", 8), check("c", "web-1", "warning", "", 9),
		}
	})
	want := health.Instance{Status: "critical", Output: "disk full", Address: "[::1]:81", Registration: 9}
	if s := <-states; len(s.Instances) != 1 || s.Instances["web-1"] != want {
		t.Errorf("the state is %+v, want web-1 alone as %+v", s, want)
	}
	a.set(func() { a.checks[3]["Output"] = "disk fuller" })
	if s := <-states; s.Instances["web-1"].Output != "disk fuller" || s.Instances["web-1"].Address != "[::1]:81" {
		t.Errorf("the state is %+v, want the new output and the known address", s)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.services != 1 || a.queries > 4 {
		t.Errorf("there were %d questions for addresses and %d for checks, want 1 and one for each change", a.services, a.queries)
	}
}

func TestFollowTellsThatTheRegistryIsAwayAndBack(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.checks = []map[string]any{check("a", "web-1", "passing", "", 7)}
	states := follow(t, a.URL)
	<-states
	a.set(func() { a.broken = true })
	away := await(t, states, "with an error", func(s health.State) bool { return s.Err != nil })
	if away.Since.IsZero() || len(away.Instances) != 1 || !strings.Contains(away.Err.Error(), strings.TrimPrefix(a.URL, "http://")) {
		t.Errorf("away is %+v, want the last instances, since when, and the address in the error", away)
	}
	a.set(func() { a.broken, a.index = false, 1 }) // it began anew: its index went back
	await(t, states, "without an error", func(s health.State) bool { return s.Err == nil && len(s.Instances) == 1 })
	a.set(func() { a.checks = nil })
	await(t, states, "without instances", func(s health.State) bool { return s.Err == nil && len(s.Instances) == 0 })
}

func TestFollowGoesToTheNextAgent(t *testing.T) {
	t.Parallel()
	broken, good := newAgent(t), newAgent(t)
	broken.broken = true
	if s := <-follow(t, broken.URL, good.URL); s.Err != nil {
		t.Errorf("the first state has %v, though the second agent answers", s.Err)
	}
}

func TestNewNamesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	if _, err := health.New(consul.Config{Addresses: []string{"ftp://x"}}); err == nil || !strings.Contains(err.Error(), `"ftp"`) {
		t.Errorf("New = %v, want the scheme named", err)
	}
}

func TestOnLoopback(t *testing.T) {
	t.Parallel()
	for addresses, want := range map[string]bool{
		"":                          true,
		"127.0.0.1:8500":            true,
		"localhost:8500,[::1]:8501": true,
		"unix:///run/consul.sock":   true,
		"10.0.0.1:8500":             false,
		"127.0.0.1:8500,consul":     false,
	} {
		cfg := consul.Config{}
		if addresses != "" {
			cfg.Addresses = strings.Split(addresses, ",")
		}
		r, err := health.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.OnLoopback(); got != want {
			t.Errorf("OnLoopback with %q = %v, want %v", addresses, got, want)
		}
		r.Close()
	}
}
