package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// parsedName is what the name of a file tells.
type parsedName struct {
	snapshot bool
	sequence uint64
}

func parseName(name string) (parsedName, bool) {
	kind, rest, _ := strings.Cut(name, "-")
	sequence, err := strconv.ParseUint(strings.TrimSuffix(rest, ".panda"), 10, 64)
	p := parsedName{snapshot: kind == "snapshot", sequence: sequence}
	return p, err == nil && sequence > 0 && name == p.String()
}

func (p parsedName) String() string {
	if p.snapshot {
		return snapshotName(p.sequence)
	}
	return journalName(p.sequence)
}

// load fills the catalog from the last snapshot and the journals since, makes the last journal the one that is written
// to, and returns the highest index that was told.
func (s *Store) load() (last uint64, err error) {
	found, err := s.files()
	if err != nil {
		return 0, err
	}
	if found.snapshot > 0 {
		if last, err = s.loadSnapshot(found.snapshot); err != nil {
			return 0, err
		}
	}
	for n, sequence := range found.journals {
		if last, err = s.loadJournal(sequence, n == len(found.journals)-1, last); err != nil {
			return 0, err
		}
	}
	if s.journal == nil {
		if s.journal, err = newJournal(s.disk, 1); err != nil {
			return 0, err
		}
	}
	// What a killed process has written may still be in memory alone.
	if err := errors.Join(s.journal.file.Sync(), s.disk.Sync()); err != nil {
		return 0, errors.Join(err, s.journal.file.Close())
	}
	s.setMark(mark{s.journal.sequence, s.journal.size})
	if err := errors.Join(s.removeBefore(found.snapshot), s.removeUnfinished(found.unfinished)); err != nil {
		s.logger.Warn("old files stay in the data dir", "error", err)
	}
	return last, nil
}

// found is what the folder has.
type found struct {
	snapshot   uint64   // the last one; 0 if there is none
	journals   []uint64 // since the snapshot, without a gap
	unfinished uint64   // a journal after those that has no header; 0 if there is none
}

// files returns what is to be loaded, and reads the mark. What was there for certain and is not is an error.
func (s *Store) files() (f found, err error) {
	names, err := s.disk.List()
	if err != nil {
		return f, err
	}
	if s.mark, err = s.readMark(names); err != nil {
		return f, err
	}
	for _, name := range names {
		if p, ok := parseName(name); ok && p.snapshot {
			f.snapshot = max(f.snapshot, p.sequence)
		} else if ok {
			f.journals = append(f.journals, p.sequence)
		}
	}
	slices.Sort(f.journals)
	f.journals = slices.DeleteFunc(f.journals, func(sequence uint64) bool { return sequence < f.snapshot })
	used := s.mark.sequence > 0 || slices.Contains(names, nodeIDName)
	if name := f.gap(s.mark, used); name != "" {
		return f, s.missing(name)
	}
	err = s.leaveOutUnfinished(&f, used)
	return f, err
}

// gap names a file that must be there and is not, or is "". A folder that was used has a journal.
func (f *found) gap(m mark, used bool) string {
	for n, sequence := range f.journals {
		want := max(f.snapshot, 1) + uint64(n)
		if sequence != want && n == 0 && f.snapshot == 0 {
			return snapshotName(sequence)
		}
		if sequence != want {
			return journalName(want)
		}
	}
	last := max(f.snapshot, m.sequence)
	if used {
		last = max(last, 1)
	}
	if last > 0 && (len(f.journals) == 0 || f.journals[len(f.journals)-1] < last) {
		return journalName(last)
	}
	return ""
}

// restoring says how to go on without a file. Not every reader has a consul command, and the agent answers without one.
const restoring = "move the folder away, start the agent and restore a snapshot if there is one (curl -T FILE http://127.0.0.1:8500/v1/snapshot, " +
	"or the agent's other address)"

func (s *Store) missing(name string) error {
	return fmt.Errorf("%s is missing, although an agent was started on this folder before: bring it back, or %s", s.disk.Path(name), restoring)
}

// leaveOutUnfinished leaves out a last journal that a crash has kept from getting its header: no record was ever in it.
// One that a snapshot or the mark tells of had its header, and so had the first of a folder that was used.
func (s *Store) leaveOutUnfinished(found *found, used bool) error {
	if len(found.journals) == 0 {
		return nil
	}
	before := len(found.journals) - 1
	sequence := found.journals[before]
	if sequence <= max(found.snapshot, s.mark.sequence) || sequence == 1 && used {
		return nil
	}
	name := journalName(sequence)
	f, err := s.disk.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil || size > headerSize {
		return err
	}
	_, err = newReader(f, name, journalMagic, sequence)
	if _, bad := errors.AsType[*damage](err); bad {
		found.journals, found.unfinished = found.journals[:before], sequence
	}
	return nil // another error comes again when the journal is read
}

// removeUnfinished removes a journal that was left out, unless it has become the first one.
func (s *Store) removeUnfinished(sequence uint64) error {
	if sequence == 0 || sequence == s.journal.sequence {
		return nil
	}
	s.logger.Warn("a journal without a header was removed: a crash leaves such a one before anything is written to it", "file", journalName(sequence))
	return s.disk.Remove(journalName(sequence))
}

func (s *Store) loadSnapshot(sequence uint64) (index uint64, err error) {
	name := snapshotName(sequence)
	f, err := s.disk.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	r, err := newReader(f, name, snapshotMagic, sequence)
	if err != nil {
		return 0, s.refused(name, err, "")
	}
	rows := 0
	for {
		at := r.offset
		rec, err := s.loadRecord(r)
		switch {
		case errors.Is(err, io.EOF):
			return 0, s.refused(name, &damage{offset: at, why: "the end is missing"}, "")
		case err != nil:
			return 0, s.refused(name, err, "")
		}
		rows += len(rec.Changes)
		if rec.End {
			if rows != rec.Rows || r.offset != r.size {
				return 0, s.refused(name, &damage{offset: at, why: "the end does not fit what is before or after it"}, "")
			}
			s.logger.Info("snapshot loaded", "file", name, "rows", rows, "bytes", r.size)
			return rec.Index, nil
		}
	}
}

// loadJournal makes the writes of a journal. The last one may end in a record that a crash cut off, and becomes the one
// that is written to.
func (s *Store) loadJournal(sequence uint64, isLast bool, index uint64) (last uint64, err error) {
	name := journalName(sequence)
	f, err := s.disk.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil || !isLast {
			_ = f.Close()
		}
	}()
	r, err := newReader(f, name, journalMagic, sequence)
	if err != nil {
		return 0, s.refused(name, err, "")
	}
	writes := 0
	for ; ; writes++ {
		var rec *record
		if rec, err = s.loadRecord(r); err != nil {
			break
		}
		index = max(index, rec.Index)
	}
	if err = s.endOf(r, f, sequence, err, isLast); err != nil {
		return 0, s.refused(name, err, s.giveUp(err, sequence, isLast))
	}
	s.logger.Info("journal loaded", "file", name, "writes", writes, "bytes", r.offset)
	if isLast {
		s.journal = &journal{file: f, name: name, sequence: sequence, seed: r.seed, size: r.offset}
	}
	return index, nil
}

// endOf judges why there is no next record. At the end of the last journal it removes what a crash may have left of one,
// unless the mark says that more was there.
func (s *Store) endOf(r *reader, f file, sequence uint64, err error, isLast bool) error {
	bad, damaged := errors.AsType[*damage](err)
	least := s.mark.least(sequence)
	switch {
	case errors.Is(err, io.EOF) && r.offset >= least:
		return nil
	case errors.Is(err, io.EOF):
		return &damage{offset: r.offset, why: fmt.Sprintf("the file ends there, and %d bytes of it were on disk for certain", least)}
	case !damaged || !isLast || bad.offset < least:
		return err
	}
	if torn, readErr := r.torn(bad); readErr != nil || !torn {
		return errors.Join(readErr, err)
	}
	kept, err := s.keepAside(r, sequence, bad.offset)
	if err != nil {
		kept = "nowhere: " + err.Error()
	}
	s.logger.Warn("the end of the journal cannot be read and was cut off: a crash leaves such an end, of writes that nobody was told of; "+
		"if there was no crash, the file was truncated and writes are lost",
		"file", r.name, "offset", bad.offset, "bytes", r.size-bad.offset, "kept_in", kept)
	return f.Truncate(bad.offset)
}

// giveUp says how to start without what cannot be read at the end of the last journal.
func (s *Store) giveUp(err error, sequence uint64, isLast bool) string {
	bad, ok := errors.AsType[*damage](err)
	if !ok || !isLast {
		return ""
	}
	advice := fmt.Sprintf("; to give up what was written after that, truncate the file to %d bytes", bad.offset)
	if bad.offset < s.mark.least(sequence) {
		advice += " and remove " + s.disk.Path(markName)
	}
	return advice
}

func (s *Store) loadRecord(r *reader) (*record, error) {
	at := r.offset
	payload, err := r.next()
	if err != nil {
		return nil, err
	}
	rec, changes, err := decode(payload)
	if err == nil {
		err = s.catalog.Load(changes)
	}
	if err != nil {
		return nil, fmt.Errorf("at offset %d: the checksum of a record is right, but it cannot be read: %w", at, err)
	}
	return rec, nil
}

// refused says which file cannot be loaded, why, and what can be done; more is advice for this file alone, or "".
func (s *Store) refused(name string, err error, more string) error {
	path := s.disk.Path(name)
	bad, ok := errors.AsType[*damage](err)
	if !ok {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return fmt.Errorf("%s is damaged %w; it was left as it is: bring the file back from a backup, or %s%s", path, bad, restoring, more)
}

var _ catalog.Journal = (*Store)(nil)
