package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

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

// TestOwnChecksFollowTheirRows holds that a check which passes from its node to an instance, or back, is listed where it
// is now, in any case of the node's name.
func TestOwnChecksFollowTheirRows(t *testing.T) {
	c := seeded(t)
	ids := func() []string {
		var ids []string
		for _, check := range c.View().OwnChecks("N1") {
			ids = append(ids, check.CheckID)
		}
		return ids
	}
	of := func(service string) {
		moved := &catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "n1", CheckID: "moved", ServiceID: service, Status: consulwire.Passing}}
		write(t, c, func(w *catalog.Writer) error { return w.SetCheck(moved) })
	}
	for _, step := range []struct {
		do   func()
		want []string
	}{
		{func() { of("") }, []string{"moved", "own"}},
		{func() { of("web1") }, []string{"own"}},
		{func() { of("") }, []string{"moved", "own"}},
		{func() { write(t, c, func(w *catalog.Writer) error { w.DeleteCheck("n1", "own"); return nil }) }, []string{"moved"}},
		{func() { write(t, c, func(w *catalog.Writer) error { w.DeleteNode("n1"); return nil }) }, nil},
	} {
		step.do()
		if got := ids(); !slices.Equal(got, step.want) {
			t.Errorf("own checks %q, want %q", got, step.want)
		}
	}
}

// TestOwnChecksAreNotSearchedFor holds that a node with ten thousand instances tells its own checks about as fast as one
// with ten: whoever shows instances asks for them once for each.
func TestOwnChecksAreNotSearchedFor(t *testing.T) {
	fastest := func(instances int) time.Duration {
		c := catalog.New(1)
		write(t, c, func(w *catalog.Writer) error {
			if err := w.SetNode(&consulwire.Node{Node: "n1"}); err != nil {
				return err
			}
			for i := range instances {
				id := fmt.Sprint("web-", i)
				if err := w.SetInstance(instance("n1", id, "web")); err != nil {
					return err
				}
				if err := w.SetCheck(checkOf("n1", id)); err != nil {
					return err
				}
			}
			return w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "n1", CheckID: "own", Status: consulwire.Passing}})
		})
		view, best := c.View(), time.Hour
		for range 50 { // the fastest of many is not disturbed by what else the machine does
			began := time.Now()
			for range 10 {
				if len(view.OwnChecks("n1")) != 1 {
					t.Fatal("the node's own check is not found")
				}
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	if few, many := fastest(10), fastest(10000); many > 20*few {
		t.Errorf("among 10,000 instances %v, among 10 %v", many, few)
	}
}
