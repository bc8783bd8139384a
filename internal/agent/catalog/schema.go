package catalog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-memdb"

	"github.com/pandakit/panda/internal/consulwire"
)

// The tables and their indexes. Every table has an index "id", which is unique.
const (
	tableNodes     = "nodes"
	tableServices  = "services"
	tableChecks    = "checks"
	tableSessions  = "sessions"
	tableKV        = "kv"
	tableDocuments = "documents"
	tableMarks     = "marks"

	tableTombstones = "tombstones"

	byID      = "id"
	byNode    = "node"
	byUUID    = "uuid"     // nodes: of the ID, which is no key: several nodes may lack one
	byName    = "name"     // services: of the service, in any case
	byMesh    = "mesh"     // services: of the service that an instance stands for in a mesh, in any case
	byService = "instance" // checks: node and service ID
	byOwner   = "owner"    // checks of no instance: the node, so that they need not be looked for among all that it has
	byStatus  = "status"   // checks
	byCheck   = "check"    // sessions: node and check ID of each check that it depends on
	byClass   = "class"    // documents
	bySession = "session"  // kv: that holds the lock
	byPrefix  = byID + prefixed

	prefixed = "_prefix" // after an index whose keys are found by what they begin with
)

// journaled are the tables that a journal is told of. Marks and tombstones are not among them: an agent that starts
// again begins at an index above all that it has told.
var journaled = []string{tableNodes, tableServices, tableChecks, tableSessions, tableKV, tableDocuments}

// NewRow returns an empty row of one of [Tables], to decode one into that a journal was told; nil for no such table.
func NewRow(table string) any {
	switch table {
	case tableNodes:
		return new(consulwire.Node)
	case tableServices:
		return new(Instance)
	case tableChecks:
		return new(Check)
	case tableSessions:
		return new(consulwire.Session)
	case tableKV:
		return new(Pair)
	case tableDocuments:
		return new(Document)
	}
	return nil
}

func schema() *memdb.DBSchema {
	return &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{
		tableNodes: table(tableNodes, unique(field("Node", fold)), index(byUUID, field("ID", fold))),
		tableServices: table(tableServices,
			unique(both(field("Node", fold), field("ID", exact))),
			index(byNode, field("Node", fold)),
			index(byName, field("Service", fold)),
			index(byMesh, meshKey{})),
		tableChecks: table(tableChecks,
			unique(both(field("Node", fold), field("CheckID", exact))),
			index(byNode, field("Node", fold)),
			index(byService, both(field("Node", fold), field("ServiceID", exact))),
			index(byOwner, nodesOwn{}),
			index(byName, field("ServiceName", fold)),
			index(byStatus, field("Status", exact))),
		tableSessions: table(tableSessions,
			unique(field("ID", fold)),
			index(byNode, field("Node", fold)),
			index(byCheck, sessionChecks{})),
		tableKV: table(tableKV,
			unique(kvKey{}),
			index(bySession, field("Session", fold))),
		tableDocuments: table(tableDocuments,
			unique(both(field("Class", exact), field("Name", fold))),
			index(byClass, field("Class", exact))),
		tableMarks:      table(tableMarks, unique(topicKey{})),
		tableTombstones: table(tableTombstones, unique(kvKey{})),
	}}
}

// What a letter's case means in a key: nothing in the names of nodes and services, as in Consul.
const (
	fold  = true
	exact = false
)

func table(name string, indexes ...*memdb.IndexSchema) *memdb.TableSchema {
	t := &memdb.TableSchema{Name: name, Indexes: make(map[string]*memdb.IndexSchema, len(indexes))}
	for _, i := range indexes {
		t.Indexes[i.Name] = i
	}
	return t
}

func unique(key memdb.Indexer) *memdb.IndexSchema {
	return &memdb.IndexSchema{Name: byID, Unique: true, Indexer: key}
}

// index may lack a row whose field is empty: a check of the node has no service.
func index(name string, key memdb.Indexer) *memdb.IndexSchema {
	return &memdb.IndexSchema{Name: name, AllowMissing: true, Indexer: key}
}

func field(name string, lowercase bool) memdb.Indexer {
	return &memdb.StringFieldIndex{Field: name, Lowercase: lowercase}
}

func both(first, second memdb.Indexer) memdb.Indexer {
	return &memdb.CompoundIndex{Indexes: []memdb.Indexer{first, second}}
}

// kvKey is the index of pairs and tombstones by their key, which is any bytes.
type kvKey struct{}

func (kvKey) FromObject(row any) (bool, []byte, error) {
	switch r := row.(type) {
	case *Pair:
		return true, []byte(r.Key), nil
	case *tombstone:
		return true, []byte(r.Key), nil
	}
	return false, nil, fmt.Errorf("%T has no key", row)
}

func (kvKey) FromArgs(args ...any) ([]byte, error) {
	if key, ok := args[0].(string); ok && len(args) == 1 {
		return []byte(key), nil
	}
	return nil, errors.New("a key is found by its name")
}

func (k kvKey) PrefixFromArgs(args ...any) ([]byte, error) { return k.FromArgs(args...) }

// meshKey is the index of the instances that take part in a mesh by the service that they stand for.
type meshKey struct{}

func (meshKey) FromObject(row any) (bool, []byte, error) {
	instance, ok := row.(*Instance)
	if !ok {
		return false, nil, errors.New("not an instance")
	}
	name := instance.meshName()
	return name != "", foldedKey(name), nil
}

func (meshKey) FromArgs(args ...any) ([]byte, error) {
	if name, ok := args[0].(string); ok && len(args) == 1 {
		return foldedKey(name), nil
	}
	return nil, errors.New("instances of a mesh are found by the name of a service")
}

// nodesOwn is the index of the checks that are of a node itself.
type nodesOwn struct{}

func (nodesOwn) FromObject(row any) (bool, []byte, error) {
	check, ok := row.(*Check)
	if !ok {
		return false, nil, errors.New("not a check")
	}
	return check.ServiceID == "", foldedKey(check.Node), nil
}

func (nodesOwn) FromArgs(args ...any) ([]byte, error) {
	if node, ok := args[0].(string); ok && len(args) == 1 {
		return foldedKey(node), nil
	}
	return nil, errors.New("a node's own checks are found by its name")
}

func foldedKey(name string) []byte { return []byte(strings.ToLower(name) + "\x00") }

// sessionChecks is the index of sessions by each check that they depend on.
type sessionChecks struct{}

func (sessionChecks) FromObject(row any) (bool, [][]byte, error) {
	session, ok := row.(*consulwire.Session)
	if !ok {
		return false, nil, errors.New("not a session")
	}
	ids := session.CheckIDs()
	keys := make([][]byte, len(ids))
	for n, id := range ids {
		keys[n] = checkKey(session.Node, id)
	}
	return len(keys) > 0, keys, nil
}

func (sessionChecks) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 2 {
		node, isText := args[0].(string)
		if id, ok := args[1].(string); ok && isText {
			return checkKey(node, id), nil
		}
	}
	return nil, errors.New("a session's check is found by its node and ID")
}

func checkKey(node, id string) []byte {
	return []byte(strings.ToLower(node) + "\x00" + id + "\x00")
}
