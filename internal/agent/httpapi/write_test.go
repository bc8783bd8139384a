package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// TestOwnRowsStay holds that the catalog's endpoints cannot take from the agent what is registered with it.
func TestOwnRowsStay(t *testing.T) {
	h, state := newHandler(t)
	registration := &consulwire.ServiceRegistration{Name: "web", Port: 80, Check: &consulwire.CheckRegistration{TTL: consulwire.Duration(1e10)}}
	if err := h.cfg.Registrar.Register(registration, false); err != nil {
		t.Fatal(err)
	}
	before := state.View().Index()
	writes := []func(*catalog.Writer) error{}
	for _, wanted := range []*consulwire.CatalogDeregistration{
		{Node: "n1"}, {Node: "N1"}, {Node: "n1", ServiceID: "web"}, {Node: "n1", CheckID: "service:web"},
	} {
		writes = append(writes, func(w *catalog.Writer) error { h.remove(w, wanted); return nil })
	}
	for _, wanted := range []*consulwire.CatalogRegistration{
		{Node: "n1", Address: "9.9.9.9"},
		{Node: "N1", Address: "9.9.9.9", Service: &consulwire.CatalogInstance{ID: "web", Service: "other"}},
		{Node: "n1", Address: "9.9.9.9", Checks: []*consulwire.HealthCheck{{CheckID: "service:web", Status: "passing"}}},
	} {
		writes = append(writes, func(w *catalog.Writer) error { return h.write(w, wanted) })
	}
	for n, write := range writes {
		if err := state.Write(write); err != nil {
			t.Errorf("write %d: %v", n, err)
		}
		if state.View().Index() != before {
			t.Fatalf("write %d changed the agent's own rows", n)
		}
	}
}

// TestStrangersLeave holds that to deregister the agent's node removes what was written there by others.
func TestStrangersLeave(t *testing.T) {
	h, state := newHandler(t)
	err := state.Write(func(w *catalog.Writer) error {
		if err := h.write(w, &consulwire.CatalogRegistration{
			Node: "n1", Service: &consulwire.CatalogInstance{ID: "s", Service: "s"}, Checks: []*consulwire.HealthCheck{{Name: "c"}},
		}); err != nil {
			return err
		}
		if w.Instance("n1", "s") == nil || w.Check("n1", "c") == nil {
			t.Error("not written")
		}
		h.remove(w, &consulwire.CatalogDeregistration{Node: "n1"})
		return nil
	})
	view := state.View()
	if err != nil || view.Node("n1") == nil || view.Instance("n1", "s") != nil || view.Check("n1", "c") != nil {
		t.Errorf("%v, left: %v", err, view.NodeInstances("n1"))
	}
}

func TestRename(t *testing.T) {
	const one, two = "11111111-1111-1111-1111-111111111111", "22222222-1111-1111-1111-111111111111"
	h, state := newHandler(t)
	for _, step := range []struct {
		wanted consulwire.CatalogRegistration
		refuse string
	}{
		{consulwire.CatalogRegistration{Node: "a", ID: one}, ""},
		{consulwire.CatalogRegistration{Node: "b", ID: one}, ""}, // renames a
		{consulwire.CatalogRegistration{Node: "b", ID: two}, ""}, // nobody stands behind b
		{consulwire.CatalogRegistration{Node: "b", ID: two, Checks: []*consulwire.HealthCheck{{CheckID: consulwire.SerfHealth, Status: "passing"}}}, ""},
		{consulwire.CatalogRegistration{Node: "b", ID: one}, "Node name b is reserved by node " + two},
		{consulwire.CatalogRegistration{Node: "c"}, ""},
		{consulwire.CatalogRegistration{Node: "c", ID: one}, ""}, // c gets an ID
	} {
		err := state.Write(func(w *catalog.Writer) error { return h.write(w, &step.wanted) })
		if step.refuse == "" && err != nil || step.refuse != "" && (err == nil || !strings.Contains(err.Error(), step.refuse)) {
			t.Errorf("%s as %s: %v", step.wanted.ID, step.wanted.Node, err)
		}
	}
	view := state.View()
	if view.Node("a") != nil || view.Node("b").ID != two || view.Node("c").ID != one {
		t.Errorf("nodes: %+v", view.Nodes())
	}
}

func TestFaultyJournalIsAFailure(t *testing.T) {
	h, state := newHandler(t)
	state.SetJournal(fullDisk{})
	for _, err := range []error{
		state.Write(func(w *catalog.Writer) error { return h.write(w, &consulwire.CatalogRegistration{Node: "x"}) }),
	} {
		if err == nil || failure(err).Error() == "" {
			t.Errorf("a write that the journal refused was taken: %v", err)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Append(uint64, []catalog.Change) error { return http.ErrContentLength }
