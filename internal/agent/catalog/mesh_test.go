package catalog_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// standsFor returns an instance that is a proxy of the service.
func standsFor(id, service string) *catalog.Instance {
	i := instance("n2", id, "front")
	i.Kind, i.Proxy.DestinationServiceName = consulwire.KindConnectProxy, service
	return i
}

// TestWhoStandsForAService holds who is found for a service in a mesh, and that what changes of them wakes who waits for it.
func TestWhoStandsForAService(t *testing.T) {
	c := seeded(t)
	native := instance("n1", "web2", "web")
	native.Connect.Native = true
	kinds := []struct {
		name   string
		change func(*catalog.Writer) error
		want   []string // that stand for web afterwards
		wakes  bool
	}{
		{"a proxy comes", func(w *catalog.Writer) error { return w.SetInstance(standsFor("p1", "Web")) }, []string{"p1"}, true},
		{"a native one comes", func(w *catalog.Writer) error { return w.SetInstance(native) }, []string{"web2", "p1"}, true},
		{"its check changes", func(w *catalog.Writer) error {
			return w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "n2", CheckID: "p", ServiceID: "p1", Status: consulwire.Warning}})
		}, []string{"web2", "p1"}, true},
		{"its node changes", func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: "n2", Address: "10.0.0.9"}) }, []string{"web2", "p1"}, true},
		{"another instance of web changes", func(w *catalog.Writer) error {
			w.SetStatus("n2", "service:web1", consulwire.Critical, "")
			return nil
		}, []string{"web2", "p1"}, false},
		{"it goes over to db", func(w *catalog.Writer) error { return w.SetInstance(standsFor("p1", "db")) }, []string{"web2"}, true},
		{"the native one goes", func(w *catalog.Writer) error { w.DeleteInstance("n1", "web2"); return nil }, nil, true},
	}
	for _, k := range kinds {
		before := c.View().Mark(catalog.Mesh("web"))
		write(t, c, k.change)
		after := c.View().Mark(catalog.Mesh("web"))
		if woke := after.Index > before.Index; woke != k.wakes || k.wakes && !closed(before.Changed) {
			t.Errorf("%s: index %d after %d, want a rise: %v", k.name, after.Index, before.Index, k.wakes)
		}
		var ids []string
		for _, i := range c.View().MeshInstances("WEB") {
			ids = append(ids, i.ID)
		}
		if !slices.Equal(ids, k.want) {
			t.Errorf("%s: %v, want %v", k.name, ids, k.want)
		}
	}
}

func TestDocuments(t *testing.T) {
	c := seeded(t)
	write(t, c, func(w *catalog.Writer) error {
		return errors.Join(w.SetDocument("a", "x", json.RawMessage(`1`)), w.SetDocument("b", "x", json.RawMessage(`2`)), w.SetDocument(catalog.Coordinates, "n1", json.RawMessage(`3`)))
	})
	first, other := c.View().Mark(catalog.Documents("a")), c.View().Mark(catalog.Documents("b"))
	write(t, c, func(w *catalog.Writer) error { return w.SetDocument("a", "x", json.RawMessage(`1`)) })
	if now := c.View().Mark(catalog.Documents("a")); now.Index != first.Index {
		t.Errorf("index %d after %d: nothing has changed", now.Index, first.Index)
	}
	write(t, c, func(w *catalog.Writer) error { return w.SetDocument("a", "X", json.RawMessage(`4`)) })
	v := c.View()
	if d := v.Document("a", "x"); d == nil || d.Name != "X" || string(d.Content) != "4" || d.CreateIndex >= d.ModifyIndex || d.ModifyIndex != v.Index() {
		t.Errorf("got %+v", d)
	}
	if !closed(first.Changed) || closed(other.Changed) || len(v.Documents("a")) != 1 || v.Document("a", "none") != nil {
		t.Error("a change of one class is one of that class alone")
	}
	write(t, c, func(w *catalog.Writer) error {
		if w.DeleteDocument("a", "none") || !w.DeleteDocument("a", "x") {
			t.Error("what is deleted is what there is")
		}
		w.DeleteNode("N1")
		return nil
	})
	if v = c.View(); len(v.Documents("a")) != 0 || v.Document(catalog.Coordinates, "n1") != nil || len(v.Documents("b")) != 1 {
		t.Error("left or lost")
	}
	if err := c.Write(func(w *catalog.Writer) error { return w.SetDocument("a", "", nil) }); err == nil {
		t.Error("a document without a name")
	}
}
