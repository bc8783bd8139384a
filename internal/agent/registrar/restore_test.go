package registrar_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func checkRow(node, service, id, status string) *catalog.Check {
	return &catalog.Check{HealthCheck: consulwire.HealthCheck{Node: node, ServiceID: service, ServiceName: service, CheckID: id, Status: status}}
}

func instance(node, id string) *catalog.Instance {
	return &catalog.Instance{Node: node, NodeService: consulwire.NodeService{ID: id, Service: id}}
}

// TestRestore holds what a snapshot replaces, and what is the agent's own and stays.
func TestRestore(t *testing.T) {
	state := catalog.New(100)
	if err := state.Write(func(w *catalog.Writer) error {
		return errors.Join(
			w.SetNode(&consulwire.Node{Node: "n1", Address: "10.0.0.1"}),
			w.SetCheck(checkRow("n1", "", consulwire.SerfHealth, "passing")),
			w.SetNode(&consulwire.Node{Node: "gone"}),
			w.SetInstance(instance("gone", "gone")),
		)
	}); err != nil {
		t.Fatal(err)
	}
	r := registrar.New(registrar.Config{Catalog: state, Node: "n1", Logger: slog.New(slog.DiscardHandler)})
	defer r.Close()
	if err := r.Register(&consulwire.ServiceRegistration{Name: "mine", Check: &consulwire.CheckRegistration{TTL: consulwire.Duration(1e12)}}, false); err != nil {
		t.Fatal(err)
	}
	topics := []catalog.Topic{catalog.Nodes, catalog.Services, catalog.Checks, catalog.Service("never"), catalog.Service("gone"), catalog.Node("x")}
	var marks []catalog.Mark
	for _, topic := range topics {
		marks = append(marks, state.View().Mark(topic))
	}
	rows := map[string][]any{
		"nodes": {
			&consulwire.Node{Node: "N1", Address: "10.9.9.9"}, &consulwire.Node{Node: "external"}, &consulwire.Node{Node: "agent"},
		},
		"services": {instance("n1", "stale"), instance("external", "db"), instance("agent", "web")},
		"checks": {
			checkRow("external", "db", "db", "warning"), checkRow("agent", "", consulwire.SerfHealth, "passing"), checkRow("n1", "", "stale", "critical"),
		},
	}
	if at := state.View().Restored(); at != 0 {
		t.Errorf("restored at %d before it was", at)
	}
	if err := r.Restore(rows, 5000); err != nil {
		t.Fatal(err)
	}
	v := state.View()
	if v.Index() != 5001 || v.Restored() != 5001 {
		t.Errorf("index %d, restored at %d, want one above the snapshot's", v.Index(), v.Restored())
	}
	for n, topic := range topics {
		select {
		case <-marks[n].Changed:
		default:
			t.Errorf("%v: who waits is not woken", topic)
		}
		if v.Mark(topic).Index != 5001 {
			t.Errorf("%v: index %d", topic, v.Mark(topic).Index)
		}
	}
	if n := v.Node("n1"); n == nil || n.Node != "n1" || n.Address != "10.0.0.1" {
		t.Errorf("own node %+v", n)
	}
	if v.Node("gone") != nil || v.Node("agent") != nil || v.Node("external") == nil || len(v.Nodes()) != 2 {
		t.Errorf("nodes %+v", v.Nodes())
	}
	if mine := v.NodeInstances("n1"); len(mine) != 1 || mine[0].ID != "mine" || !mine[0].Local {
		t.Errorf("own instances %+v", mine)
	}
	if checks := v.NodeChecks("n1"); len(checks) != 2 {
		t.Errorf("own checks %+v", checks)
	}
	if db := v.ServiceChecks("db"); len(db) != 1 || db[0].Status != "warning" {
		t.Errorf("restored checks %+v", db)
	}
	if err := r.Renew("service:mine", "passing", ""); err != nil {
		t.Errorf("the own check no longer runs: %v", err)
	}
}

// TestBadRestoreChangesNothing holds that rows that do not fit together are refused as a whole.
func TestBadRestoreChangesNothing(t *testing.T) {
	state := catalog.New(1)
	if err := state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: "n1"}) }); err != nil {
		t.Fatal(err)
	}
	r := registrar.New(registrar.Config{Catalog: state, Node: "n1", Logger: slog.New(slog.DiscardHandler)})
	defer r.Close()
	before := state.View().Index()
	for name, rows := range map[string]map[string][]any{
		"no node":          {"services": {instance("nowhere", "db")}},
		"check of no node": {"checks": {checkRow("nowhere", "", "c", "passing")}},
		"no name":          {"nodes": {&consulwire.Node{}}},
	} {
		if err := r.Restore(rows, 1); err == nil {
			t.Errorf("%s: restored", name)
		}
		if v := state.View(); v.Index() != before || len(v.Nodes()) != 1 {
			t.Errorf("%s: index %d, nodes %v", name, v.Index(), v.Nodes())
		}
	}
}
