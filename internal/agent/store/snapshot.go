package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

func snapshotName(sequence uint64) string { return fmt.Sprintf("snapshot-%08d.panda", sequence) }

const temporary = ".tmp" // at the end of the name of a file that does not count

// beginJournal lets the journal go on in a new file, before the first write of which the catalog is what the snapshot
// of that file must hold. It is called by Append, and returns how much of the journal is on disk. Only the last file of
// a journal may end in a torn record, so the old one is whole and on disk before there is a new one. Without room for a
// new file the old one goes on.
func (s *Store) beginJournal(synced int64) (int64, error) {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if err := s.journal.cut(); err != nil {
		return 0, unchanged(err)
	}
	if err := s.journal.file.Sync(); err != nil { // also of what was cut off
		return 0, s.fail(err)
	}
	s.confirm(s.written) // Append alone changes it, and is here
	next, err := newJournal(s.disk, s.journal.sequence+1)
	if err != nil {
		s.logger.Warn("no snapshot was begun; the journal grows", "error", err)
		s.mu.Lock()
		s.limit = s.journal.size + s.least
		s.mu.Unlock()
		return synced, nil
	}
	if err := errors.Join(next.file.Sync(), s.disk.Sync()); err != nil {
		return 0, errors.Join(s.fail(err), next.file.Close())
	}
	_ = s.journal.file.Close() // it is on disk
	s.journal = next
	s.setMark(mark{next.sequence, next.size})
	s.mu.Lock()
	s.busy = true
	s.written.size, s.synced.size = next.size, next.size
	s.mu.Unlock()
	s.begun <- beginning{next.sequence, s.catalog.View()} // has room: busy holds off another
	return next.size, nil
}

// writeSnapshots writes one for each journal that was begun.
func (s *Store) writeSnapshots() {
	for {
		select {
		case <-s.stop:
			return
		case b := <-s.begun:
			size, err := s.writeSnapshot(b)
			if err != nil && !errors.Is(err, errClosed) {
				s.logger.Warn("no snapshot was written; the journals are kept", "error", err)
			}
			s.mu.Lock()
			s.busy, s.limit = false, max(s.least, 2*size)
			s.mu.Unlock()
		}
	}
}

// writeSnapshot writes the rows and then removes what they take the place of. It returns the snapshot's size.
func (s *Store) writeSnapshot(b beginning) (size int64, err error) {
	err = replaceFile(s.disk, snapshotName(b.sequence), func(f file) error {
		size, err = s.writeRows(f, b)
		return err
	})
	if err != nil {
		return size, err
	}
	return size, s.removeBefore(b.sequence)
}

// replaceFile makes a file of what write writes, complete and on disk, or leaves the one that there is.
func replaceFile(d disk, name string, write func(file) error) error {
	f, err := d.Create(name + temporary)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = d.Rename(name+temporary, name)
	}
	if err != nil {
		_ = d.Remove(name + temporary) // else the next start does
		return err
	}
	return d.Sync()
}

// share is how many bytes of rows, or a row more, a record of a snapshot holds.
const share = 1 << 20

// writeRows writes a snapshot and returns its size.
func (s *Store) writeRows(f file, b beginning) (int64, error) {
	head, seed := header(snapshotMagic, b.sequence, newSalt())
	if _, err := f.WriteAt(head, 0); err != nil {
		return 0, err
	}
	out := &journal{file: f, seed: seed, size: headerSize}
	index := b.view.Index()
	p, rows := newPayload(index), 0
	for _, table := range catalog.Tables() {
		for row := range b.view.Rows(table) {
			if err := p.add(catalog.Change{Table: table, Row: row}); err != nil {
				return 0, err
			}
			rows++
			if len(p.bytes) < share {
				continue
			}
			if err := s.writeShare(out, p); err != nil {
				return 0, err
			}
			p = newPayload(index)
		}
	}
	if err := s.writeShare(out, p); err != nil {
		return 0, err
	}
	end := fmt.Appendf(nil, `{"Index":%d,"End":true,"Rows":%d}`, index, rows)
	err := out.append(end, 0)
	return out.size, err
}

func (s *Store) writeShare(out *journal, p *payload) error {
	select {
	case <-s.stop:
		return errClosed
	default:
		return out.append(p.end(), 0)
	}
}

// removeBefore removes the files that a snapshot has made superfluous.
func (s *Store) removeBefore(sequence uint64) error {
	names, err := s.disk.List()
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		if f, ok := parseName(name); ok && f.sequence < sequence || strings.HasSuffix(name, ".panda"+temporary) {
			failed = errors.Join(failed, s.disk.Remove(name))
		}
	}
	return failed
}
