package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// TestNothingIsToldBeforeItIsSafe holds which index each kind of answer waits for, and that an answer that may not last
// becomes an error.
func TestNothingIsToldBeforeItIsSafe(t *testing.T) {
	h, state := newHandler(t)
	var waited []uint64
	var failure error
	h.cfg.Settle = func(_ context.Context, index uint64) error {
		waited = append(waited, index)
		return failure
	}
	node := func(name string) {
		t.Helper()
		if err := state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: name}) }); err != nil {
			t.Fatal(err)
		}
	}
	services := state.View().Mark(catalog.Services).Index
	node("n2")
	nodes := state.View().Index()
	put := func(path, body string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		h.ServeHTTP(deadlines{answer}, httptest.NewRequest(http.MethodPut, path, strings.NewReader(body)))
		return answer
	}
	for _, c := range []struct {
		name   string
		answer func() *httptest.ResponseRecorder
		index  func() uint64
		status int
	}{
		{"a list that changed", func() *httptest.ResponseRecorder { return get(h, "/v1/catalog/nodes") }, func() uint64 { return nodes }, 200},
		{"a list that did not", func() *httptest.ResponseRecorder { return get(h, "/v1/catalog/services") }, func() uint64 { return services }, 200},
		{"the agent's own", func() *httptest.ResponseRecorder { return get(h, "/v1/agent/services") }, func() uint64 { return nodes }, 200},
		{"what is not there", func() *httptest.ResponseRecorder { return get(h, "/v1/agent/service/x") }, func() uint64 { return nodes }, 404},
		{"a write", func() *httptest.ResponseRecorder { return put("/v1/agent/service/register", `{"Name":"web"}`) }, func() uint64 { return state.View().Index() }, 200},
		{"a snapshot", func() *httptest.ResponseRecorder { return get(h, "/v1/snapshot") }, func() uint64 { return state.View().Index() }, 200},
	} {
		waited = nil
		if answer := c.answer(); answer.Code != c.status || len(waited) != 1 || waited[0] != c.index() {
			t.Errorf("%s: status %d after waiting for %d, want %d after %d", c.name, answer.Code, waited, c.status, c.index())
		}
	}
	failure = errors.New("the disk is gone")
	for _, answer := range []*httptest.ResponseRecorder{get(h, "/v1/catalog/nodes"), put("/v1/agent/service/register", `{"Name":"db"}`), get(h, "/v1/snapshot")} {
		if answer.Code != http.StatusInternalServerError || answer.Body.String() != "the disk is gone" || answer.Header().Get("X-Consul-Index") != "" {
			t.Errorf("%d %q %v", answer.Code, answer.Body, answer.Header())
		}
	}
}
