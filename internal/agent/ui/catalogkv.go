package ui

import (
	"errors"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// CatalogKV is the store that a catalog holds.
type CatalogKV struct{ Catalog *catalog.Catalog }

// Get implements [KV].
func (CatalogKV) Get(v catalog.View, key string) *Pair {
	p := v.Key(key)
	if p == nil {
		return nil
	}
	return &Pair{
		Key: p.Key, Value: p.Value, Flags: p.Flags, Session: p.Session, LockIndex: p.LockIndex,
		CreateIndex: p.CreateIndex, ModifyIndex: p.ModifyIndex,
	}
}

// List implements [KV].
func (CatalogKV) List(v catalog.View, prefix, separator, after string, limit int) []Entry {
	var all []Entry
	last := after // what is listed already; of a folder, all of it
	for p := range v.Keys(prefix) {
		if p.Key <= last || strings.HasSuffix(last, separator) && last != prefix && strings.HasPrefix(p.Key, last) {
			continue
		}
		if len(all) == limit {
			break
		}
		entry := Entry{Key: p.Key, Size: len(p.Value), Session: p.Session}
		if name, _, below := strings.Cut(p.Key[len(prefix):], separator); below {
			entry = Entry{Key: prefix + name + separator, Folder: true}
		}
		all = append(all, entry)
		last = entry.Key
	}
	return all
}

// Sessions implements [KV].
func (CatalogKV) Sessions(v catalog.View) []Session {
	var all []Session
	for _, s := range v.Sessions() {
		session := Session{
			ID: s.ID, Name: s.Name, Node: s.Node, TTL: s.TTL, Behavior: s.Behavior, LockDelay: s.LockDelay, Checks: s.CheckIDs(),
		}
		for _, p := range v.LockedBy(s.ID) {
			session.Keys = append(session.Keys, p.Key)
		}
		all = append(all, session)
	}
	return all
}

// PrefixMark implements [KV].
func (CatalogKV) PrefixMark(v catalog.View, prefix string) catalog.Mark {
	return v.Mark(catalog.KeyPrefix(prefix))
}

// SessionsMark implements [KV].
func (CatalogKV) SessionsMark(v catalog.View) catalog.Mark { return v.Mark(catalog.Sessions) }

// Put implements [KV].
func (kv CatalogKV) Put(key string, value []byte, flags, index uint64) (bool, error) {
	err := kv.Catalog.Write(func(w *catalog.Writer) error {
		_, err := w.SetKeyIf(&consulwire.KVPair{Key: key, Value: value, Flags: flags}, index)
		return err
	})
	return done(err)
}

// Delete implements [KV].
func (kv CatalogKV) Delete(key string, index uint64) (bool, error) {
	err := kv.Catalog.Write(func(w *catalog.Writer) error {
		if (w.Key(key) == nil) != (index == 0) {
			return catalog.ErrStale
		}
		return w.DeleteKeyIf(key, index)
	})
	return done(err)
}

func done(err error) (bool, error) {
	if errors.Is(err, catalog.ErrStale) {
		return false, nil
	}
	return err == nil, err
}
