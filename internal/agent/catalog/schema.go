package catalog

import (
	"github.com/hashicorp/go-memdb"

	"github.com/pandakit/panda/internal/consulwire"
)

// The tables and their indexes. Every table has an index "id", which is unique.
const (
	tableNodes    = "nodes"
	tableServices = "services"
	tableChecks   = "checks"
	tableMarks    = "marks"

	byID      = "id"
	byNode    = "node"
	byName    = "name"     // services: of the service, in any case
	byService = "instance" // checks: node and service ID
	byStatus  = "status"   // checks
)

// journaled are the tables that a journal is told of. Marks are not among them: an agent that starts again begins
// at an index above all that it has told.
var journaled = []string{tableNodes, tableServices, tableChecks}

// NewRow returns an empty row of one of [Tables], to decode into, or nil when there is no such table.
func NewRow(table string) any {
	switch table {
	case tableNodes:
		return new(consulwire.Node)
	case tableServices:
		return new(Instance)
	case tableChecks:
		return new(Check)
	}
	return nil
}

func schema() *memdb.DBSchema {
	return &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{
		tableNodes: table(tableNodes, unique(field("Node", fold))),
		tableServices: table(tableServices,
			unique(both(field("Node", fold), field("ID", exact))),
			index(byNode, field("Node", fold)),
			index(byName, field("Service", fold))),
		tableChecks: table(tableChecks,
			unique(both(field("Node", fold), field("CheckID", exact))),
			index(byNode, field("Node", fold)),
			index(byService, both(field("Node", fold), field("ServiceID", exact))),
			index(byName, field("ServiceName", fold)),
			index(byStatus, field("Status", exact))),
		tableMarks: table(tableMarks, unique(topicKey{})),
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
