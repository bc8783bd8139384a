package catalog

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Topic is a part of the catalog whose changes a reader can wait for. It is comparable.
type Topic struct {
	kind topicKind
	name string // of the service, node or session, in lower case, or of the key, where the kind has one
}

type topicKind string

// The kinds of topics that have no row of their own among the marks: what they tell is in the rows they are about.
const (
	kindKey          topicKind = "key"
	kindKeyPrefix    topicKind = "key prefix"
	kindSession      topicKind = "session"
	kindNodeSessions topicKind = "node sessions"
)

// The topics of whole tables.
var (
	Nodes    = Topic{kind: "nodes"}    // nodes, without what is on them
	Services = Topic{kind: "services"} // which instances there are; not their health
	Checks   = Topic{kind: "checks"}   // every check
	Sessions = Topic{kind: "sessions"} // every session

	Everything = Topic{kind: "whole"} // the index of the last write, whatever it changed

	whole = Everything
	floor = Topic{kind: "floor"} // the index of topics that have no mark

	allKeys   = Topic{kind: "keys"}           // every key
	forgotten = Topic{kind: "forgotten keys"} // the index of keys that are gone and have no tombstone
	restored  = Topic{kind: "restored"}       // the replacement of everything
)

// Service is the topic of one service: its instances, their checks, their nodes and those nodes' checks.
func Service(name string) Topic { return Topic{"service", strings.ToLower(name)} }

// Mesh is the topic of the instances that stand for a service in a mesh, as [Service] is of those of its own.
func Mesh(service string) Topic { return Topic{"mesh", strings.ToLower(service)} }

// Node is the topic of one node: itself and its instances, without checks.
func Node(name string) Topic { return Topic{"node", strings.ToLower(name)} }

// Key is the topic of one key. Its index is the key's ModifyIndex, or that of its deletion.
func Key(key string) Topic { return Topic{kindKey, key} }

// KeyPrefix is the topic of all keys that begin with a prefix.
func KeyPrefix(prefix string) Topic { return Topic{kindKeyPrefix, prefix} }

// Session is the topic of one session. Its index is that of the last change of any session, as in Consul.
func Session(id string) Topic { return Topic{kindSession, strings.ToLower(id)} }

// NodeSessions is the topic of a node's sessions. Its index is that of the last change of any session.
func NodeSessions(node string) Topic { return Topic{kindNodeSessions, strings.ToLower(node)} }

// Mark tells when a topic last changed.
type Mark struct {
	// Index is that of the write that changed the topic last, never 0. It rises also when the last
	// instance of a service disappears.
	Index uint64
	// Changed is closed when the topic changes. It may also close without a change: compare indexes.
	Changed <-chan struct{}
}

// mark is the row of a topic.
type mark struct {
	Topic Topic
	Index uint64
	Gone  bool // the service or node does not exist
}

// topicKey is the index of marks by topic.
type topicKey struct{}

func (topicKey) FromArgs(args ...any) ([]byte, error) {
	if topic, ok := args[0].(Topic); ok && len(args) == 1 {
		return topic.key(), nil
	}
	return nil, errors.New("a mark is found by its topic")
}

func (topicKey) FromObject(row any) (bool, []byte, error) {
	if m, ok := row.(*mark); ok {
		return true, m.Topic.key(), nil
	}
	return false, nil, errors.New("not a mark")
}

func (t Topic) key() []byte { return []byte(string(t.kind) + "\x00" + t.name + "\x00") }

// mostGone bounds how many services and nodes that no longer exist keep an index of their own. Beyond
// it the older half shares the floor, which then can only wake readers too often.
const mostGone = 1024

// setMarks raises the marks of what was touched, and returns by how many those of gone topics grew.
func (w *Writer) setMarks() (grown int) {
	for topic := range w.touched {
		before, _ := w.mark(topic)
		after := &mark{Topic: topic, Index: w.index, Gone: !w.exists(topic)}
		grown += count(after.Gone) - count(before != nil && before.Gone)
		mustInsert(w.txn, tableMarks, after)
	}
	mustInsert(w.txn, tableMarks, &mark{Topic: whole, Index: w.index})
	return grown
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// forgetGone drops the older half of the marks of gone topics, and returns how many.
func (w *Writer) forgetGone() int {
	var gone []*mark
	for m := range rows[mark](w.View, tableMarks, byID) {
		if m.Gone {
			gone = append(gone, m)
		}
	}
	slices.SortFunc(gone, func(a, b *mark) int { return cmp.Compare(a.Index, b.Index) })
	gone = gone[:len(gone)/2]
	for _, m := range gone {
		mustDelete(w.txn, tableMarks, m)
		mustInsert(w.txn, tableMarks, &mark{Topic: floor, Index: m.Index})
	}
	return len(gone)
}

// forgetAll makes every topic one that has changed now.
func (w *Writer) forgetAll() {
	for _, m := range slices.Collect(rows[mark](w.View, tableMarks, byID)) {
		mustDelete(w.txn, tableMarks, m)
	}
	for _, topic := range []Topic{floor, whole, restored} {
		mustInsert(w.txn, tableMarks, &mark{Topic: topic, Index: w.index})
	}
}

func (w *Writer) exists(t Topic) bool {
	switch t.kind { //nolint:exhaustive // the others are always there
	case "service":
		return one[Instance](w.View, tableServices, byName, t.name) != nil
	case "mesh":
		return one[Instance](w.View, tableServices, byMesh, t.name) != nil
	case "node":
		return w.Node(t.name) != nil
	}
	return true
}
