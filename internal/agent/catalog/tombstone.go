package catalog

import (
	"cmp"
	"slices"
)

// tombstone keeps the index at which a key was deleted, so that the index of the key and of each prefix of it rises
// then and does not fall.
type tombstone struct {
	Key   string
	Index uint64
}

// mostBuried bounds how many tombstones there are. Beyond it the older half is forgotten: all keys that do not exist
// then share one index, which can only wake readers too often.
const mostBuried = 4096

func (w *Writer) bury(key string) {
	if one[tombstone](w.View, tableTombstones, byID, key) == nil {
		w.buried++
	}
	mustInsert(w.txn, tableTombstones, &tombstone{key, w.index})
}

// forgetBuried drops the older half of the tombstones, and returns how many.
func (w *Writer) forgetBuried() int {
	stones := slices.Collect(rows[tombstone](w.View, tableTombstones, byID))
	slices.SortFunc(stones, func(a, b *tombstone) int { return cmp.Compare(a.Index, b.Index) })
	stones = stones[:len(stones)/2]
	for _, s := range stones {
		mustDelete(w.txn, tableTombstones, s)
		w.setForgotten(s.Index)
	}
	return len(stones)
}

func (w *Writer) setForgotten(index uint64) {
	if w.Mark(forgotten).Index < index {
		mustInsert(w.txn, tableMarks, &mark{Topic: forgotten, Index: index})
	}
}

// keyMark is the mark of one key. While there is none its index is that of the deletion.
func (v View) keyMark(key string) Mark {
	changed, row, err := v.txn.FirstWatch(tableKV, byID, key)
	if pair, ok := row.(*Pair); ok && err == nil {
		return Mark{Index: max(pair.ModifyIndex, v.Restored()), Changed: changed}
	}
	index := max(v.Mark(forgotten).Index, v.Restored())
	if stone := one[tombstone](v, tableTombstones, byID, key); stone != nil {
		index = max(index, stone.Index)
	}
	return Mark{Index: index, Changed: changed}
}

// prefixMark is the mark of all keys that begin with the prefix, those deleted included.
func (v View) prefixMark(prefix string) Mark {
	if prefix == "" {
		return v.Mark(allKeys)
	}
	index := max(v.Mark(forgotten).Index, v.Restored())
	for stone := range rows[tombstone](v, tableTombstones, byPrefix, prefix) {
		index = max(index, stone.Index)
	}
	for pair := range v.Keys(prefix) {
		index = max(index, pair.ModifyIndex)
	}
	return Mark{Index: index, Changed: v.watch(tableKV, byPrefix, prefix)}
}

// watch returns a channel that closes when one of the rows that an index has for the key changes, or one comes.
func (v View) watch(table, index string, key ...any) <-chan struct{} {
	found, err := v.txn.Get(table, index, key...)
	if err != nil {
		return nil
	}
	return found.WatchCh()
}
