package session_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/session"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// in runs a test in fake time, with an Expirer over a catalog that has the node n1.
func in(t *testing.T, test func(*testing.T, *catalog.Catalog, *session.Expirer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		state := catalog.New(1)
		if err := state.Write(func(w *catalog.Writer) error { return w.SetNode(&consulwire.Node{Node: "n1"}) }); err != nil {
			t.Fatal(err)
		}
		e := session.New(session.Config{Catalog: state, Logger: slog.New(slog.DiscardHandler)})
		defer e.Close()
		test(t, state, e)
	})
}

func create(t *testing.T, e *session.Expirer, ttl string) string {
	t.Helper()
	s := &consulwire.Session{Node: "n1", TTL: ttl}
	if err := e.Create(s); err != nil {
		t.Fatal(err)
	}
	return s.ID
}

// after lets the time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func alive(c *catalog.Catalog, id string) bool { return c.View().Session(id) != nil }

func TestSessionsExpireAtTwiceTheirTTL(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		short, long, forever := create(t, e, "10s"), create(t, e, "1m"), create(t, e, "")
		zero := create(t, e, "0s")
		after(20*time.Second - time.Millisecond)
		if !alive(c, short) {
			t.Error("it ended before twice its TTL")
		}
		after(time.Millisecond)
		if alive(c, short) || !alive(c, long) {
			t.Errorf("after 20s: 10s alive %v, 1m alive %v", alive(c, short), alive(c, long))
		}
		after(100 * time.Second)
		if alive(c, long) {
			t.Error("the longer one outlived twice its TTL")
		}
		after(100 * time.Hour)
		if !alive(c, forever) || !alive(c, zero) {
			t.Error("a session without a TTL ended")
		}
	})
}

func TestRenew(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		id, other := create(t, e, "10s"), create(t, e, "10s")
		for range 5 {
			after(15 * time.Second)
			if s := e.Renew(id); s == nil || s.ID != id {
				t.Fatalf("renewed %+v", s)
			}
		}
		if alive(c, other) || !alive(c, id) {
			t.Errorf("renewed alive %v, other alive %v", alive(c, id), alive(c, other))
		}
		after(20 * time.Second)
		if alive(c, id) {
			t.Error("it lives though nobody renews it any more")
		}
		if e.Renew(id) != nil || e.Renew("none") != nil {
			t.Error("renewed what is over")
		}
	})
}

func TestDestroy(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		first, second := create(t, e, "10s"), create(t, e, "20s")
		for _, id := range []string{first, first, "none"} {
			if err := e.Destroy(id); err != nil {
				t.Errorf("destroy %q: %v", id, err)
			}
		}
		if alive(c, first) {
			t.Error("it lives")
		}
		after(40 * time.Second)
		if alive(c, second) {
			t.Error("what came after the destroyed one does not expire")
		}
	})
}

// TestResume holds that sessions found in the catalog get a full new TTL.
func TestResume(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		if err := c.Write(func(w *catalog.Writer) error {
			return w.CreateSession(&consulwire.Session{ID: "old", Node: "n1", TTL: "10s"})
		}); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		e.Resume()
		after(20*time.Second - time.Millisecond)
		if !alive(c, "old") {
			t.Error("it ended too early")
		}
		after(time.Millisecond)
		if alive(c, "old") {
			t.Error("it does not expire")
		}
	})
}

// full is a journal that takes nothing while it is full.
type full struct{ full atomic.Bool }

func (f *full) Append(uint64, []catalog.Change) error {
	if f.full.Load() {
		return errors.New("no space left")
	}
	return nil
}

func TestExpiryIsTriedAgain(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		j := &full{}
		c.SetJournal(j)
		id := create(t, e, "10s")
		renewed := create(t, e, "10s")
		j.full.Store(true)
		after(20 * time.Second)
		if !alive(c, id) || e.Renew(renewed) == nil {
			t.Fatal("it ended though the journal took nothing")
		}
		if err := e.Destroy(id); err == nil {
			t.Error("destroyed though the journal took nothing")
		}
		j.full.Store(false)
		after(10 * time.Second)
		if alive(c, id) || !alive(c, renewed) {
			t.Errorf("later: alive %v, renewed alive %v", alive(c, id), alive(c, renewed))
		}
	})
}

func TestRefusedSessions(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		for name, test := range map[string]struct {
			session consulwire.Session
			want    string
		}{
			"no node":        {consulwire.Session{}, "Must provide Node"},
			"bad behavior":   {consulwire.Session{Node: "n1", Behavior: "keep"}, "Invalid Behavior setting 'keep'"},
			"TTL of no time": {consulwire.Session{Node: "n1", TTL: "soon"}, `Session TTL 'soon' invalid: time: invalid duration "soon"`},
			"TTL too short":  {consulwire.Session{Node: "n1", TTL: "9s"}, "Invalid Session TTL '9000000000', must be between [10s=24h0m0s]"},
			"TTL too long":   {consulwire.Session{Node: "n1", TTL: "25h"}, "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]"},
		} {
			err := e.Create(&test.session)
			if _, ok := errors.AsType[*session.InvalidError](err); !ok || err.Error() != test.want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := e.Create(&consulwire.Session{Node: "none"}); !errors.Is(err, catalog.ErrNoNode) {
			t.Errorf("a node that is not there: %v", err)
		}
		if n := len(c.View().Sessions()); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestManySessions holds that each of many ends in its own time, however they are renewed and destroyed.
func TestManySessions(t *testing.T) {
	in(t, func(t *testing.T, c *catalog.Catalog, e *session.Expirer) {
		const many = 500
		var ids []string
		for n := range many {
			ids = append(ids, create(t, e, (10*time.Second+time.Duration(n)*time.Millisecond).String()))
		}
		after(19 * time.Second)
		for n := 0; n < many; n += 5 {
			if e.Renew(ids[n]) == nil {
				t.Fatalf("session %d is over", n)
			}
		}
		for n := 1; n < many; n += 5 {
			if err := e.Destroy(ids[n]); err != nil {
				t.Fatal(err)
			}
		}
		after(3 * time.Second)
		if got := len(c.View().Sessions()); got != many/5 {
			t.Errorf("%d left, want those renewed: %d", got, many/5)
		}
		after(time.Minute)
		if got := len(c.View().Sessions()); got != 0 {
			t.Errorf("%d left", got)
		}
	})
}
