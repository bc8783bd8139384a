package catalog

import (
	"fmt"
	"slices"
)

// Change is a row that a write has put, in place of one with the same keys if there is one, or removed.
type Change struct {
	Table   string // one of [Tables]
	Removed bool
	Row     any // shared with readers: it must not be changed
}

// Journal is told every write before anyone can see it.
type Journal interface {
	// Append takes the changes that one write made, in their order. Calls do not overlap, and their indexes rise.
	// When it returns an error the write has not happened, and the error is what Write returns.
	Append(index uint64, changes []Change) error
}

// SetJournal makes every later write go through the journal. It must not overlap a Write.
func (c *Catalog) SetJournal(journal Journal) { c.journal = journal }

func (c *Catalog) record(w *Writer) error {
	if c.journal == nil || len(w.changes) == 0 {
		return nil
	}
	if err := c.journal.Append(w.index, w.changes); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// Tables returns the names of the tables whose rows a journal is told, in the order in which their rows can be
// loaded: what a row refers to comes before it.
func Tables() []string { return slices.Clone(journaled) }

// put stores a row and remove deletes one, so that the journal learns of it.
func (w *Writer) put(table string, row any) {
	mustInsert(w.txn, table, row)
	w.changes = append(w.changes, Change{Table: table, Row: row})
}

func (w *Writer) remove(table string, row any) {
	mustDelete(w.txn, table, row)
	w.changes = append(w.changes, Change{Table: table, Removed: true, Row: row})
}
