package ui_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/origin"
	"github.com/pandakit/panda/internal/agent/ui"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is the pages on a server of their own, above a catalog that the test writes.
type site struct {
	state *catalog.Catalog
	kv    *memoryKV
	url   string
	http  *http.Client

	server *httptest.Server
	down   atomic.Bool
	lossy  atomic.Bool // nothing that was written survives
}

func (s *site) settle(context.Context, uint64) error {
	if s.lossy.Load() {
		return errors.New("disk is full")
	}
	return nil
}

// cut breaks every connection, and every later one while it is on.
func (s *site) cut(on bool) {
	s.down.Store(on)
	if on {
		s.server.CloseClientConnections()
	}
}

func newSite(t *testing.T, readOnly bool) *site {
	t.Helper()
	s := &site{state: catalog.New(1000), kv: newMemoryKV()}
	s.write(t, func(w *catalog.Writer) error {
		if err := w.SetNode(&consulwire.Node{Node: "n1", Address: "127.0.0.1", Datacenter: "dc1", ID: "6d1f"}); err != nil {
			return err
		}
		return w.SetCheck(check("n1", "", consulwire.SerfHealth, "Serf Health Status", consulwire.Passing, "Agent alive and reachable"))
	})
	handler := ui.New(ui.Config{
		Catalog: s.state, KV: s.kv, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Node: "n1", Datacenter: "dc1", Version: "1.12.9+panda", ReadOnly: readOnly, Origin: origin.Policy{Loopback: true}, Settle: s.settle,
	})
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
	})
	s.url = s.server.URL
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

func (s *site) write(t *testing.T, change func(*catalog.Writer) error) {
	t.Helper()
	if err := s.state.Write(change); err != nil {
		t.Fatal(err)
	}
}

func check(node, service, id, name, status, output string) *catalog.Check {
	return &catalog.Check{HealthCheck: consulwire.HealthCheck{
		Node: node, ServiceID: service, CheckID: id, Name: name, Status: status, Output: output, Type: "http", Interval: "10s",
	}}
}

// set adds an instance on n1 with one check, or changes it.
func (s *site) set(t *testing.T, service, id, status, output string, tags ...string) {
	t.Helper()
	s.write(t, func(w *catalog.Writer) error {
		err := w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{
			ID: id, Service: service, Tags: tags, Address: "10.0.0.7", Port: 8080, Meta: map[string]string{"version": "1.4.2"},
		}})
		if err != nil {
			return err
		}
		return w.SetCheck(check("n1", id, "service:"+id, "HTTP on :8080", status, output))
	})
}

// get and post return the answer with its body read. Headers are names and values in turn.
func (s *site) get(t *testing.T, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	return s.do(t, http.MethodGet, path, "", headers...)
}

func (s *site) post(t *testing.T, path string, form url.Values, headers ...string) (*http.Response, string) {
	t.Helper()
	return s.do(t, http.MethodPost, path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func (s *site) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.http.Do(r)
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

// memoryKV is a store in memory.
type memoryKV struct {
	mu       sync.Mutex
	pairs    map[string]*ui.Pair
	sessions []ui.Session
	index    uint64
	changed  chan struct{}
	broken   error // what writes fail with
}

func newMemoryKV() *memoryKV {
	return &memoryKV{pairs: map[string]*ui.Pair{}, index: 1, changed: make(chan struct{})}
}

func (m *memoryKV) raise() {
	m.index++
	close(m.changed)
	m.changed = make(chan struct{})
}

// set stores a pair whatever is there.
func (m *memoryKV) set(key, value string) *ui.Pair {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raise()
	p := &ui.Pair{Key: key, Value: []byte(value), CreateIndex: m.index, ModifyIndex: m.index}
	m.pairs[key] = p
	return p
}

func (m *memoryKV) Get(_ catalog.View, key string) *ui.Pair {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pairs[key]
}

func (m *memoryKV) List(_ catalog.View, prefix, separator, after string, limit int) []ui.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	byKey := map[string]ui.Entry{}
	for key, p := range m.pairs {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		e := ui.Entry{Key: key, Size: len(p.Value), Session: p.Session}
		if name, _, below := strings.Cut(rest, separator); below {
			e = ui.Entry{Key: prefix + name + separator, Folder: true}
		}
		if e.Key > after {
			byKey[e.Key] = e
		}
	}
	var all []ui.Entry
	for _, e := range byKey {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b ui.Entry) int { return strings.Compare(a.Key, b.Key) })
	return all[:min(len(all), limit)]
}

func (m *memoryKV) Sessions(catalog.View) []ui.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sessions)
}

func (m *memoryKV) PrefixMark(catalog.View, string) catalog.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return catalog.Mark{Index: m.index, Changed: m.changed}
}

func (m *memoryKV) SessionsMark(v catalog.View) catalog.Mark { return m.PrefixMark(v, "") }

func (m *memoryKV) is(key string, index uint64) bool {
	p := m.pairs[key]
	return p == nil && index == 0 || p != nil && p.ModifyIndex == index
}

func (m *memoryKV) Put(key string, value []byte, flags, index uint64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	if !m.is(key, index) {
		return false, nil
	}
	m.raise()
	m.pairs[key] = &ui.Pair{Key: key, Value: value, Flags: flags, CreateIndex: m.index, ModifyIndex: m.index}
	return true, nil
}

func (m *memoryKV) Delete(key string, index uint64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	if !m.is(key, index) {
		return false, nil
	}
	m.raise()
	delete(m.pairs, key)
	return true, nil
}

func (m *memoryKV) modified(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.pairs[key]; p != nil {
		return fmt.Sprint(p.ModifyIndex)
	}
	return "0"
}
