package httpapi

import (
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestCatalogOverview(t *testing.T) {
	h, state := newHandler(t)
	err := state.Write(func(w *catalog.Writer) error {
		for node, status := range map[string]string{"a": consulwire.Passing, "b": consulwire.Warning, "c": "odd"} {
			if err := h.write(w, &consulwire.CatalogRegistration{
				Node: node, Service: &consulwire.CatalogInstance{ID: "web", Service: "web"}, Checks: []*consulwire.HealthCheck{{Name: "alive", Status: status}},
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Nodes":[{"Total":4,"Passing":2,"Warning":1,"Critical":1}],` +
		`"Services":[{"Name":"web","Total":3,"Passing":1,"Warning":1,"Critical":1}],` +
		`"Checks":[{"Name":"alive","Total":3,"Passing":1,"Warning":1,"Critical":1}]}`
	if got := get(h, "/v1/internal/ui/catalog-overview").Body.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
