package catalog

import (
	"errors"
	"fmt"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// Errors that a Writer's methods wrap.
var (
	ErrNoNode     = errors.New("no such node")
	ErrNoInstance = errors.New("no such service instance")
	errNoName     = errors.New("a name or ID is empty")
)

// Writer is one change of the catalog while it is made. It reads what it has written so far. It keeps
// no value that it is given.
type Writer struct {
	View
	index   uint64
	touched map[Topic]struct{}
	whole   bool // everything was replaced: all topics have changed
	changes []Change
	buried  int                      // tombstones that are new
	delayed *lockDelays              // as they were before this write
	delays  map[string]time.Duration // that this write starts, by key
}

func (w *Writer) touch(topics ...Topic) {
	for _, t := range topics {
		w.touched[t] = struct{}{}
	}
}

// SetNode adds the node or replaces the one of its name.
func (w *Writer) SetNode(node *consulwire.Node) error {
	if node.Node == "" {
		return fmt.Errorf("set node: %w", errNoName)
	}
	before, after := w.Node(node.Node), normalNode(node)
	after.CreateIndex, after.ModifyIndex = w.index, w.index
	if before != nil {
		if sameNode(before, after) {
			return nil
		}
		after.CreateIndex = before.CreateIndex
	}
	w.put(tableNodes, after)
	w.touch(Nodes, Node(node.Node))
	w.touchServicesOn(node.Node)
	return nil
}

func (w *Writer) touchServicesOn(node string) {
	for i := range rows[Instance](w.View, tableServices, byNode, node) {
		w.touchInstance(i)
	}
}

// touchInstance touches the topics of the services that the instance is looked for under.
func (w *Writer) touchInstance(i *Instance) {
	w.touch(Service(i.Service))
	if name := i.meshName(); name != "" {
		w.touch(Mesh(name))
	}
}

// DeleteNode removes the node with its instances, checks and sessions, and reports whether there was one.
func (w *Writer) DeleteNode(name string) bool {
	node := w.Node(name)
	if node == nil {
		return false
	}
	w.touchServicesOn(name)
	for _, i := range w.NodeInstances(name) {
		w.DeleteInstance(name, i.ID)
	}
	for _, c := range w.NodeChecks(name) {
		w.DeleteCheck(name, c.CheckID)
	}
	for _, s := range w.NodeSessions(name) {
		w.DestroySession(s.ID)
	}
	w.DeleteDocument(Coordinates, name)
	w.remove(tableNodes, node)
	w.touch(Nodes, Node(name))
	return true
}

// SetInstance adds the instance or replaces the one of its ID on its node, which must exist. Checks
// that the instance has already stay, and take over its name and tags.
func (w *Writer) SetInstance(instance *Instance) error {
	if instance.ID == "" || instance.Service == "" {
		return fmt.Errorf("set service instance %q of %q: %w", instance.ID, instance.Service, errNoName)
	}
	if w.Node(instance.Node) == nil {
		return fmt.Errorf("set service instance %q on %q: %w", instance.ID, instance.Node, ErrNoNode)
	}
	before, after := w.Instance(instance.Node, instance.ID), instance.normal()
	after.CreateIndex, after.ModifyIndex = w.index, w.index
	if before != nil {
		if sameInstance(before, after) {
			return nil
		}
		after.CreateIndex = before.CreateIndex
		w.touchInstance(before)
	}
	w.put(tableServices, after)
	w.touch(Services, Node(after.Node))
	w.touchInstance(after)
	for _, c := range w.InstanceChecks(after.Node, after.ID) {
		w.putCheck(c, c.normal())
	}
	return nil
}

// DeleteInstance removes the instance with its checks, and reports whether there was one.
func (w *Writer) DeleteInstance(node, id string) bool {
	instance := w.Instance(node, id)
	if instance == nil {
		return false
	}
	for _, c := range w.InstanceChecks(node, id) {
		w.DeleteCheck(node, c.CheckID)
	}
	w.remove(tableServices, instance)
	w.touch(Services, Node(node))
	w.touchInstance(instance)
	return true
}

// SetCheck adds the check or replaces the one of its ID on its node. The node must exist, and the
// instance too when the check has a ServiceID; name and tags of the service are taken from there.
func (w *Writer) SetCheck(check *Check) error {
	if check.CheckID == "" {
		return fmt.Errorf("set check: %w", errNoName)
	}
	if w.Node(check.Node) == nil {
		return fmt.Errorf("set check %q on %q: %w", check.CheckID, check.Node, ErrNoNode)
	}
	if check.ServiceID != "" && w.Instance(check.Node, check.ServiceID) == nil {
		return fmt.Errorf("set check %q of service instance %q: %w", check.CheckID, check.ServiceID, ErrNoInstance)
	}
	w.putCheck(w.Check(check.Node, check.CheckID), check.normal())
	return nil
}

// SetStatus changes the result of a check, and reports whether there is such a check.
func (w *Writer) SetStatus(node, id, status, output string) bool {
	before := w.Check(node, id)
	if before == nil {
		return false
	}
	after := before.normal()
	after.Status, after.Output = status, output
	w.putCheck(before, after)
	return true
}

// DeleteCheck removes the check and ends the sessions that depend on it, and reports whether there was one.
func (w *Writer) DeleteCheck(node, id string) bool {
	check := w.Check(node, id)
	if check == nil {
		return false
	}
	w.remove(tableChecks, check)
	w.touchCheck(check)
	w.endSessions(node, id)
	return true
}

// putCheck stores after, which it may change, in place of before, which may be nil. A critical check ends the
// sessions that depend on it.
func (w *Writer) putCheck(before, after *Check) {
	after.ServiceName, after.ServiceTags = "", []string{}
	if instance := w.Instance(after.Node, after.ServiceID); instance != nil {
		after.ServiceName, after.ServiceTags = instance.Service, instance.Tags
	}
	after.CreateIndex, after.ModifyIndex = w.index, w.index
	if before != nil {
		if sameCheck(before, after) {
			return
		}
		after.CreateIndex = before.CreateIndex
		w.touchCheck(before)
	}
	w.put(tableChecks, after)
	w.touchCheck(after)
	if after.Status == consulwire.Critical {
		w.endSessions(after.Node, after.CheckID)
	}
}

func (w *Writer) touchCheck(c *Check) {
	w.touch(Checks)
	if c.ServiceID == "" {
		w.touchServicesOn(c.Node)
		return
	}
	w.touch(Service(c.ServiceName))
	if i := w.Instance(c.Node, c.ServiceID); i != nil {
		w.touchInstance(i)
	}
}
