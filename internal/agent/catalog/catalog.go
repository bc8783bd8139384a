package catalog

import (
	"fmt"

	"github.com/hashicorp/go-memdb"
)

// Catalog is the whole state. Its methods may be called from several goroutines at once: readers never
// wait, writers wait for each other.
type Catalog struct {
	db *memdb.MemDB

	// gone counts the marks of topics that no longer exist; only the one writer touches it.
	gone    int
	buried  int // how many tombstones there are, likewise
	delays  lockDelays
	journal Journal
}

// New returns an empty catalog whose index starts at start, at least 1. A start above every index of an
// earlier life of the same agent keeps clients that remember one from missing what has changed since.
func New(start uint64) *Catalog {
	db, err := memdb.NewMemDB(schema())
	if err != nil {
		panic(fmt.Sprintf("catalog schema: %v", err)) // a constant of this package
	}
	c := &Catalog{db: db}
	txn := db.Txn(true)
	defer txn.Abort()
	for _, topic := range []Topic{whole, floor} {
		mustInsert(txn, tableMarks, &mark{Topic: topic, Index: max(start, 1)})
	}
	txn.Commit()
	return c
}

// Write runs change and makes what it did visible, all at once under one new index. When change returns
// an error nothing of it remains, and Write returns that error. change must not use the Writer later.
// A write that the journal refuses has not happened either.
func (c *Catalog) Write(change func(*Writer) error) error {
	txn := c.db.Txn(true)
	defer txn.Abort()
	w := &Writer{View: View{txn}, touched: make(map[Topic]struct{}), delayed: &c.delays}
	w.index = w.Index() + 1
	if err := change(w); err != nil {
		return err
	}
	if len(w.touched) == 0 && !w.whole {
		return nil
	}
	gone := c.gone
	if w.whole {
		w.forgetAll()
		gone = 0
	}
	gone += w.setMarks()
	if gone > mostGone {
		gone -= w.forgetGone()
	}
	buried := c.buried + w.buried
	if buried > mostBuried {
		buried -= w.forgetBuried()
	}
	// The last that can fail: what the journal has taken is visible.
	if err := c.record(w); err != nil {
		return err
	}
	c.gone, c.buried = gone, buried
	c.delays.add(w.delays)
	txn.Commit()
	return nil
}

// View returns what the catalog holds now.
func (c *Catalog) View() View { return View{c.db.Txn(false)} }

// mustInsert and mustDelete panic on what only a wrong schema can cause: every row has its keys checked
// before it gets here.
func mustInsert(txn *memdb.Txn, table string, row any) {
	if err := txn.Insert(table, row); err != nil {
		panic(fmt.Sprintf("catalog: insert into %s: %v", table, err))
	}
}

func mustDelete(txn *memdb.Txn, table string, row any) {
	if err := txn.Delete(table, row); err != nil {
		panic(fmt.Sprintf("catalog: delete from %s: %v", table, err))
	}
}
