package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHandler(t testing.TB) (*Handler, *catalog.Catalog) {
	t.Helper()
	state := catalog.New(1)
	if err := state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: "n1"}) }); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	r := registrar.New(registrar.Config{Catalog: state, Node: "n1", Logger: logger})
	t.Cleanup(r.Close)
	return New(Config{Catalog: state, Registrar: r, Logger: logger, Node: "n1", Datacenter: "dc1"}), state
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, target, nil))
	return answer
}

// TestWaitIsDefaultedAndCapped holds how long a query waits that nothing wakes, in fake time.
func TestWaitIsDefaultedAndCapped(t *testing.T) {
	for wait, want := range map[string]time.Duration{
		"": 5 * time.Minute, "&wait=0": 5 * time.Minute, "&wait=10s": 10 * time.Second, "&wait=10h": 10 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			h, state := newHandler(t)
			index := state.View().Index()
			began := time.Now()
			answer := get(h, fmt.Sprintf("/v1/health/service/web?index=%d%s", index, wait))
			took := time.Since(began)
			if took < want || took > want+want/jitterShare+1 {
				t.Errorf("%q: waited %s, want %s and a sixteenth at most", wait, took, want)
			}
			if answer.Code != 200 || answer.Body.String() != "[]" || answer.Header().Get("X-Consul-Index") == "0" {
				t.Errorf("%q: %d %s", wait, answer.Code, answer.Body)
			}
		})
	}
}

// TestEveryBlockingEndpointWaitsAndWakes holds that each waits on what it shows.
func TestEveryBlockingEndpointWaitsAndWakes(t *testing.T) {
	for _, path := range []string{
		"/v1/catalog/nodes", "/v1/catalog/services", "/v1/catalog/service/web", "/v1/catalog/node/n1",
		"/v1/health/service/web", "/v1/health/checks/web", "/v1/health/node/n1", "/v1/health/state/any",
	} {
		synctest.Test(t, func(t *testing.T) {
			h, state := newHandler(t)
			index, err := strconv.ParseUint(get(h, path).Header().Get("X-Consul-Index"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan *httptest.ResponseRecorder, 1)
			go func() {
				answered <- get(h, fmt.Sprintf("%s?index=%d&wait=10m", path, max(index, state.View().Index())))
			}()
			synctest.Wait()
			select {
			case <-answered:
				t.Fatalf("%s did not wait", path)
			default:
			}
			began := time.Now()
			if err := state.Write(func(w *catalog.Writer) error {
				if err := w.SetNode(&consulwire.Node{Node: "n1", Address: "10.0.0.1"}); err != nil {
					return err
				}
				if err := w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{ID: "web1", Service: "web"}}); err != nil {
					return err
				}
				return w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "n1", CheckID: "c", ServiceID: "web1", Status: "passing"}})
			}); err != nil {
				t.Fatal(err)
			}
			answer := <-answered
			if time.Since(began) > 0 {
				t.Errorf("%s was not woken", path)
			}
			if got := answer.Header().Get("X-Consul-Index"); got != strconv.FormatUint(state.View().Index(), 10) {
				t.Errorf("%s: index %s, want %d", path, got, state.View().Index())
			}
		})
	}
}

// FuzzRegister holds that no body makes the agent fail, and that what it takes can be listed and removed.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{"Name":"web","ID":"web1","Port":80,"Check":{"TTL":"10s"}}`,
		`{"Name":"a/b c","Checks":[{"TTL":"1s"},{"TTL":"1s","CheckID":"x"}],"Tags":["t",""]}`,
		`{"Name":"\u0000","ID":"\u0000\u0000","Address":"fe80::1%eth0","Check":{"TTL":1}}`,
		`{"Name":"w","Check":{"TTL":"1h","ServiceID":"other","OutputMaxSize":1}}`, `{bad`, `null`, ``,
		`{"Name":"w","TaggedAddresses":{"lan_ipv4":{"Port":-1}},"Address":"1.2.3.4"}`,
	} {
		f.Add([]byte(seed))
	}
	h, state := newHandler(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if strings.Contains(strings.ToLower(string(body)), "interval") {
			return // would probe addresses that the fuzzer makes up
		}
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodPut, "/v1/agent/service/register", strings.NewReader(string(body)))
		h.ServeHTTP(deadlines{answer}, request)
		refused := answer.Code == 500 && strings.HasPrefix(answer.Body.String(), "Service tagged address") ||
			strings.HasPrefix(answer.Body.String(), "Scripts are disabled")
		if answer.Code != 200 && answer.Code != 400 && !refused {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		for _, path := range []string{"/v1/agent/services", "/v1/agent/checks", "/v1/catalog/services", "/v1/health/state/any"} {
			if list := get(h, path); list.Code != 200 {
				t.Fatalf("%s: %d %s", path, list.Code, list.Body)
			}
		}
		for _, i := range state.View().NodeInstances("n1") {
			if err := h.cfg.Registrar.Deregister(i.ID); err != nil {
				t.Fatal(err)
			}
		}
		if left := state.View().NodeChecks("n1"); len(left) > 0 {
			t.Fatalf("check %q outlives its service", left[0].CheckID)
		}
	})
}

// deadlines gives a recorder what a connection has.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
