package ui_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/ui"
	"github.com/pandakit/panda/internal/consulwire"
)

// BenchmarkService writes the pages of a service, and of a node, with that many instances on one node.
func BenchmarkService(b *testing.B) {
	for _, count := range []int{100, 1000, 10000} {
		state := catalog.New(1)
		if err := state.Write(func(w *catalog.Writer) error { return crowd(w, count) }); err != nil {
			b.Fatal(err)
		}
		h := ui.New(ui.Config{Catalog: state, Logger: slog.New(slog.DiscardHandler), Node: "n1", Datacenter: "dc1"})
		for name, path := range map[string]string{"service": "/ui/service?name=many", "node": "/ui/node?name=n1"} {
			b.Run(fmt.Sprintf("%s/instances=%d", name, count), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					answer := httptest.NewRecorder()
					h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, http.NoBody))
					if answer.Code != http.StatusOK {
						b.Fatal(answer.Code, answer.Body)
					}
				}
			})
		}
	}
}

// crowd puts that many instances of one service on n1, each with a check.
func crowd(w *catalog.Writer, count int) error {
	if err := w.SetNode(&consulwire.Node{Node: "n1", Address: "127.0.0.1", Datacenter: "dc1"}); err != nil {
		return err
	}
	if err := w.SetCheck(check("n1", "", consulwire.SerfHealth, "Serf Health Status", consulwire.Passing, "alive")); err != nil {
		return err
	}
	for i := range count {
		id := fmt.Sprintf("many-%05d", i)
		if err := w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{ID: id, Service: "many", Port: 8080}}); err != nil {
			return err
		}
		if err := w.SetCheck(check("n1", id, "service:"+id, "HTTP", consulwire.Passing, "200 OK")); err != nil {
			return err
		}
	}
	return nil
}
