package registrar

import (
	"fmt"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// Restore puts the rows of a snapshot, by table, in place of all that the catalog holds. index is the highest that was
// told when the snapshot was saved. What is registered with this agent stays as it is, and its checks go on; as after a
// restore of Consul's, nodes of the snapshot that had an agent of their own go: those agents are not here.
func (r *Registrar) Restore(rows map[string][]any, index uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.cfg.Catalog.Write(func(w *catalog.Writer) error {
		own := r.own(w.View)
		if err := w.Replace(rows, index); err != nil {
			return err
		}
		return own.putBack(w)
	})
	if err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return nil
}

// ownRows are the rows that the agent itself answers for.
type ownRows struct {
	node      *consulwire.Node
	instances []*catalog.Instance
	checks    []*catalog.Check
}

func (r *Registrar) own(v catalog.View) *ownRows {
	own := &ownRows{node: v.Node(r.cfg.Node)}
	for _, i := range v.NodeInstances(r.cfg.Node) {
		if i.Local || i.ID == OwnService {
			own.instances = append(own.instances, i)
		}
	}
	for _, c := range v.NodeChecks(r.cfg.Node) {
		if c.Local || c.CheckID == consulwire.SerfHealth {
			own.checks = append(own.checks, c)
		}
	}
	return own
}

// putBack makes the agent's own node what it was, and removes other agents.
func (o *ownRows) putBack(w *catalog.Writer) error {
	for _, n := range w.Nodes() {
		if w.Check(n.Node, consulwire.SerfHealth) != nil && !sameName(n.Node, o.node.Node) {
			w.DeleteNode(n.Node)
		}
	}
	if err := w.SetNode(o.node); err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, i := range o.instances {
		keep[i.ID] = true
		if err := w.SetInstance(i); err != nil {
			return err
		}
	}
	for _, i := range w.NodeInstances(o.node.Node) {
		if !keep[i.ID] {
			w.DeleteInstance(o.node.Node, i.ID)
		}
	}
	return o.putBackChecks(w)
}

func (o *ownRows) putBackChecks(w *catalog.Writer) error {
	keep := map[string]bool{}
	for _, c := range o.checks {
		keep[c.CheckID] = true
		if err := w.SetCheck(c); err != nil {
			return err
		}
	}
	for _, c := range w.NodeChecks(o.node.Node) {
		if !keep[c.CheckID] {
			w.DeleteCheck(o.node.Node, c.CheckID)
		}
	}
	return nil
}

func sameName(a, b string) bool { return strings.EqualFold(a, b) }
