package store

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var silent = slog.New(slog.DiscardHandler)

// start is an index such as an agent begins with.
const start = 1_700_000_000_000_000

// small lets a journal of some kilobytes be followed by a snapshot.
const small = 2 << 10

func mustOpen(t *testing.T, d disk) *Store {
	t.Helper()
	s, err := open(d, silent, start, small)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// state is what write number n of a test leaves: it sets one node, removes another now and then, and is told by "last".
func state(n int) map[string]string {
	nodes := map[string]string{}
	for i := 1; i <= n; i++ {
		nodes["last"] = strconv.Itoa(i)
		nodes["n"+strconv.Itoa(i%7)] = strconv.Itoa(i)
		if i%3 == 0 {
			delete(nodes, "n"+strconv.Itoa(i%5))
		}
	}
	return nodes
}

func write(c *catalog.Catalog, i int) error {
	return c.Write(func(w *catalog.Writer) error {
		set := func(name string) error {
			return w.SetNode(&consulwire.Node{Node: name, Address: "10.0.0.1", Meta: map[string]string{"v": strconv.Itoa(i), "pad": strings.Repeat("x", i*37%600)}})
		}
		if i%3 == 0 {
			defer w.DeleteNode("n" + strconv.Itoa(i%5))
		}
		return errors.Join(set("last"), set("n"+strconv.Itoa(i%7)))
	})
}

func nodes(c *catalog.Catalog) map[string]string {
	got := map[string]string{}
	for _, n := range c.View().Nodes() {
		got[n.Node] = n.Meta["v"]
	}
	return got
}

// lastWrite returns the number of the last write whose effect is there, after checking that it and all before it are
// there as a whole.
func lastWrite(t *testing.T, c *catalog.Catalog) int {
	t.Helper()
	got := nodes(c)
	n, _ := strconv.Atoi(got["last"])
	if want := state(n); !maps.Equal(got, want) {
		t.Fatalf("after write %d there is %v, want %v", n, got, want)
	}
	return n
}

// history is how far a run came.
type history struct{ tried, written, settled int }

// run writes until the disk crashes or there are writes enough.
func run(t *testing.T, d *memDisk, from, to int) (h history) {
	t.Helper()
	h = history{from, from, from}
	s, err := open(d, silent, start, small)
	if err != nil {
		if !errors.Is(err, errCrashed) {
			t.Fatal(err)
		}
		return h
	}
	defer func() { _ = s.Close() }() // a disk that has crashed fails it
	for i := from + 1; i <= to; i++ {
		h.tried = i
		if write(s.catalog, i) != nil {
			return h
		}
		h.written = i
		if i%4 == 0 {
			if s.Settle(t.Context(), s.catalog.View().Index()) != nil {
				return h
			}
			h.settled = i
		}
	}
	return h
}

// TestCrashAnywhere ends a run at each operation of the disk, by a kill and by a power cut, lets the next one go on and
// crashes that one too: nothing acknowledged is ever missing, and no write is there in part.
func TestCrashAnywhere(t *testing.T) {
	const writes = 60
	whole := newMemDisk(0)
	run(t, whole, 0, writes)
	if whole.ops < 150 {
		t.Fatalf("%d operations: too few to show anything", whole.ops)
	}
	for _, power := range []bool{false, true} {
		for at := 1; at <= whole.ops; at++ {
			crash(t, fmt.Sprintf("power cut %v, operation %d", power, at), power, at, writes)
		}
	}
}

func crash(t *testing.T, name string, power bool, at, writes int) {
	t.Helper()
	d := newMemDisk(uint64(at))
	known := history{}
	for life := 1; life <= 3; life++ {
		d.crashAt = at * life % 97
		if life == 1 {
			d.crashAt = at
		}
		h := run(t, d, known.tried, known.tried+writes)
		least := h.written
		if power {
			least = h.settled
			d = d.afterPowerCut(uint64(at*10 + life))
		} else {
			d = d.afterKill(uint64(at*10 + life))
		}
		s, err := open(d.afterKill(1), silent, start, small) // looks without changing what the next life finds
		if err != nil {
			t.Fatalf("%s, life %d: %v", name, life, err)
		}
		got := lastWrite(t, s.catalog)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got < least || got > h.tried {
			t.Fatalf("%s, life %d: write %d is the last one there, of %+v", name, life, got, h)
		}
		known = history{got, got, got}
	}
}
