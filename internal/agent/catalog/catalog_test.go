package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

const start = 100

// seeded has nodes n1 and n2; on n1 web1 and web2 of web and db1 of db, on n2 web1 of web; each with a
// check "service:<id>", and n1 with a check of its own.
func seeded(t *testing.T) *catalog.Catalog {
	t.Helper()
	c := catalog.New(start)
	write(t, c, func(w *catalog.Writer) error {
		return errors.Join(
			w.SetNode(&consulwire.Node{Node: "n1", Address: "10.0.0.1"}),
			w.SetNode(&consulwire.Node{Node: "n2", Address: "10.0.0.2"}),
			w.SetInstance(instance("n1", "web1", "web")), w.SetCheck(checkOf("n1", "web1")),
			w.SetInstance(instance("n1", "web2", "web")), w.SetCheck(checkOf("n1", "web2")),
			w.SetInstance(instance("n1", "db1", "db")), w.SetCheck(checkOf("n1", "db1")),
			w.SetInstance(instance("n2", "web1", "web")), w.SetCheck(checkOf("n2", "web1")),
			w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "n1", CheckID: "own", Status: "passing"}}),
		)
	})
	return c
}

func write(t *testing.T, c *catalog.Catalog, change func(*catalog.Writer) error) {
	t.Helper()
	if err := c.Write(change); err != nil {
		t.Fatal(err)
	}
}

func instance(node, id, service string) *catalog.Instance {
	return &catalog.Instance{Node: node, NodeService: consulwire.NodeService{
		ID: id, Service: service, Port: 80, Tags: []string{"a"}, Meta: map[string]string{"k": "v"},
	}}
}

func checkOf(node, id string) *catalog.Check {
	return &catalog.Check{HealthCheck: consulwire.HealthCheck{
		Node: node, CheckID: "service:" + id, ServiceID: id, Status: consulwire.Passing, Output: "fine",
	}}
}

func topics() map[string]catalog.Topic {
	return map[string]catalog.Topic{
		"nodes": catalog.Nodes, "services": catalog.Services, "checks": catalog.Checks,
		"web": catalog.Service("web"), "db": catalog.Service("db"), "new": catalog.Service("new"),
		"n1": catalog.Node("n1"), "n2": catalog.Node("n2"),
	}
}

// kind is a kind of change, and the topics that it touches.
type kind struct {
	change func(*catalog.Writer) error
	want   []string
}

func kinds() map[string]kind {
	return map[string]kind{
		"new node": {func(w *catalog.Writer) error {
			return w.SetNode(&consulwire.Node{Node: "n3"})
		}, []string{"nodes"}},
		"changed node wakes its services": {func(w *catalog.Writer) error {
			return w.SetNode(&consulwire.Node{Node: "n2", Address: "10.9.9.9"})
		}, []string{"nodes", "n2", "web"}},
		"same node": {func(w *catalog.Writer) error {
			return w.SetNode(&consulwire.Node{Node: "n2", Address: "10.0.0.2"})
		}, nil},
		"new service": {func(w *catalog.Writer) error {
			return w.SetInstance(instance("n2", "x", "new"))
		}, []string{"services", "n2", "new"}},
		"new instance": {func(w *catalog.Writer) error {
			return w.SetInstance(instance("n2", "db2", "db"))
		}, []string{"services", "n2", "db"}},
		"same instance": {func(w *catalog.Writer) error {
			return w.SetInstance(instance("n1", "db1", "db"))
		}, nil},
		"changed tags reach the checks": {func(w *catalog.Writer) error {
			i := instance("n1", "db1", "db")
			i.Tags = []string{"b"}
			return w.SetInstance(i)
		}, []string{"services", "checks", "n1", "db"}},
		"renamed service wakes both names": {func(w *catalog.Writer) error {
			return w.SetInstance(instance("n1", "db1", "new"))
		}, []string{"services", "checks", "n1", "db", "new"}},
		"last instance goes": {func(w *catalog.Writer) error {
			w.DeleteInstance("n1", "db1")
			return nil
		}, []string{"services", "checks", "n1", "db"}},
		"unknown instance goes": {func(w *catalog.Writer) error {
			w.DeleteInstance("n1", "nope")
			return nil
		}, nil},
		"status": {func(w *catalog.Writer) error {
			w.SetStatus("n1", "service:db1", consulwire.Critical, "fine")
			return nil
		}, []string{"checks", "db"}},
		"output": {func(w *catalog.Writer) error {
			w.SetStatus("n1", "service:db1", consulwire.Passing, "finer")
			return nil
		}, []string{"checks", "db"}},
		"same status and output": {func(w *catalog.Writer) error {
			w.SetStatus("n1", "service:db1", consulwire.Passing, "fine")
			return nil
		}, nil},
		"same check": {func(w *catalog.Writer) error {
			return w.SetCheck(checkOf("n1", "db1"))
		}, nil},
		"check of a node wakes its services": {func(w *catalog.Writer) error {
			w.SetStatus("n1", "own", consulwire.Critical, "")
			return nil
		}, []string{"checks", "web", "db"}},
		"check goes": {func(w *catalog.Writer) error {
			w.DeleteCheck("n2", "service:web1")
			return nil
		}, []string{"checks", "web"}},
		"check moves to another service": {func(w *catalog.Writer) error {
			c := checkOf("n1", "db1")
			c.ServiceID = "web1"
			return w.SetCheck(c)
		}, []string{"checks", "web", "db"}},
	}
}

// TestWriteTouchesItsTopicsAlone holds, for each kind of change, which topics rise and wake, and that
// the others do neither.
func TestWriteTouchesItsTopicsAlone(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) { k.holdTouched(t) })
	}
}

func (k kind) holdTouched(t *testing.T) {
	t.Helper()
	c := seeded(t)
	before, marks := c.View(), map[string]catalog.Mark{}
	for name, topic := range topics() {
		marks[name] = before.Mark(topic)
	}
	write(t, c, k.change)
	after := c.View()
	if rose := after.Index() > before.Index(); rose != (len(k.want) > 0) {
		t.Errorf("index went from %d to %d", before.Index(), after.Index())
	}
	for name, topic := range topics() {
		want := slices.Contains(k.want, name)
		mark := after.Mark(topic)
		if rose := mark.Index > marks[name].Index; rose != want {
			t.Errorf("%s: index went from %d to %d, want a rise: %v", name, marks[name].Index, mark.Index, want)
		}
		if want && mark.Index != after.Index() {
			t.Errorf("%s: index %d is not the write's %d", name, mark.Index, after.Index())
		}
		// The channel of a service that never existed may close for nothing.
		if woke := closed(marks[name].Changed); woke != want && name != "new" {
			t.Errorf("%s: woke: %v, want %v", name, woke, want)
		}
		if want && !closed(marks[name].Changed) {
			t.Errorf("%s did not wake", name)
		}
	}
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	c := seeded(t)
	before := c.View().Index()
	err := c.Write(func(w *catalog.Writer) error {
		w.DeleteInstance("n1", "db1")
		return w.SetInstance(instance("n9", "x", "new"))
	})
	if !errors.Is(err, catalog.ErrNoNode) {
		t.Fatalf("got %v, want ErrNoNode", err)
	}
	if v := c.View(); v.Index() != before || v.Instance("n1", "db1") == nil {
		t.Error("the failed write left something")
	}
}

func TestWriterRefuses(t *testing.T) {
	c := seeded(t)
	for name, test := range map[string]struct {
		change func(*catalog.Writer) error
		want   error
	}{
		"check of an unknown instance": {func(w *catalog.Writer) error { return w.SetCheck(checkOf("n1", "nope")) }, catalog.ErrNoInstance},
		"check on an unknown node":     {func(w *catalog.Writer) error { return w.SetCheck(checkOf("n9", "web1")) }, catalog.ErrNoNode},
		"node without a name":          {func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{}) }, nil},
		"instance without an ID":       {func(w *catalog.Writer) error { return w.SetInstance(instance("n1", "", "x")) }, nil},
		"check without an ID":          {func(w *catalog.Writer) error { return w.SetCheck(&catalog.Check{}) }, nil},
	} {
		if err := c.Write(test.change); err == nil || (test.want != nil && !errors.Is(err, test.want)) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestReads(t *testing.T) {
	v := seeded(t).View()
	if got := len(v.Instances("WEB")); got != 3 {
		t.Errorf("instances of WEB: %d, want 3", got)
	}
	if got := len(v.NodeInstances("N1")); got != 3 {
		t.Errorf("instances on N1: %d, want 3", got)
	}
	if got := v.Services(); len(got) != 2 || !slices.Equal(got["web"], []string{"a"}) {
		t.Errorf("services: %v", got)
	}
	if got := v.InstanceChecks("n1", "web1"); len(got) != 1 || got[0].ServiceName != "web" || !slices.Equal(got[0].ServiceTags, []string{"a"}) {
		t.Errorf("checks of web1: %+v", got)
	}
	if got := v.OwnChecks("n1"); len(got) != 1 || got[0].CheckID != "own" {
		t.Errorf("own checks of n1: %+v", got)
	}
	if all, passing, critical := len(v.ChecksIn("any")), len(v.ChecksIn("passing")), len(v.ChecksIn("critical")); all != 5 || passing != 5 || critical != 0 {
		t.Errorf("checks: any %d, passing %d, critical %d", all, passing, critical)
	}
	if got := len(v.ServiceChecks("Web")); got != 3 {
		t.Errorf("checks of Web: %d, want 3", got)
	}
}

func TestStoredRowsAreTheCatalogsOwn(t *testing.T) {
	c := seeded(t)
	given := instance("n1", "own", "new")
	write(t, c, func(w *catalog.Writer) error { return w.SetInstance(given) })
	given.Tags[0], given.Meta["k"] = "changed", "changed"
	if got := c.View().Instance("n1", "own"); got.Tags[0] != "a" || got.Meta["k"] != "v" {
		t.Errorf("a change of what was given reached the catalog: %+v", got)
	}
}

func TestViewStaysAsItWas(t *testing.T) {
	c := seeded(t)
	v := c.View()
	write(t, c, func(w *catalog.Writer) error { w.DeleteInstance("n1", "db1"); return nil })
	if len(v.Instances("db")) != 1 || len(c.View().Instances("db")) != 0 {
		t.Error("a view must show one moment")
	}
}

func TestIndexesOfRows(t *testing.T) {
	c := seeded(t)
	created := c.View().Instance("n1", "db1").CreateIndex
	i := instance("n1", "db1", "db")
	i.Port = 81
	write(t, c, func(w *catalog.Writer) error { return w.SetInstance(i) })
	if got := c.View().Instance("n1", "db1"); got.CreateIndex != created || got.ModifyIndex != c.View().Index() {
		t.Errorf("created %d (want %d), modified %d (want %d)", got.CreateIndex, created, got.ModifyIndex, c.View().Index())
	}
}

// TestManyGoneServices holds that the memory of services that no longer exist is bounded, and that a
// reader who waited for one of them still learns that it went.
func TestManyGoneServices(t *testing.T) {
	c := seeded(t)
	write(t, c, func(w *catalog.Writer) error { return w.SetInstance(instance("n1", "early", "early")) })
	waiting := c.View().Mark(catalog.Service("early"))
	write(t, c, func(w *catalog.Writer) error { w.DeleteInstance("n1", "early"); return nil })
	gone := c.View().Mark(catalog.Service("early")).Index
	for n := range 3000 {
		name := fmt.Sprint("s", n)
		write(t, c, func(w *catalog.Writer) error { return w.SetInstance(instance("n1", name, name)) })
		write(t, c, func(w *catalog.Writer) error { w.DeleteInstance("n1", name); return nil })
	}
	mark := c.View().Mark(catalog.Service("early"))
	if !closed(waiting.Changed) || mark.Index < gone || mark.Index <= waiting.Index {
		t.Errorf("index was %d, %d when it went, and is %d", waiting.Index, gone, mark.Index)
	}
	if never := c.View().Mark(catalog.Service("never")).Index; never <= start || never > c.View().Index() {
		t.Errorf("index of a service that never was: %d", never)
	}
	if live := c.View().Mark(catalog.Service("web")).Index; live >= never(c) {
		t.Errorf("a live service's index rose to %d", live)
	}
}

func never(c *catalog.Catalog) uint64 { return c.View().Mark(catalog.Service("never")).Index }

func TestIndexIsNeverZero(t *testing.T) {
	v := catalog.New(0).View()
	if v.Index() == 0 || v.Mark(catalog.Nodes).Index == 0 || v.Mark(catalog.Service("x")).Index == 0 {
		t.Error("an index is 0")
	}
}
