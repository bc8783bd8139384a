package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

var errFull = errors.New("no space left on device")

// TestFullDisk lets each operation fail in turn that needs room: the write it was for is refused and leaves nothing, and
// the next ones go on.
func TestFullDisk(t *testing.T) {
	const writes = 60
	whole := newMemDisk(0)
	run(t, whole, 0, writes)
	for at := 3; at <= whole.ops; at++ { // the first two make the first journal: no agent starts without it
		d := newMemDisk(uint64(at))
		d.fault = func(n int, op, _ string) error {
			if n >= at && n < at+3 && op != "fsync" && op != "sync" {
				return errFull
			}
			return nil
		}
		s := mustOpen(t, d)
		want := 0
		for i := 1; i <= writes; i++ {
			err := write(s.catalog, want+1)
			if err == nil {
				want++
			} else if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Fatalf("operation %d: %v", at, err)
			}
			if got := lastWrite(t, s.catalog); got != want {
				t.Fatalf("operation %d: write %d is visible, %d was the last that succeeded", at, got, want)
			}
		}
		if want < writes-3 {
			t.Fatalf("operation %d: only %d of %d writes succeeded", at, want, writes)
		}
		index := s.catalog.View().Index()
		if err := errors.Join(s.Settle(t.Context(), index), s.Close()); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, d.afterPowerCut(1))
		if got := lastWrite(t, s.catalog); got != want {
			t.Fatalf("operation %d: write %d is the last after a restart, want %d", at, got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailedSync holds that after a failed fsync nothing is acknowledged any more, not even what a second fsync would
// seem to bring to disk.
func TestFailedSync(t *testing.T) {
	for _, failing := range []string{"fsync", "sync"} {
		d := newMemDisk(1)
		s := mustOpen(t, d)
		d.mu.Lock()
		first := true
		d.fault = func(_ int, op, name string) error {
			if op != failing || strings.HasPrefix(name, "snapshot") || !first {
				return nil
			}
			first = false
			return errors.New("input/output error")
		}
		d.mu.Unlock()
		var err error
		for i := 1; err == nil && i < 1000; i++ {
			if err = write(s.catalog, i); err == nil {
				err = s.Settle(t.Context(), s.catalog.View().Index())
			}
			if failing == "sync" && err == nil && i > 900 {
				t.Fatal("the folder was never synced")
			}
		}
		<-s.Failed()
		for _, err := range []error{err, s.Err(), write(s.catalog, 1000), s.Close()} {
			if err == nil || !strings.Contains(err.Error(), "input/output error") || !strings.Contains(err.Error(), "the agent stops") {
				t.Errorf("%s failed: %v", failing, err)
			}
		}
	}
}

// slowDisk's fsync waits until it is let go.
type slowDisk struct {
	*memDisk

	entered, leave chan struct{}
}

type slowFile struct {
	file

	disk *slowDisk
}

func (d *slowDisk) Create(name string) (file, error) {
	f, err := d.memDisk.Create(name)
	return &slowFile{f, d}, err
}

func (f *slowFile) Sync() error {
	f.disk.entered <- struct{}{}
	<-f.disk.leave
	return f.file.Sync()
}

// TestSettle holds that nobody is told before the disk has it, that all who wait meanwhile share the next fsync, and
// that who has seen nothing new does not wait.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDisk{newMemDisk(1), make(chan struct{}), make(chan struct{})}
		let := func(n int) {
			for range n {
				<-d.entered
				d.leave <- struct{}{}
			}
		}
		go let(3) // the header of the first journal, the mark, and the index that the journal begins with
		s, err := open(d, silent, start, leastJournal)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context(), s.catalog.View().Index()); err != nil {
			t.Fatal(err)
		}
		told := make(chan uint64, 20)
		settle := func(index uint64) {
			go func() {
				if err := s.Settle(t.Context(), index); err != nil {
					t.Error(err)
				}
				told <- index
			}()
		}
		idle := s.catalog.View().Index()
		for i := 1; i <= 9; i++ {
			if err := write(s.catalog, i); err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				<-d.entered // the others are written while the first is on its way to the disk
			}
			settle(s.catalog.View().Index())
		}
		settle(idle)
		synctest.Wait()
		if first := <-told; first != idle || len(told) > 0 {
			t.Fatalf("%d was told, and %d more, before the disk had them", first, len(told))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Settle(ctx, s.catalog.View().Index()); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		d.leave <- struct{}{}
		<-d.entered // one for the other eight
		synctest.Wait()
		if first := <-told; first != idle+1 || len(told) > 0 {
			t.Fatalf("%d was told, and %d more, by the first fsync", first-idle, len(told))
		}
		d.leave <- struct{}{}
		for range 8 {
			<-told
		}
		go let(1) // the mark: nothing else is left to sync
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestIndexNeverComesBack holds that a clock that was set back does not let an index mean something else, and that
// a write of no row counts too.
func TestIndexNeverComesBack(t *testing.T) {
	d := newMemDisk(1)
	s := mustOpen(t, d)
	if err := write(s.catalog, 1); err != nil {
		t.Fatal(err)
	}
	told := s.catalog.View().Index()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, clock := range []uint64{1, told, told + 1, told + 1_000_000} {
		s, err := open(d.afterKill(1), silent, clock, small)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.catalog.View().Index(); got != max(clock, told+1) {
			t.Errorf("index %d at %d, after %d was told", got, clock, told)
		}
		if got := s.catalog.View().Mark(catalog.Nodes).Index; got <= told {
			t.Errorf("nodes are at %d, after %d was told", got, told)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	later := told + 1_000_000
	for _, clock := range []uint64{later, 1} { // nothing is written in the first of these lives
		var err error
		if s, err = open(d, silent, clock, small); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.catalog.View().Index(); got <= later {
		t.Errorf("index %d, after %d was told at a start", got, later)
	}
}

// TestRowsComeBackAsTheyWere holds that what JSON cannot hold, and what is empty rather than nil, survives.
func TestRowsComeBackAsTheyWere(t *testing.T) {
	d := newMemDisk(1)
	s := mustOpen(t, d)
	name := "n\xff\U0010ff00"
	if err := s.catalog.Write(func(w *catalog.Writer) error {
		return errors.Join(
			w.SetNode(&consulwire.Node{Node: name, Meta: map[string]string{"\xfe": "�"}}),
			w.SetInstance(&catalog.Instance{Node: name, Local: true, NodeService: consulwire.NodeService{ID: "a\x00b", Service: "s"}}),
		)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, d)
	defer func() { _ = s.Close() }()
	node, instance := s.catalog.View().Node(name), s.catalog.View().Instance(name, "a\x00b")
	if node == nil || node.Node != name || node.Meta["\xfe"] != "�" {
		t.Errorf("node %+v", node)
	}
	if instance == nil || !instance.Local || instance.Tags == nil || instance.Meta != nil || instance.CreateIndex == 0 {
		t.Errorf("instance %+v", instance)
	}
}
