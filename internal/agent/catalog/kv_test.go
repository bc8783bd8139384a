package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func kv(key, value string) *consulwire.KVPair {
	return &consulwire.KVPair{Key: key, Value: []byte(value)}
}

func set(t *testing.T, c *catalog.Catalog, key, value string) *catalog.Pair {
	t.Helper()
	var pair *catalog.Pair
	write(t, c, func(w *catalog.Writer) (err error) {
		pair, err = w.SetKey(kv(key, value))
		return err
	})
	return pair
}

func remove(t *testing.T, c *catalog.Catalog, key string) {
	t.Helper()
	write(t, c, func(w *catalog.Writer) error {
		w.DeleteKey(key)
		return nil
	})
}

// withSessions has the seeded catalog with sessions s1 and s2 of n1, which depend on the check "own".
func withSessions(t *testing.T) *catalog.Catalog {
	t.Helper()
	c := seeded(t)
	write(t, c, func(w *catalog.Writer) error {
		return errors.Join(
			w.CreateSession(&consulwire.Session{ID: "s1", Node: "n1", NodeChecks: []string{"own"}, Behavior: consulwire.SessionRelease}),
			w.CreateSession(&consulwire.Session{ID: "s2", Node: "n1", NodeChecks: []string{"own"}, Behavior: consulwire.SessionDelete}),
		)
	})
	return c
}

func TestSetKey(t *testing.T) {
	c := catalog.New(start)
	first := set(t, c, "a", "1")
	if first.CreateIndex != start+1 || first.ModifyIndex != start+1 {
		t.Errorf("new key: %+v", first)
	}
	if same := set(t, c, "a", "1"); same.ModifyIndex != start+1 || c.View().Index() != start+1 {
		t.Errorf("the same value again: %+v at %d", same, c.View().Index())
	}
	if changed := set(t, c, "a", "2"); changed.CreateIndex != start+1 || changed.ModifyIndex != start+2 {
		t.Errorf("another value: %+v", changed)
	}
	if err := c.Write(func(w *catalog.Writer) error { _, err := w.SetKey(kv("", "x")); return err }); err == nil {
		t.Error("a key without a name was stored")
	}
	value := []byte("mine")
	write(t, c, func(w *catalog.Writer) error {
		_, err := w.SetKey(&consulwire.KVPair{Key: "b", Value: value})
		return err
	})
	value[0] = 'X'
	if got := c.View().Key("b"); string(got.Value) != "mine" {
		t.Errorf("the catalog keeps the caller's bytes: %q", got.Value)
	}
}

func TestChangesOfKeysUnderConditions(t *testing.T) {
	index := func(w *catalog.Writer, key string) uint64 { return w.Key(key).ModifyIndex }
	for name, test := range map[string]struct {
		change func(*catalog.Writer) error
		want   error
	}{
		"cas of a new key":             {func(w *catalog.Writer) error { _, err := w.SetKeyIf(kv("new", "1"), 0); return err }, nil},
		"cas 0 of an old key":          {func(w *catalog.Writer) error { _, err := w.SetKeyIf(kv("free", "1"), 0); return err }, catalog.ErrStale},
		"cas with the index":           {func(w *catalog.Writer) error { _, err := w.SetKeyIf(kv("free", "1"), index(w, "free")); return err }, nil},
		"cas with another index":       {func(w *catalog.Writer) error { _, err := w.SetKeyIf(kv("free", "1"), 7); return err }, catalog.ErrStale},
		"cas of nothing with an index": {func(w *catalog.Writer) error { _, err := w.SetKeyIf(kv("new", "1"), 7); return err }, catalog.ErrStale},
		"delete with the index":        {func(w *catalog.Writer) error { return w.DeleteKeyIf("free", index(w, "free")) }, nil},
		"delete with another index":    {func(w *catalog.Writer) error { return w.DeleteKeyIf("free", 7) }, catalog.ErrStale},
		"delete nothing":               {func(w *catalog.Writer) error { return w.DeleteKeyIf("new", 7) }, nil},
		"lock what another holds": {func(w *catalog.Writer) error {
			_, err := w.LockKey(&consulwire.KVPair{Key: "held", Session: "s2"})
			return err
		}, catalog.ErrHeld},
		"lock what is mine": {func(w *catalog.Writer) error {
			_, err := w.LockKey(&consulwire.KVPair{Key: "held", Session: "s1"})
			return err
		}, nil},
		"unlock what another holds": {func(w *catalog.Writer) error {
			_, err := w.UnlockKey(&consulwire.KVPair{Key: "held", Session: "s2"})
			return err
		}, catalog.ErrNotHolder},
		"unlock what nobody holds": {func(w *catalog.Writer) error {
			_, err := w.UnlockKey(&consulwire.KVPair{Key: "free", Session: "s1"})
			return err
		}, catalog.ErrNotHolder},
		"unlock nothing": {func(w *catalog.Writer) error {
			_, err := w.UnlockKey(&consulwire.KVPair{Key: "new", Session: "s1"})
			return err
		}, catalog.ErrNotHolder},
	} {
		t.Run(name, func(t *testing.T) {
			c := withSessions(t)
			set(t, c, "free", "0")
			lock(t, c, "held", "s1")
			before := c.View().Index()
			if err := c.Write(test.change); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if test.want != nil && c.View().Index() != before {
				t.Error("what was refused has raised the index")
			}
		})
	}
}

func lock(t *testing.T, c *catalog.Catalog, key, session string) {
	t.Helper()
	write(t, c, func(w *catalog.Writer) error {
		_, err := w.LockKey(&consulwire.KVPair{Key: key, Session: session, Value: []byte("locked")})
		return err
	})
}

func TestLockIndexCountsTheLocks(t *testing.T) {
	c := withSessions(t)
	lock(t, c, "k", "s1")
	lock(t, c, "k", "s1")
	if got := c.View().Key("k"); got.LockIndex != 1 || got.Session != "s1" {
		t.Errorf("locked twice by the same: %+v", got)
	}
	write(t, c, func(w *catalog.Writer) error {
		_, err := w.UnlockKey(&consulwire.KVPair{Key: "k", Session: "s1"})
		return err
	})
	lock(t, c, "k", "s2")
	if got := c.View().Key("k"); got.LockIndex != 2 || got.Session != "s2" {
		t.Errorf("locked by another: %+v", got)
	}
	set(t, c, "k", "plain")
	if got := c.View().Key("k"); got.Session != "s2" {
		t.Errorf("a plain write took the lock away: %+v", got)
	}
}

func TestLockNeedsASession(t *testing.T) {
	c := withSessions(t)
	for session, want := range map[string]string{"": "missing session", "none": `invalid session "none"`} {
		err := c.Write(func(w *catalog.Writer) error {
			_, err := w.LockKey(&consulwire.KVPair{Key: "k", Session: session})
			return err
		})
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v", session, err)
		}
	}
}

func TestDeleteTree(t *testing.T) {
	c := catalog.New(start)
	for _, key := range []string{"a", "a/b", "a/b/c", "ab", "b"} {
		set(t, c, key, "1")
	}
	write(t, c, func(w *catalog.Writer) error {
		if n := w.DeleteTree("a/"); n != 2 {
			t.Errorf("deleted %d", n)
		}
		return nil
	})
	if got := keys(c.View(), ""); !slices.Equal(got, []string{"a", "ab", "b"}) {
		t.Errorf("left %q", got)
	}
}

func keys(v catalog.View, prefix string) (names []string) {
	for p := range v.Keys(prefix) {
		names = append(names, p.Key)
	}
	return names
}

// TestOnlyItsOwnWakeAWatcher holds which topics a change of a key touches: by a higher index and a closed channel.
func TestOnlyItsOwnWakeAWatcher(t *testing.T) {
	topics := map[string]catalog.Topic{
		"a": catalog.Key("a"), "a/b": catalog.Key("a/b"), "a/c": catalog.Key("a/c"), "none": catalog.Key("none"),
		"a/*": catalog.KeyPrefix("a/"), "a/b*": catalog.KeyPrefix("a/b"), "z*": catalog.KeyPrefix("z"), "*": catalog.KeyPrefix(""),
	}
	for name, test := range map[string]struct {
		change func(*catalog.Writer) error
		want   []string
	}{
		"change":        {func(w *catalog.Writer) error { _, err := w.SetKey(kv("a/b", "2")); return err }, []string{"*", "a/*", "a/b", "a/b*"}},
		"add":           {func(w *catalog.Writer) error { _, err := w.SetKey(kv("a/bb", "1")); return err }, []string{"*", "a/*", "a/b*"}},
		"add elsewhere": {func(w *catalog.Writer) error { _, err := w.SetKey(kv("none", "1")); return err }, []string{"*", "none"}},
		"delete":        {func(w *catalog.Writer) error { w.DeleteKey("a/b"); return nil }, []string{"*", "a/*", "a/b", "a/b*"}},
		"delete a tree": {func(w *catalog.Writer) error { w.DeleteTree("a/"); return nil }, []string{"*", "a/*", "a/b", "a/b*", "a/c"}},
		"nothing":       {func(w *catalog.Writer) error { _, err := w.SetKey(kv("a", "1")); w.DeleteKey("x"); return err }, nil},
		"a node":        {func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: "x"}) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := catalog.New(start)
			for _, key := range []string{"a", "a/b", "a/c"} {
				set(t, c, key, "1")
			}
			before := make(map[string]catalog.Mark)
			for name, topic := range topics {
				before[name] = c.View().Mark(topic)
			}
			write(t, c, test.change)
			var woken []string
			for name, topic := range topics {
				if after := c.View().Mark(topic); after.Index > before[name].Index {
					woken = append(woken, name)
					if !closed(before[name].Changed) {
						t.Errorf("%s has changed, and its channel is open", name)
					}
				}
			}
			if slices.Sort(woken); !slices.Equal(woken, test.want) {
				t.Errorf("changed: %q, want %q", woken, test.want)
			}
			if slices.Contains(test.want, "a/b") && closed(before["a"].Changed) {
				t.Error("the watcher of another key was woken")
			}
		})
	}
}

// TestIndexOfAKeyIsItsOwn holds that what a client compares in a check-and-set is also what it waits for.
func TestIndexOfAKeyIsItsOwn(t *testing.T) {
	c := catalog.New(start)
	pair := set(t, c, "a", "1")
	set(t, c, "b", "1")
	if got := c.View().Mark(catalog.Key("a")).Index; got != pair.ModifyIndex {
		t.Errorf("index %d of a key changed at %d", got, pair.ModifyIndex)
	}
	remove(t, c, "a")
	if got := c.View().Mark(catalog.Key("a")).Index; got != c.View().Index() {
		t.Errorf("index %d of a key deleted at %d", got, c.View().Index())
	}
}

// TestNoChangeIsMissed changes keys at random, more of them than tombstones are kept, and holds that the index of a
// key or prefix never falls, and rises whenever what is there changes.
func TestNoChangeIsMissed(t *testing.T) {
	c := catalog.New(start)
	random := rand.New(rand.NewPCG(1, 2))
	prefixes := []string{"", "a", "a/", "a/1", "b/", "b/12", "none"}
	single := []string{"a/1", "b/12", "b/7", "a"}
	seen := make(map[string]uint64)
	check := func(name string, topic catalog.Topic, changed bool) {
		index := c.View().Mark(topic).Index
		if last := seen[name]; index < last || changed && index == last {
			t.Fatalf("%s: index %d after %d, changed: %v", name, index, last, changed)
		}
		seen[name] = index
	}
	for range 600 {
		before := c.View()
		write(t, c, func(w *catalog.Writer) error { return randomChange(w, random) })
		after := c.View()
		for _, p := range prefixes {
			check(p+"*", catalog.KeyPrefix(p), !slices.Equal(slices.Collect(before.Keys(p)), slices.Collect(after.Keys(p))))
		}
		for _, k := range single {
			check(k, catalog.Key(k), before.Key(k) != after.Key(k))
		}
	}
}

func randomChange(w *catalog.Writer, random *rand.Rand) error {
	key := []string{"a/", "b/"}[random.IntN(2)] + fmt.Sprint(random.IntN(40))
	switch n := random.IntN(100); {
	case n < 50:
		_, err := w.SetKey(kv(key, fmt.Sprint(random.IntN(3))))
		return err
	case n < 90:
		w.DeleteKey(key)
	case n < 95:
		w.DeleteTree(key)
	case n < 96: // more than are remembered
		for i := range 5000 {
			if _, err := w.SetKey(kv(fmt.Sprintf("b/x%d", i), "1")); err != nil {
				return err
			}
		}
	default:
		w.DeleteTree("b/x")
	}
	return nil
}

// journal writes down every row as one that keeps them would, and reads it back.
type journal struct {
	t    *testing.T
	seen map[string]int
}

func (j *journal) Append(_ uint64, changes []catalog.Change) error {
	for _, c := range changes {
		j.seen[c.Table]++
		text, err := json.Marshal(c.Row)
		if err != nil {
			return err
		}
		row := catalog.NewRow(c.Table)
		if err := json.Unmarshal(text, row); err != nil {
			return err
		}
		if !reflect.DeepEqual(row, c.Row) {
			j.t.Errorf("%s: wrote %s, which is read as %+v", c.Table, text, row)
		}
	}
	return nil
}

// TestEveryRowCanBeWrittenDown holds that a journal learns of keys and sessions too, and that each row survives JSON.
func TestEveryRowCanBeWrittenDown(t *testing.T) {
	c := catalog.New(start)
	j := &journal{t, map[string]int{}}
	c.SetJournal(j)
	write(t, c, func(w *catalog.Writer) error {
		return errors.Join(
			w.SetNode(&consulwire.Node{Node: "n1", Address: "10.0.0.1", Meta: map[string]string{"a": "b"}}),
			w.SetInstance(instance("n1", "web1", "web")), w.SetCheck(checkOf("n1", "web1")),
			w.CreateSession(&consulwire.Session{
				ID: "s1", Node: "n1", NodeChecks: []string{}, ServiceChecks: []consulwire.SessionServiceCheck{{ID: "service:web1"}}, LockDelay: 5, TTL: "10s",
			}),
		)
	})
	lock(t, c, "bytes \xff\x00", "s1")
	set(t, c, "empty", "")
	write(t, c, func(w *catalog.Writer) error {
		proxy := instance("n1", "web1", "web")
		proxy.Kind, proxy.Sidecar = consulwire.KindConnectProxy, true
		proxy.Proxy = consulwire.Proxy{
			DestinationServiceName: "db", Config: map[string]any{"a": []any{1.5, "b"}}, Upstreams: []consulwire.Upstream{{DestinationName: "x"}},
			Expose: consulwire.Expose{Paths: []consulwire.ExposePath{{Path: "/"}}}, TransparentProxy: consulwire.TransparentProxy{DialedDirectly: true},
		}
		return errors.Join(w.SetInstance(proxy), w.SetDocument("class", "name", json.RawMessage(`{"a":1e3}`)))
	})
	write(t, c, func(w *catalog.Writer) error {
		w.DestroySession("s1")
		w.DeleteTree("")
		w.DeleteNode("n1")
		return nil
	})
	if want := (map[string]int{"nodes": 2, "services": 3, "checks": 2, "sessions": 2, "kv": 5, "documents": 1}); !reflect.DeepEqual(j.seen, want) {
		t.Errorf("the journal has seen %v, want %v", j.seen, want)
	}
	for _, table := range catalog.Tables() {
		if catalog.NewRow(table) == nil {
			t.Errorf("no row of %s", table)
		}
	}
	if catalog.NewRow("none") != nil {
		t.Error("a row of no table")
	}
}

func FuzzPairJSON(f *testing.F) {
	f.Add("a/b", []byte("value"), uint64(1), "s")
	f.Add("\xff\x00", []byte(nil), uint64(0), "")
	f.Fuzz(func(t *testing.T, key string, value []byte, flags uint64, session string) {
		if len(value) == 0 {
			value = nil // as the catalog stores it
		}
		session = strings.ToValidUTF8(session, "")
		pair := &catalog.Pair{KVPair: consulwire.KVPair{Key: key, Value: value, Flags: flags, Session: session, ModifyIndex: 3}}
		text, err := json.Marshal(pair)
		if err != nil {
			t.Fatal(err)
		}
		var read catalog.Pair
		if err := json.Unmarshal(text, &read); err != nil || !reflect.DeepEqual(&read, pair) {
			t.Errorf("%s: %v, %+v", text, err, read)
		}
	})
}

// TestForgottenDeletionsStillCount holds that a deletion is not missed by a reader who comes back after many others.
func TestForgottenDeletionsStillCount(t *testing.T) {
	c := catalog.New(start)
	set(t, c, "old/a", "1")
	set(t, c, "old/b", "1")
	read := c.View().Mark(catalog.KeyPrefix("old/")).Index
	remove(t, c, "old/b")
	gone := c.View().Index()
	for _, folder := range []string{"new/", "newer/"} {
		write(t, c, func(w *catalog.Writer) error {
			for i := range 3000 {
				if _, err := w.SetKey(kv(folder+fmt.Sprint(i), "1")); err != nil {
					return err
				}
				w.DeleteKey(folder + fmt.Sprint(i))
			}
			return nil
		})
	}
	if got := c.View().Mark(catalog.KeyPrefix("old/")).Index; got <= read || got < gone {
		t.Errorf("the prefix is at %d; a reader has %d and misses the deletion at %d", got, read, gone)
	}
	if got := c.View().Mark(catalog.Key("old/b")).Index; got < gone {
		t.Errorf("the key is at %d, its deletion was at %d", got, gone)
	}
}

// TestReplacedKeysWakeTheirReaders holds that a key that a snapshot brought back is told to whoever knows a later one.
func TestReplacedKeysWakeTheirReaders(t *testing.T) {
	c := catalog.New(start)
	old := set(t, c, "a/b", "old")
	set(t, c, "a/b", "new")
	topics := []catalog.Topic{catalog.Key("a/b"), catalog.KeyPrefix("a/"), catalog.KeyPrefix(""), catalog.Key("none")}
	var before []catalog.Mark
	for _, topic := range topics {
		before = append(before, c.View().Mark(topic))
	}
	write(t, c, func(w *catalog.Writer) error {
		return w.Replace(map[string][]any{"kv": {old}}, old.ModifyIndex)
	})
	for n, topic := range topics {
		if after := c.View().Mark(topic); after.Index <= before[n].Index || n < 3 && !closed(before[n].Changed) {
			t.Errorf("%v: index %d after %d", topic, after.Index, before[n].Index)
		}
	}
	if got := c.View().Key("a/b"); string(got.Value) != "old" || got.ModifyIndex != old.ModifyIndex {
		t.Errorf("brought back: %+v", got)
	}
}
