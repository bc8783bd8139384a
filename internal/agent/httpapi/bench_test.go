package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// crowd registers that many instances of web, each with a check, on nodes of ten.
func crowd(b *testing.B, state *catalog.Catalog, count int) {
	b.Helper()
	err := state.Write(func(w *catalog.Writer) error {
		for i := range count {
			node, id := fmt.Sprintf("node-%04d", i/10), fmt.Sprintf("web-%05d", i)
			if err := w.SetNode(&consulwire.Node{Node: node, Address: "10.0.0.1", Datacenter: "dc1"}); err != nil {
				return err
			}
			if err := w.SetInstance(&catalog.Instance{Node: node, NodeService: consulwire.NodeService{
				ID: id, Service: "web", Port: 8080, Tags: []string{"v1"}, Meta: map[string]string{"version": "1"}, Weights: consulwire.Weights{Passing: 1, Warning: 1},
			}}); err != nil {
				return err
			}
			if err := w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{
				Node: node, CheckID: "service:" + id, Name: "Service 'web' check", Status: "passing", ServiceID: id, Output: "HTTP GET http://10.0.0.1:8080/health: 200 OK",
			}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, count := range []int{10, 1000, 10000} {
		for _, changing := range []bool{false, true} {
			b.Run(fmt.Sprintf("instances=%d/changing=%v", count, changing), func(b *testing.B) {
				h, state := newHandler(b)
				crowd(b, state, count)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if changing {
						_ = state.Write(func(w *catalog.Writer) error {
							w.SetStatus("node-0000", "service:web-00000", "passing", fmt.Sprint(i))
							return nil
						})
					}
					answer := httptest.NewRecorder()
					h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/health/service/web?passing", nil))
				}
			})
		}
	}
}

// BenchmarkLocalHealth asks for a service whose instances all run on the agent's own node, which many development
// machines have, and which makes the checks of the node count for each instance.
func BenchmarkLocalHealth(b *testing.B) {
	for _, count := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("instances=%d", count), func(b *testing.B) {
			h, state := newHandler(b)
			err := state.Write(func(w *catalog.Writer) error {
				for i := range count {
					id := fmt.Sprintf("many-%05d", i)
					err := w.SetInstance(&catalog.Instance{Node: "n1", Local: true, NodeService: consulwire.NodeService{ID: id, Service: "many", Port: 8080}})
					if err != nil {
						return err
					}
					check := consulwire.HealthCheck{Node: "n1", CheckID: "service:" + id, Name: "HTTP", Status: consulwire.Passing, ServiceID: id}
					if err := w.SetCheck(&catalog.Check{Local: true, HealthCheck: check}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				answer := httptest.NewRecorder()
				h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/agent/health/service/name/many", nil))
				if answer.Code != http.StatusOK {
					b.Fatal(answer.Code, answer.Body)
				}
			}
		})
	}
}
