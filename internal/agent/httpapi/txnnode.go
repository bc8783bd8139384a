package httpapi

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pandakit/panda/internal/consulwire"
)

func precheckNode(op *consulwire.TxnNode) error {
	if op.Node.Node.Node == "" {
		return opError("Must provide node")
	}
	if id := op.Node.ID; id != "" {
		if err := uuid(id); err != nil {
			return opError("Bad node ID: %v", err)
		}
	}
	return nil
}

// uuidShape is where a UUID has its dashes.
const uuidShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

func uuid(text string) error {
	if len(text) != len(uuidShape) {
		return opError("uuid string is wrong length")
	}
	for at, c := range uuidShape {
		if (c == '-') != (text[at] == '-') {
			return opError("uuid is improperly formatted")
		}
	}
	_, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	return err
}

func (t txnReader) node(op *consulwire.TxnNode) ([]*consulwire.TxnResult, error) {
	if op.Verb != "get" {
		return nil, opError("unknown Node verb %q", op.Verb)
	}
	node := t.find(&op.Node.Node)
	if node == nil {
		return nil, opError("node %q doesn't exist", op.Node.Node.Node)
	}
	return []*consulwire.TxnResult{{Node: node}}, nil
}

// find returns the node with that ID, or with that name when no ID is given.
func (t txnReader) find(given *consulwire.Node) *consulwire.Node {
	if given.ID != "" {
		return t.nodeByID(given.ID)
	}
	return t.Node(given.Node)
}

func (t txnReader) nodeByID(id string) *consulwire.Node {
	for _, n := range t.Nodes() {
		if strings.EqualFold(n.ID, id) {
			return n
		}
	}
	return nil
}

func (t *txnWriter) writeNode(op *consulwire.TxnNode) ([]*consulwire.TxnResult, error) {
	given, index := op.Node.Node, uint64(0)
	existing := t.Node(given.Node)
	if existing != nil {
		index = existing.ModifyIndex
	}
	switch op.Verb {
	case "set", "cas":
		if op.Verb == "cas" && stale(given.ModifyIndex, index) {
			return nil, opError("failed to set node %q, index is stale", given.Node)
		}
		if err := t.setNode(&given); err != nil {
			return nil, err
		}
		return []*consulwire.TxnResult{{Node: t.find(&given)}}, nil
	case "delete", "delete-cas":
		if op.Verb == "delete-cas" && (existing == nil || stale(given.ModifyIndex, index)) {
			return nil, opError("failed to delete node %q, index is stale", given.Node)
		}
		if !t.isOwn(given.Node) {
			t.w.DeleteNode(given.Node)
		}
		return nil, nil
	}
	return t.node(op)
}

// isOwn reports whether the node is the agent's own: it stays as the agent has it.
func (t *txnWriter) isOwn(node string) bool { return strings.EqualFold(node, t.own) }

// setNode adds or replaces a node. One whose ID another node has already is that node, renamed.
func (t *txnWriter) setNode(given *consulwire.Node) error {
	if given.Datacenter == "" {
		given.Datacenter = t.datacenter
	}
	if t.isOwn(given.Node) {
		return nil
	}
	if given.ID != "" {
		old := t.nodeByID(given.ID)
		if err := t.nameFree(given, old == nil); err != nil {
			return err
		}
		if old != nil && !strings.EqualFold(old.Node, given.Node) {
			if t.isOwn(old.Node) {
				return opError("Node ID %q is the agent's own", given.ID)
			}
			t.w.DeleteNode(old.Node)
		}
	}
	return t.w.SetNode(given)
}

// nameFree refuses a name that a healthy node with another ID has. A node that is new here may take over the name of
// one without an ID.
func (t txnReader) nameFree(given *consulwire.Node, isNew bool) error {
	other := t.Node(given.Node)
	if other == nil || strings.EqualFold(other.ID, given.ID) || other.ID == "" && isNew {
		return nil
	}
	if serf := t.Check(other.Node, consulwire.SerfHealth); serf == nil || serf.Status == consulwire.Critical {
		return nil
	}
	who := fmt.Sprintf("%q (%s)", given.ID, given.Address)
	if isNew {
		who = fmt.Sprintf("%q", given.ID)
	}
	return opError("Error while renaming Node ID: %s: Node name %s is reserved by node %s with name %s (%s)",
		who, given.Node, other.ID, other.Node, other.Address)
}
