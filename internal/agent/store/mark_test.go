package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTruncatedAfterACleanStop cuts the last journal of an agent that was stopped off at every byte: it is refused by
// name and left as it is, and the advice to give up what is missing leads to an agent that has what was before.
func TestTruncatedAfterACleanStop(t *testing.T) {
	d, writes := filled(t, 30)
	name := lastOf(t, d, "journal")
	whole := d.names[name].data
	for size := range whole {
		cut := withContent(d, name, whole[:size])
		s, err := open(cut, silent, start, small)
		if err == nil {
			_ = s.Close()
			t.Fatalf("%d of %d bytes, and nothing is said", size, len(whole))
		}
		if !strings.Contains(err.Error(), "data/"+name+" is damaged at offset ") || !strings.Contains(err.Error(), "/v1/snapshot") {
			t.Fatalf("%d of %d bytes: %v", size, len(whole), err)
		}
		if len(cut.names[name].data) != size || cut.ops > 0 {
			t.Fatalf("%d of %d bytes: the disk was changed", size, len(whole))
		}
		if size < headerSize {
			continue // there is nothing to give up but all
		}
		follow(t, cut, name, err)
		s, err = open(cut, silent, start, small)
		if err != nil {
			t.Fatalf("%d of %d bytes, after what was advised: %v", size, len(whole), err)
		}
		if got := lastWrite(t, s.catalog); got >= writes || size > len(whole)/2 && got == 0 {
			t.Fatalf("%d of %d bytes: write %d of %d is the last", size, len(whole), got, writes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, d)
	if got := lastWrite(t, s.catalog); got != writes {
		t.Errorf("write %d of %d is the last of a whole journal", got, writes)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// follow does what the refusal of a journal says.
func follow(t *testing.T, d *memDisk, name string, refusal error) {
	t.Helper()
	advice := regexp.MustCompile(`truncate the file to (\d+) bytes and remove data/mark\.panda$`).FindStringSubmatch(refusal.Error())
	if advice == nil {
		t.Fatalf("no advice in %v", refusal)
	}
	size, err := strconv.ParseInt(advice[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.names[name].Truncate(size), d.Remove(markName)); err != nil {
		t.Fatal(err)
	}
}

// TestTruncatedBelowTheLastStart holds that what was there when the agent started is not taken for what its crash left.
func TestTruncatedBelowTheLastStart(t *testing.T) {
	d, _ := killed(t, 30)
	s := mustOpen(t, d)
	least := s.mark.size
	if err := write(s.catalog, lastWrite(t, s.catalog)+1); err != nil {
		t.Fatal(err)
	}
	dead, name := d.afterKill(1), s.journal.name
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole := dead.names[name].data
	for size := headerSize; size < len(whole); size++ {
		s, err := open(withContent(dead, name, whole[:size]), silent, start, small)
		if err == nil {
			err = s.Close()
		} else if size < int(least) && strings.Contains(err.Error(), name+" is damaged") {
			continue
		}
		if err != nil || size < int(least) {
			t.Fatalf("%d of %d bytes, of which %d were there at the start: %v", size, len(whole), least, err)
		}
	}
}

// TestCutOffIsKept holds that what is cut off is kept aside as it was, in a file that is named, and that no more than
// some such files stay.
func TestCutOffIsKept(t *testing.T) {
	d, n := killed(t, 30)
	for range mostAside + 3 {
		name := lastOf(t, d, "journal")
		tail := []byte("half a rec")
		f := d.names[name]
		f.data = append(f.data, tail...)
		offset := len(f.data) - len(tail)
		var log bytes.Buffer
		s, err := open(d, slog.New(slog.NewTextHandler(&log, nil)), start, leastJournal)
		if err != nil {
			t.Fatal(err)
		}
		sequence := s.journal.sequence
		aside := asideName(sequence, int64(offset))
		if kept := d.names[aside]; kept == nil || !bytes.Equal(kept.data, tail) || !bytes.Equal(kept.durable, tail) {
			t.Fatalf("%s: %+v", aside, kept)
		}
		if !strings.Contains(log.String(), "kept_in=data/"+aside) || strings.Contains(log.String(), "a crash left it unfinished") {
			t.Fatalf("log %s", &log)
		}
		n++
		if err := write(s.catalog, n); err != nil {
			t.Fatal(err)
		}
		d = d.afterKill(1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	names, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	if aside := slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, asidePrefix) }); len(aside) != mostAside {
		t.Errorf("%d files are kept: %q", len(aside), aside)
	}
}

// TestFullDiskCutsAllTheSame holds that an agent starts where what it cuts off finds no room, and says so.
func TestFullDiskCutsAllTheSame(t *testing.T) {
	d, n := killed(t, 30)
	f := d.names[lastOf(t, d, "journal")]
	f.data = append(f.data, "half a rec"...)
	d.fault = func(_ int, op, _ string) error {
		if op == "create" || op == "write" {
			return errFull
		}
		return nil
	}
	var log bytes.Buffer
	s, err := open(d, slog.New(slog.NewTextHandler(&log, nil)), start, leastJournal)
	if err != nil {
		t.Fatal(err)
	}
	if got := lastWrite(t, s.catalog); got != n {
		t.Errorf("write %d of %d is the last", got, n)
	}
	for _, want := range []string{"nowhere: no space left", "the size of the journal was not noted", "the data dir takes no writes"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, &log)
		}
	}
	if err := s.Close(); err != nil { // on a full disk, too, all that was acknowledged is there
		t.Fatal(err)
	}
}

// TestOlderFolder holds that a folder of a panda that noted no mark is loaded, and has one from then on.
func TestOlderFolder(t *testing.T) {
	for name, end := range map[string]func(*testing.T, int) (*memDisk, int){"stopped": filled, "killed": killed} {
		d, writes := end(t, 30)
		d = without(d, markName)
		s := mustOpen(t, d)
		if got := lastWrite(t, s.catalog); got != writes {
			t.Errorf("%s: write %d of %d is the last", name, got, writes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		journal := lastOf(t, d, "journal")
		whole := d.names[journal].data
		if s, err := open(withContent(d, journal, whole[:len(whole)/2]), silent, start, small); err == nil {
			_ = s.Close()
			t.Errorf("%s: half of the journal is gone, and nothing is said", name)
		}
		// What the older one writes after the mark counts, whole or not.
		older := withContent(d, markName, d.names[markName].data)
		mark := older.names[markName].data
		s = mustOpen(t, older)
		if err := errors.Join(write(s.catalog, writes+1), s.Close()); err != nil {
			t.Fatal(err)
		}
		older.names[markName].data = mark
		s = mustOpen(t, older)
		if got := lastWrite(t, s.catalog); got != writes+1 {
			t.Errorf("%s: write %d is the last, want %d", name, got, writes+1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUsedFolderIsNotStartedEmpty holds that a folder whose only journal is gone, or has lost its header, is refused
// rather than started empty, also when an older panda wrote it, which noted no mark; and that a first start that was
// interrupted is none.
func TestUsedFolderIsNotStartedEmpty(t *testing.T) {
	for _, older := range []bool{false, true} {
		for _, size := range []int{-1, 0, 20, headerSize - 1} {
			dir := t.TempDir()
			s := mustOpenFolder(t, dir)
			if err := errors.Join(write(s.catalog, 1), s.Close()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, journalName(1))
			want := path + " is damaged at offset 0: the file ends within its header"
			err := os.Truncate(path, int64(max(size, 0)))
			if size < 0 {
				err, want = os.Remove(path), path+" is missing"
			}
			if older {
				err = errors.Join(err, os.Remove(filepath.Join(dir, markName)))
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err = Open(dir, silent)
			if err == nil {
				err = errors.Join(errors.New("it is started empty"), s.Close())
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "move the folder away") {
				t.Errorf("older %v, %d bytes: %v", older, size, err)
			}
		}
	}
	for _, size := range []int{0, 20, headerSize - 1} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName(1)), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := mustOpenFolder(t, dir).Close(); err != nil {
			t.Errorf("a first start that was interrupted after %d bytes: %v", size, err)
		}
	}
}

// TestJournalWithoutHeader holds that a crash before a further journal has its header is no damage, and that the file
// does not stay.
func TestJournalWithoutHeader(t *testing.T) {
	d, writes := killed(t, 30)
	sequence, ok := parseName(lastOf(t, d, "journal"))
	if !ok {
		t.Fatal("no journal")
	}
	next := journalName(sequence.sequence + 1)
	for _, size := range []int{0, headerSize / 2, headerSize} {
		after := withContent(d, markName, d.names[markName].data)
		after.names[next] = &memFile{disk: after, name: next, data: make([]byte, size)}
		var log bytes.Buffer
		s, err := open(after, slog.New(slog.NewTextHandler(&log, nil)), start, leastJournal)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastWrite(t, s.catalog); got != writes || after.names[next] != nil || !strings.Contains(log.String(), next) {
			t.Errorf("%d bytes: write %d of %d, %v, log %s", size, got, writes, after.names[next], &log)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMarkIsNeverAhead ends runs of an agent at each operation of the disk, by a kill and by a power cut: whatever the
// mark says is there.
func TestMarkIsNeverAhead(t *testing.T) {
	whole := newMemDisk(0)
	run(t, whole, 0, 40)
	for at := 1; at <= whole.ops; at++ {
		d := newMemDisk(uint64(at))
		d.crashAt = at
		run(t, d, 0, 40)
		for kind, after := range map[string]*memDisk{"kill": d.afterKill(1), "power cut": d.afterPowerCut(uint64(at))} {
			if err := markHolds(after); err != nil {
				t.Fatalf("%s, operation %d: %v", kind, at, err)
			}
		}
	}
}

func markHolds(d *memDisk) error {
	names, err := d.List()
	if err != nil {
		return err
	}
	s := &Store{disk: d, logger: silent}
	m, err := s.readMark(names)
	if err != nil || m == (mark{}) {
		return err
	}
	if f := d.names[journalName(m.sequence)]; f != nil {
		if int64(len(f.data)) < m.size {
			return fmt.Errorf("%+v, but the journal has %d bytes", m, len(f.data))
		}
		return nil
	}
	if slices.ContainsFunc(names, func(name string) bool { p, ok := parseName(name); return ok && p.snapshot && p.sequence > m.sequence }) {
		return nil
	}
	return fmt.Errorf("%+v, but there is only %q", m, names)
}
