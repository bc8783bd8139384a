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
	snapshot, journals, err := s.files()
	if err != nil {
		return 0, err
	}
	if snapshot > 0 {
		if last, err = s.loadSnapshot(snapshot); err != nil {
			return 0, err
		}
	}
	for n, sequence := range journals {
		if last, err = s.loadJournal(sequence, n == len(journals)-1, last); err != nil {
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
	if err := s.removeBefore(snapshot); err != nil {
		s.logger.Warn("old files stay in the data dir", "error", err)
	}
	return last, nil
}

// files returns the last snapshot, 0 if there is none, and the journals since.
func (s *Store) files() (snapshot uint64, journals []uint64, err error) {
	names, err := s.disk.List()
	if err != nil {
		return 0, nil, err
	}
	for _, name := range names {
		if f, ok := parseName(name); ok && f.snapshot {
			snapshot = max(snapshot, f.sequence)
		} else if ok {
			journals = append(journals, f.sequence)
		}
	}
	slices.Sort(journals)
	journals = slices.DeleteFunc(journals, func(sequence uint64) bool { return sequence < snapshot })
	if journals, err = s.withoutUnfinished(journals); err != nil {
		return 0, nil, err
	}
	if len(journals) == 0 && snapshot > 0 {
		return 0, nil, s.missing(journalName(snapshot))
	}
	for n, sequence := range journals {
		want := max(snapshot, 1) + uint64(n)
		if sequence != want && n == 0 && snapshot == 0 {
			return 0, nil, s.missing(snapshotName(sequence))
		}
		if sequence != want {
			return 0, nil, s.missing(journalName(want))
		}
	}
	return snapshot, journals, nil
}

func (s *Store) missing(name string) error {
	return fmt.Errorf("%s is missing: bring it back, or move the folder away, start the agent and restore a snapshot (consul snapshot restore FILE)",
		s.disk.Path(name))
}

// withoutUnfinished leaves out a last journal that a crash has kept from getting its header: no record was ever in it.
func (s *Store) withoutUnfinished(journals []uint64) ([]uint64, error) {
	if len(journals) == 0 {
		return nil, nil
	}
	sequence := journals[len(journals)-1]
	name := journalName(sequence)
	f, err := s.disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil || size > headerSize {
		return journals, err
	}
	_, err = newReader(f, name, journalMagic, sequence)
	if _, bad := errors.AsType[*damage](err); bad {
		return journals[:len(journals)-1], nil
	}
	return journals, nil // another error comes again when the journal is read
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
		return 0, s.refused(name, err, false)
	}
	rows := 0
	for {
		at := r.offset
		rec, err := s.loadRecord(r)
		switch {
		case errors.Is(err, io.EOF):
			return 0, s.refused(name, &damage{offset: at, why: "the end is missing"}, false)
		case err != nil:
			return 0, s.refused(name, err, false)
		}
		rows += len(rec.Changes)
		if rec.End {
			if rows != rec.Rows || r.offset != r.size {
				return 0, s.refused(name, &damage{offset: at, why: "the end does not fit what is before or after it"}, false)
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
		return 0, s.refused(name, err, false)
	}
	writes := 0
	for ; ; writes++ {
		var rec *record
		if rec, err = s.loadRecord(r); err != nil {
			break
		}
		index = max(index, rec.Index)
	}
	if err = s.endOf(r, f, err, isLast); err != nil {
		return 0, s.refused(name, err, isLast)
	}
	s.logger.Info("journal loaded", "file", name, "writes", writes, "bytes", r.offset)
	if isLast {
		s.journal = &journal{file: f, name: name, sequence: sequence, seed: r.seed, size: r.offset}
	}
	return index, nil
}

// endOf removes the rest of a record that a crash cut off, at the end of the last journal.
func (s *Store) endOf(r *reader, f file, err error, isLast bool) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	bad, ok := errors.AsType[*damage](err)
	if !ok || !isLast {
		return err
	}
	if torn, readErr := r.torn(bad); readErr != nil || !torn {
		return errors.Join(readErr, err)
	}
	s.logger.Warn("the end of the journal was cut off: a crash left it unfinished, before it was acknowledged",
		"file", r.name, "bytes", r.size-bad.offset, "offset", bad.offset)
	return f.Truncate(bad.offset)
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

// refused says which file cannot be loaded, why, and what can be done.
func (s *Store) refused(name string, err error, isLast bool) error {
	path := s.disk.Path(name)
	bad, ok := errors.AsType[*damage](err)
	if !ok {
		return fmt.Errorf("read %s: %w", path, err)
	}
	wayOut := "bring the file back from a backup, or move the folder away, start the agent and restore a snapshot (consul snapshot restore FILE)"
	if isLast {
		wayOut += fmt.Sprintf("; to give up what was written after the damage, truncate the file to %d bytes", bad.offset)
	}
	return fmt.Errorf("%s is damaged %w; it was left as it is: %s", path, bad, wayOut)
}

var _ catalog.Journal = (*Store)(nil)
