package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// filled returns a disk after n writes or some more and a clean end, with a snapshot and some writes in the last
// journal, and the number of the last write.
func filled(t *testing.T, n int) (*memDisk, int) {
	t.Helper()
	stopped, _, i := bothEnds(t, n)
	return stopped, i
}

// killed is filled without the clean end.
func killed(t *testing.T, n int) (*memDisk, int) {
	t.Helper()
	_, killed, i := bothEnds(t, n)
	return killed, i
}

func bothEnds(t *testing.T, n int) (stopped, killed *memDisk, writes int) {
	t.Helper()
	d := newMemDisk(1)
	s := mustOpen(t, d)
	i := 0
	for i < n || s.journal.sequence == 1 || s.journal.size < small/2 {
		i++
		if err := write(s.catalog, i); err != nil {
			t.Fatal(err)
		}
		for s.snapshotting() {
			runtime.Gosched()
		}
	}
	killed = d.afterKill(1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return d, killed, i
}

func (s *Store) snapshotting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// withContent returns the disk with another content of one file.
func withContent(d *memDisk, name string, content []byte) *memDisk {
	after := d.afterKill(1)
	after.names[name].data = slices.Clone(content)
	return after
}

// lastOf returns the name of the last file of the kind, "journal" or "snapshot".
func lastOf(t *testing.T, d *memDisk, kind string) string {
	t.Helper()
	names, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Backward(names) {
		if strings.HasPrefix(name, kind) {
			return name
		}
	}
	t.Fatalf("no %s in %q", kind, names)
	return ""
}

// TestTruncatedAnywhere cuts the last journal of an agent that was killed off at every byte: the writes before are there,
// the rest is cut off with a warning that tells how much and where it is kept, and the next writes are kept.
func TestTruncatedAnywhere(t *testing.T) {
	d, writes := killed(t, 30)
	name := lastOf(t, d, "journal")
	whole := d.names[name].data
	if len(whole) < 3*recordHeader {
		t.Fatalf("%s has only %d bytes", name, len(whole))
	}
	before := -1
	for size := headerSize; size <= len(whole); size++ {
		cut := withContent(d, name, whole[:size])
		var log bytes.Buffer
		s, err := open(cut, slog.New(slog.NewTextHandler(&log, nil)), start, small)
		if err != nil {
			t.Fatalf("%d of %d bytes: %v", size, len(whole), err)
		}
		got := lastWrite(t, s.catalog)
		if before < 0 {
			before = got
		}
		if got < before || got > before+1 || size == len(whole) && got != writes {
			t.Fatalf("%d of %d bytes: write %d is the last, after %d with a byte less", size, len(whole), got, before)
		}
		clean := got != before || size == headerSize
		if clean == strings.Contains(log.String(), "cut off") {
			t.Fatalf("%d of %d bytes, write %d: log %s", size, len(whole), got, &log)
		}
		before = got
		if size%16 > 0 && size < len(whole) {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := errors.Join(write(s.catalog, got+1), s.Close()); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, cut)
		if again := lastWrite(t, s.catalog); again != got+1 {
			t.Fatalf("%d bytes: write %d is lost after the cut", size, got+1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamageIsRefused changes every byte of every file: the agent does not start on it, names file and offset and leaves
// all as it is.
func TestDamageIsRefused(t *testing.T) {
	d, _ := filled(t, 40)
	for _, name := range []string{lastOf(t, d, "snapshot"), lastOf(t, d, "journal"), markName} {
		whole := d.names[name].data
		for at := range whole {
			bad := slices.Clone(whole)
			bad[at] ^= 1 << (at % 7) // not the highest: a lone first byte of a sector that became zero is one never written
			damaged := withContent(d, name, bad)
			s, err := open(damaged, silent, start, small)
			if err == nil {
				_ = s.Close()
				t.Fatalf("%s: byte %d of %d changed, and nothing is said", name, at, len(whole))
			}
			if !strings.Contains(err.Error(), "data/"+name) || !strings.Contains(err.Error(), "offset") && !strings.Contains(err.Error(), "version") {
				t.Fatalf("%s: byte %d: %v", name, at, err)
			}
			if !bytes.Equal(damaged.names[name].data, bad) || damaged.ops > 0 {
				t.Fatalf("%s: byte %d: the disk was changed", name, at)
			}
		}
	}
}

// TestLostSector replaces sectors by zeros: at the end of what was written, a power cut explains that; where more was
// known to be on disk, nothing does.
func TestLostSector(t *testing.T) {
	d := newMemDisk(1)
	s, err := open(d, silent, start, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for i := 1; i <= 40; i++ {
		if err := errors.Join(write(s.catalog, i), s.Settle(t.Context(), s.catalog.View().Index())); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, s.journal.size)
	}
	killed := d.afterKill(1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d = killed
	name := lastOf(t, d, "journal")
	whole := d.names[name].data
	zeroed := func(at int64) *memDisk {
		bad := slices.Clone(whole)
		clear(bad[at:min(at+sector, int64(len(bad)))])
		return withContent(d, name, bad)
	}
	for at := int64(sector); at < sizes[len(sizes)-3]; at += sector {
		if s, err := open(zeroed(at), silent, start, small); err == nil {
			_ = s.Close()
			t.Fatalf("the sector at %d is lost, and nothing is said", at)
		}
	}
	last := (int64(len(whole)) - 1) / sector * sector
	s = mustOpen(t, zeroed(last))
	if got := lastWrite(t, s.catalog); got < 36 || got >= 40 {
		t.Errorf("write %d is the last, with the last sector lost", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMissingAndForeignFiles(t *testing.T) {
	d, dead, _ := bothEnds(t, 60)
	snapshot := lastOf(t, d, "snapshot")
	newerMark := slices.Clone(d.names[markName].data)
	binary.BigEndian.PutUint32(newerMark[8:], version+1)
	journal := strings.Replace(snapshot, "snapshot", "journal", 1)
	newer := slices.Clone(d.names[journal].data)
	binary.BigEndian.PutUint32(newer[8:], version+1)
	other := slices.Clone(d.names[snapshot].data)
	for name, c := range map[string]struct {
		disk *memDisk
		want string
	}{
		"no journal":  {without(d, journal), journal + " is missing"},
		"no snapshot": {without(d, snapshot), snapshot + " is missing"},
		"newer":       {withContent(d, journal, newer), "format version 2 and was written by a newer panda"},
		"swapped":     {withContent(d, journal, other), "does not begin with"},
		"empty":       {withContent(d, snapshot, nil), "ends within its header"},

		"empty journal":         {withContent(d, journal, nil), journal + " is damaged at offset 0: the file ends within its header"},
		"empty journal, killed": {withContent(dead, journal, nil), journal + " is damaged at offset 0: the file ends within its header"},
		"no journal, killed":    {without(dead, journal), journal + " is missing"},
		"nothing but the mark":  {without(without(d, journal), snapshot), journal + " is missing"},
		"another's journal":     {renamed(d, journal, journalName(90)), journal + " is missing"},
		"newer mark":            {withContent(d, markName, newerMark), "format version 2 and was written by a newer panda; this one reads version 1: start the agent of that panda"},
	} {
		s, err := open(c.disk, silent, start, small)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: nothing is said", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func without(d *memDisk, name string) *memDisk {
	after := d.afterKill(1)
	delete(after.names, name)
	return after
}

func renamed(d *memDisk, from, to string) *memDisk {
	after := without(d, from)
	after.names[to] = &memFile{disk: after, name: to, data: slices.Clone(d.names[from].data)}
	return after
}

// FuzzJournal holds that no content of a journal does harm: it is loaded or refused, and what is loaded can be written to.
func FuzzJournal(f *testing.F) {
	head, seed := header(journalMagic, 1, 7)
	good := frame(slices.Clone(head), seed, headerSize, []byte(`{"Index":5,"Changes":[{"Table":"nodes","Row":{"Node":"n1"}}]}`))
	f.Add(good, false)
	f.Add(head, false)
	f.Add(good[:len(good)-3], false)
	f.Add([]byte(`{"Index":5,"Changes":[{"Table":"nodes","Removed":true,"Row":{"Node":"n1"}},{"Table":"kv"}]}`), true)
	f.Add([]byte(`{"Index":18446744073709551615,"Changes":[{"Table":"checks","Removed":true},{"Table":"services","Row":{"Node":"n","ID":""}}]}`), true)
	f.Fuzz(func(t *testing.T, content []byte, asPayload bool) {
		if asPayload { // so that the fuzzer need not find checksums
			content = frame(slices.Clone(head), seed, headerSize, content)
		}
		d := newMemDisk(1)
		d.names[journalName(1)] = &memFile{disk: d, name: journalName(1), data: slices.Clone(content)}
		s, err := open(d, silent, start, small)
		if err != nil {
			return
		}
		if err := errors.Join(write(s.catalog, 1), s.Close()); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, d)
		if nodes(s.catalog)["last"] != "1" {
			t.Fatal("a write is lost")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
