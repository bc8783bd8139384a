package catalog_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestNodesByIDAndServicesOn(t *testing.T) {
	c := catalog.New(1)
	err := c.Write(func(w *catalog.Writer) error {
		for _, n := range []consulwire.Node{
			{Node: "a", ID: "aabb0000-0000-0000-0000-000000000001", Meta: map[string]string{"rack": "1"}},
			{Node: "b", ID: "AABC0000-0000-0000-0000-000000000002"},
			{Node: "c"},
		} {
			if err := w.SetNode(&n); err != nil {
				return err
			}
			if err := w.SetInstance(&catalog.Instance{Node: n.Node, NodeService: consulwire.NodeService{ID: "s", Service: "on-" + n.Node}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	view := c.View()
	for prefix, want := range map[string]string{"aabb": "a", "AABB": "a", "aabc0000-0000-0000-0000-000000000002": "b", "aa": "", "ff": ""} {
		node := view.NodeByID(prefix)
		if node == nil && want != "" || node != nil && node.Node != want {
			t.Errorf("%s: %+v, want %q", prefix, node, want)
		}
	}
	got := view.ServicesOn(func(n *consulwire.Node) bool { return n.Meta["rack"] == "1" })
	if names := slices.Collect(maps.Keys(got)); !slices.Equal(names, []string{"on-a"}) {
		t.Errorf("services on rack 1: %v", names)
	}
	before := view.Mark(catalog.Everything)
	if err := c.Write(func(w *catalog.Writer) error { w.DeleteNode("c"); return nil }); err != nil {
		t.Fatal(err)
	}
	<-before.Changed
	if after := c.View().Mark(catalog.Everything); after.Index <= before.Index {
		t.Errorf("index %d after %d", after.Index, before.Index)
	}
}
