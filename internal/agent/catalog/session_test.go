package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestCreateSession(t *testing.T) {
	critical := checkOf("n1", "web2")
	critical.CheckID, critical.Status = "sick", consulwire.Critical
	for name, test := range map[string]struct {
		session consulwire.Session
		want    string
	}{
		"no checks":        {consulwire.Session{ID: "s", Node: "n1"}, ""},
		"all kinds":        {consulwire.Session{ID: "s", Node: "N1", NodeChecks: []string{"own"}, ServiceChecks: []consulwire.SessionServiceCheck{{ID: "service:web1"}}}, ""},
		"no ID":            {consulwire.Session{Node: "n1"}, `create session "": the ID is empty or not new`},
		"a known ID":       {consulwire.Session{ID: "KNOWN", Node: "n1"}, `create session "KNOWN": the ID is empty or not new`},
		"no node":          {consulwire.Session{ID: "s", Node: "none"}, `create session on "none": no such node`},
		"no check":         {consulwire.Session{ID: "s", Node: "n1", NodeChecks: []string{"none"}}, "Missing check 'none' registration"},
		"a check of n1":    {consulwire.Session{ID: "s", Node: "n2", NodeChecks: []string{"own"}}, "Missing check 'own' registration"},
		"a critical check": {consulwire.Session{ID: "s", Node: "n1", Checks: []string{"sick"}}, "Check 'sick' is in critical state"},
	} {
		t.Run(name, func(t *testing.T) {
			c := seeded(t)
			write(t, c, func(w *catalog.Writer) error {
				return errors.Join(w.SetCheck(critical), w.CreateSession(&consulwire.Session{ID: "known", Node: "n1"}))
			})
			err := c.Write(func(w *catalog.Writer) error { return w.CreateSession(&test.session) })
			if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
				t.Errorf("got %v", err)
			}
			if stored := c.View().Session("S"); (stored != nil) != (test.want == "") {
				t.Errorf("stored %+v", stored)
			}
		})
	}
}

// TestWhatEndsASession holds that a session ends in the same write as what it depends on, and with it its locks.
func TestWhatEndsASession(t *testing.T) {
	status := func(node, id, status string) func(*catalog.Writer) {
		return func(w *catalog.Writer) { w.SetStatus(node, id, status, "") }
	}
	for name, test := range map[string]struct {
		change func(*catalog.Writer)
		ends   bool
	}{
		"its check turns critical":          {status("n1", "own", consulwire.Critical), true},
		"its check turns warning":           {status("n1", "own", consulwire.Warning), false},
		"its service's check turns bad":     {status("n1", "service:web1", consulwire.Critical), true},
		"another check turns critical":      {status("n1", "service:web2", consulwire.Critical), false},
		"the same check on another node":    {status("n2", "service:web1", consulwire.Critical), false},
		"its check goes":                    {func(w *catalog.Writer) { w.DeleteCheck("N1", "own") }, true},
		"its service goes":                  {func(w *catalog.Writer) { w.DeleteInstance("n1", "web1") }, true},
		"another service goes":              {func(w *catalog.Writer) { w.DeleteInstance("n1", "web2") }, false},
		"the node goes":                     {func(w *catalog.Writer) { w.DeleteNode("n1") }, true},
		"another node goes":                 {func(w *catalog.Writer) { w.DeleteNode("n2") }, false},
		"it is destroyed, in other letters": {func(w *catalog.Writer) { w.DestroySession("MINE") }, true},
		"another is destroyed":              {func(w *catalog.Writer) { w.DestroySession("none") }, false},
	} {
		for _, behavior := range []string{consulwire.SessionRelease, consulwire.SessionDelete} {
			t.Run(name+" "+behavior, func(t *testing.T) {
				c := seeded(t)
				write(t, c, func(w *catalog.Writer) error {
					return w.CreateSession(&consulwire.Session{
						ID: "mine", Node: "n1", Behavior: behavior, NodeChecks: []string{"own"}, ServiceChecks: []consulwire.SessionServiceCheck{{ID: "service:web1"}},
					})
				})
				lock(t, c, "a", "mine")
				lock(t, c, "b", "mine")
				set(t, c, "c", "1")
				before := c.View()
				watched := before.Mark(catalog.Session("mine"))
				write(t, c, func(w *catalog.Writer) error { test.change(w); return nil })
				after := c.View()
				if ended := after.Session("mine") == nil; ended != test.ends || closed(watched.Changed) != test.ends {
					t.Fatalf("ended: %v", ended)
				}
				want := []string{"a", "b", "c"}
				if test.ends && behavior == consulwire.SessionDelete {
					want = []string{"c"}
				}
				if got := keys(after, ""); !slices.Equal(got, want) {
					t.Errorf("keys %q, want %q", got, want)
				}
				if a := after.Key("a"); a != nil && (a.Session == "") != test.ends {
					t.Errorf("lock after: %+v", a)
				}
				if a := after.Key("a"); a != nil && test.ends && (a.ModifyIndex != after.Index() || a.LockIndex != 1 || string(a.Value) != "locked") {
					t.Errorf("freed key: %+v at %d", a, after.Index())
				}
			})
		}
	}
}

func TestSessionsOfANode(t *testing.T) {
	c := withSessions(t)
	write(t, c, func(w *catalog.Writer) error { return w.CreateSession(&consulwire.Session{ID: "s0", Node: "n2"}) })
	v := c.View()
	if len(v.Sessions()) != 3 || len(v.NodeSessions("N1")) != 2 || len(v.NodeSessions("n2")) != 1 || len(v.NodeSessions("none")) != 0 {
		t.Errorf("all %d, n1 %d, n2 %d", len(v.Sessions()), len(v.NodeSessions("n1")), len(v.NodeSessions("n2")))
	}
	all, on := v.Mark(catalog.Sessions), v.Mark(catalog.NodeSessions("n2"))
	write(t, c, func(w *catalog.Writer) error { w.DestroySession("s0"); return nil })
	if !closed(all.Changed) || !closed(on.Changed) || c.View().Mark(catalog.NodeSessions("n2")).Index <= on.Index {
		t.Error("the end of a session woke nobody")
	}
}

func TestLockDelay(t *testing.T) {
	for name, test := range map[string]struct {
		delay   time.Duration
		after   time.Duration
		delayed bool
	}{
		"before it is over":        {15 * time.Second, 14 * time.Second, true},
		"once it is over":          {15 * time.Second, 15 * time.Second, false},
		"none":                     {0, 0, false},
		"below zero":               {-time.Second, 0, false},
		"no longer than it may be": {time.Hour, catalog.MaxLockDelay, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			c := seeded(t)
			c.SetClock(func() time.Time { return now })
			write(t, c, func(w *catalog.Writer) error {
				return errors.Join(
					w.CreateSession(&consulwire.Session{ID: "s1", Node: "n1", LockDelay: test.delay}),
					w.CreateSession(&consulwire.Session{ID: "s2", Node: "n1"}),
				)
			})
			lock(t, c, "k", "s1")
			write(t, c, func(w *catalog.Writer) error { w.DestroySession("s1"); return nil })
			now = now.Add(test.after)
			err := c.Write(func(w *catalog.Writer) error {
				_, err := w.LockKey(&consulwire.KVPair{Key: "k", Session: "s2"})
				return err
			})
			if errors.Is(err, catalog.ErrLockDelay) != test.delayed || err != nil != test.delayed {
				t.Errorf("lock after %v: %v", test.after, err)
			}
		})
	}
}

// TestAWriteThatFailedDelaysNothing holds that a lock delay begins with the write that ends the session, or not at all.
func TestAWriteThatFailedDelaysNothing(t *testing.T) {
	c := withSessions(t)
	c.SetClock(func() time.Time { return time.Unix(1000, 0) })
	lock(t, c, "k", "s1")
	failed := errors.New("failed")
	if err := c.Write(func(w *catalog.Writer) error { w.DeleteNode("n1"); return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if c.View().Session("s1") == nil || c.View().Key("k").Session != "s1" {
		t.Error("something of it remains")
	}
	write(t, c, func(w *catalog.Writer) error {
		if w.LockDelayed("k") {
			t.Error("the key is delayed")
		}
		return nil
	})
}
