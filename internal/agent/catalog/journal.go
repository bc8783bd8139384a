package catalog

import (
	"fmt"
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
)

// Change is a row that a write has put, in place of one with the same keys if there is one, or removed.
type Change struct {
	Table   string // one of [Tables]
	Removed bool
	Row     any // shared with readers: it must not be changed. nil with Removed: every row of the table
}

// Journal is told every write before anyone can see it.
type Journal interface {
	// Append takes the changes that one write made, in their order; there may be none, and the index has risen all
	// the same. Calls do not overlap, and their indexes rise. When it returns an error the write has not happened,
	// and the error is what Write returns. While it runs, [Catalog.View] shows what was before the write.
	Append(index uint64, changes []Change) error
}

// SetJournal makes every later write go through the journal. It must not overlap a Write.
func (c *Catalog) SetJournal(journal Journal) { c.journal = journal }

func (c *Catalog) record(w *Writer) error {
	if c.journal == nil {
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

// Rows yields every row of one of [Tables]. They are shared and must not be changed.
func (v View) Rows(table string) iter.Seq[any] {
	return func(yield func(any) bool) {
		found, err := v.txn.Get(table, byID)
		if err != nil {
			return
		}
		for row := found.Next(); row != nil && yield(row); {
			row = found.Next()
		}
	}
}

// put stores a row and remove deletes one, so that the journal learns of it.
func (w *Writer) put(table string, row any) {
	mustInsert(w.txn, table, row)
	w.changes = append(w.changes, Change{Table: table, Row: row})
}

func (w *Writer) remove(table string, row any) {
	mustDelete(w.txn, table, row)
	w.changes = append(w.changes, Change{Table: table, Removed: true, Row: row})
}

// Load makes the changes of one write that a journal has kept: without telling the journal, and without an index. It
// is for a catalog that nobody reads yet; [Catalog.Begin] ends the loading. Rows belong to the catalog from now on.
func (c *Catalog) Load(changes []Change) error {
	txn := c.db.Txn(true)
	defer txn.Abort()
	for _, change := range changes {
		if err := apply(txn, change); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

// Begin raises the index to start, for every topic, so that whoever remembers a lower one asks anew.
func (c *Catalog) Begin(start uint64) {
	txn := c.db.Txn(true)
	defer txn.Abort()
	for _, topic := range []Topic{whole, floor} {
		mustInsert(txn, tableMarks, &mark{Topic: topic, Index: max(start, View{txn}.Index())})
	}
	txn.Commit()
}

func apply(txn *memdb.Txn, change Change) error {
	var err error
	switch {
	case !slices.Contains(journaled, change.Table):
		return fmt.Errorf("no table %q", change.Table)
	case change.Row == nil && change.Removed:
		_, err = txn.DeleteAll(change.Table, byID)
	case change.Row == nil:
		return fmt.Errorf("no row to put into table %q", change.Table)
	case change.Removed:
		err = txn.Delete(change.Table, change.Row)
	default:
		err = txn.Insert(change.Table, change.Row)
	}
	if err != nil {
		return fmt.Errorf("table %q: %w", change.Table, err)
	}
	return nil
}

// Replace puts the rows in place of all that there is, by table; index is the highest that any of them has been told
// under. Everyone who waits for anything is woken. On an error the write must be given up.
func (w *Writer) Replace(rows map[string][]any, index uint64) error {
	w.index = max(w.index, index+1)
	w.whole = true
	for _, table := range journaled {
		changes := []Change{{Table: table, Removed: true}}
		for _, row := range rows[table] {
			changes = append(changes, Change{Table: table, Row: row})
		}
		for _, change := range changes {
			if err := apply(w.txn, change); err != nil {
				return err
			}
		}
		w.changes = append(w.changes, changes...)
	}
	return w.complete()
}

// complete reports an instance or a check whose node is not there.
func (w *Writer) complete() error {
	for i := range rows[Instance](w.View, tableServices, byID) {
		if w.Node(i.Node) == nil {
			return fmt.Errorf("service instance %q on %q: %w", i.ID, i.Node, ErrNoNode)
		}
	}
	for c := range rows[Check](w.View, tableChecks, byID) {
		if w.Node(c.Node) == nil {
			return fmt.Errorf("check %q on %q: %w", c.CheckID, c.Node, ErrNoNode)
		}
	}
	for _, s := range w.Sessions() {
		if w.Node(s.Node) == nil {
			return fmt.Errorf("session %q on %q: %w", s.ID, s.Node, ErrNoNode)
		}
	}
	return nil
}
