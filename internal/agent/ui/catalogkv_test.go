package ui_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/ui"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestCatalogKVLists(t *testing.T) {
	state := catalog.New(1)
	kv := ui.CatalogKV{Catalog: state}
	keys := []string{"a", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/c", "a0", "a//x", "b/1", "b/2", "c", "日/本"}
	for _, key := range keys {
		if ok, err := kv.Put(key, []byte("v"), 0, 0); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	names := func(all []ui.Entry) []string {
		names := []string{}
		for _, e := range all {
			names = append(names, e.Key)
			if e.Folder != (e.Size == 0) {
				t.Errorf("%+v", e)
			}
		}
		return names
	}
	for prefix, want := range map[string][]string{
		"":     {"a", "a/", "a0", "b/", "c", "日/"},
		"a/":   {"a/", "a//", "a/1", "a/2", "a/b/", "a/c"},
		"a//":  {"a//x"},
		"a/b":  {"a/b/"},
		"a/b/": {"a/b/1", "a/b/2"},
		"none": {},
	} {
		if got := names(kv.List(state.View(), prefix, "/", "", 100)); !slices.Equal(got, want) {
			t.Errorf("below %q: %q, want %q", prefix, got, want)
		}
		// One page after the other shows each entry once.
		paged, after := []string{}, ""
		for {
			page := names(kv.List(state.View(), prefix, "/", after, 1))
			if len(page) == 0 {
				break
			}
			paged, after = append(paged, page...), page[0]
		}
		if !slices.Equal(paged, want) {
			t.Errorf("below %q in pages: %q, want %q", prefix, paged, want)
		}
	}
}

func TestCatalogKVComparesAndSets(t *testing.T) {
	state := catalog.New(1)
	kv := ui.CatalogKV{Catalog: state}
	hold := func(want bool, ok bool, err error) {
		t.Helper()
		if ok != want || err != nil {
			t.Errorf("%v, %v; want %v", ok, err, want)
		}
	}
	put := func(value string, index uint64) (bool, error) { return kv.Put("k", []byte(value), 7, index) }
	ok, err := put("1", 5)
	hold(false, ok, err)
	ok, err = put("1", 0)
	hold(true, ok, err)
	ok, err = put("2", 0)
	hold(false, ok, err)
	p := kv.Get(state.View(), "k")
	if string(p.Value) != "1" || p.Flags != 7 || fmt.Sprint(p.ModifyIndex) != fmt.Sprint(state.View().Index()) {
		t.Errorf("%+v", p)
	}
	before := kv.PrefixMark(state.View(), "k")
	ok, err = put("2", p.ModifyIndex)
	hold(true, ok, err)
	<-before.Changed
	ok, err = kv.Delete("k", p.ModifyIndex)
	hold(false, ok, err)
	ok, err = kv.Delete("k", kv.Get(state.View(), "k").ModifyIndex)
	hold(true, ok, err)
	ok, err = kv.Delete("k", 3)
	hold(false, ok, err)
}

func TestCatalogKVSessions(t *testing.T) {
	state := catalog.New(1)
	kv := ui.CatalogKV{Catalog: state}
	err := state.Write(func(w *catalog.Writer) error {
		if err := w.SetNode(&consulwire.Node{Node: "n1"}); err != nil {
			return err
		}
		err := w.CreateSession(&consulwire.Session{ID: "6d1f", Name: "leader", Node: "n1", TTL: "15s", Behavior: consulwire.SessionDelete})
		if err != nil {
			return err
		}
		_, err = w.LockKey(&consulwire.KVPair{Key: "lock", Session: "6d1f"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := kv.Sessions(state.View())
	if len(all) != 1 || all[0].Name != "leader" || all[0].Behavior != "delete" || !slices.Equal(all[0].Keys, []string{"lock"}) {
		t.Errorf("%+v", all)
	}
	if p := kv.Get(state.View(), "lock"); p.Session != "6d1f" || p.LockIndex != 1 {
		t.Errorf("%+v", p)
	}
	if ok, err := kv.Put("lock", []byte("x"), 0, kv.Get(state.View(), "lock").ModifyIndex); !ok || err != nil || kv.Get(state.View(), "lock").Session != "6d1f" {
		t.Error("a change of the value frees the lock", ok, err)
	}
}
