package catalog

import (
	"slices"

	"github.com/hashicorp/go-memdb"

	"github.com/pandakit/panda/internal/consulwire"
)

// View is the catalog at one moment. What it returns is shared with other readers and must not be
// changed. Lists are sorted by node and ID unless said otherwise.
type View struct{ txn *memdb.Txn }

// Index returns the index of the last write of all.
func (v View) Index() uint64 { return one[mark](v, tableMarks, byID, whole).Index }

// Mark tells when the topic last changed, and how to learn that it does again.
func (v View) Mark(topic Topic) Mark {
	switch topic.kind {
	case kindKey:
		return v.keyMark(topic.name)
	case kindKeyPrefix:
		return v.prefixMark(topic.name)
	case kindSession:
		return v.sessionMark(topic.name)
	case kindNodeSessions:
		return v.nodeSessionsMark(topic.name)
	}
	m, changed := v.mark(topic)
	if m == nil {
		m = one[mark](v, tableMarks, byID, floor)
	}
	return Mark{Index: m.Index, Changed: changed}
}

// Restored returns the index at which everything was replaced by a snapshot, 0 if never in this life. The indexes of
// rows are those of the snapshot, and may be lower: an index that is told for a row alone is at least this one, so that
// who waits with a higher one from before is woken.
func (v View) Restored() uint64 {
	if m, _ := v.mark(restored); m != nil {
		return m.Index
	}
	return 0
}

func (v View) mark(topic Topic) (*mark, <-chan struct{}) {
	changed, row, err := v.txn.FirstWatch(tableMarks, byID, topic)
	if err != nil || row == nil {
		return nil, changed
	}
	return row.(*mark), changed
}

// Nodes returns all nodes, by name.
func (v View) Nodes() []*consulwire.Node {
	return slices.Collect(rows[consulwire.Node](v, tableNodes, byID))
}

// Node returns the node of that name in any case, or nil.
func (v View) Node(name string) *consulwire.Node {
	return one[consulwire.Node](v, tableNodes, byID, name)
}

// NodeByID returns the one node whose ID begins with the prefix, in any case, or nil.
func (v View) NodeByID(prefix string) *consulwire.Node {
	var found *consulwire.Node
	for node := range rows[consulwire.Node](v, tableNodes, byUUID+"_prefix", prefix) {
		if found != nil {
			return nil
		}
		found = node
	}
	return found
}

// Services returns the tags of each service that has an instance, without repetition, sorted.
func (v View) Services() map[string][]string {
	return v.ServicesOn(func(*consulwire.Node) bool { return true })
}

// ServicesOn returns the same for the instances on nodes that are wanted.
func (v View) ServicesOn(wanted func(*consulwire.Node) bool) map[string][]string {
	services := make(map[string][]string)
	for i := range rows[Instance](v, tableServices, byID) {
		if node := v.Node(i.Node); node == nil || !wanted(node) {
			continue
		}
		services[i.Service] = append(services[i.Service], i.Tags...)
	}
	for name, tags := range services {
		slices.Sort(tags)
		services[name] = append([]string{}, slices.Compact(tags)...)
	}
	return services
}

// Instances returns the instances of a service, whose name may be in any case.
func (v View) Instances(service string) []*Instance {
	return slices.Collect(rows[Instance](v, tableServices, byName, service))
}

// MeshInstances returns the instances that stand for a service in a mesh: its proxies, and what is native to the mesh. The
// name may be in any case.
func (v View) MeshInstances(service string) []*Instance {
	return slices.Collect(rows[Instance](v, tableServices, byMesh, service))
}

// NodeInstances returns what runs on a node.
func (v View) NodeInstances(node string) []*Instance {
	return slices.Collect(rows[Instance](v, tableServices, byNode, node))
}

// Instance returns the instance with that ID on the node, or nil.
func (v View) Instance(node, id string) *Instance {
	return one[Instance](v, tableServices, byID, node, id)
}

// Check returns the check with that ID on the node, or nil.
func (v View) Check(node, id string) *Check { return one[Check](v, tableChecks, byID, node, id) }

// NodeChecks returns every check on a node, of its instances as well as its own.
func (v View) NodeChecks(node string) []*Check {
	return slices.Collect(rows[Check](v, tableChecks, byNode, node))
}

// ServiceChecks returns the checks of a service's instances.
func (v View) ServiceChecks(service string) []*Check {
	return slices.Collect(rows[Check](v, tableChecks, byName, service))
}

// ChecksIn returns the checks with a status, or all of them for [consulwire.Any].
func (v View) ChecksIn(status string) []*Check {
	if status == consulwire.Any {
		return slices.Collect(rows[Check](v, tableChecks, byID))
	}
	return slices.Collect(rows[Check](v, tableChecks, byStatus, status))
}

// InstanceChecks returns the checks of one instance, without those of its node.
func (v View) InstanceChecks(node, id string) []*Check {
	return slices.Collect(rows[Check](v, tableChecks, byService, node, id))
}

// OwnChecks returns the checks of the node itself. It costs the same however many instances the node has.
func (v View) OwnChecks(node string) []*Check {
	return slices.Collect(rows[Check](v, tableChecks, byOwner, node))
}
