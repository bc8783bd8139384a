package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// mark says how much of the journal was on disk for certain: the file of this sequence had at least so many bytes of
// whole records. It is noted at a start, when the journal goes on in a new file, and at a clean stop, so that a journal
// that was truncated below it, or is gone, is told from one that a crash has left unfinished. It never takes back what
// the journal has beyond it. The zero value knows of nothing, as a folder of a panda that noted none.
type mark struct {
	sequence uint64
	size     int64
}

// The mark's file is a header alone, with the size in place of the salt.
const (
	markName  = "mark.panda"
	markMagic = "pandamrk"
)

// least returns how many bytes the journal of the sequence must have.
func (m mark) least(sequence uint64) int64 {
	if m.sequence == sequence {
		return m.size
	}
	return 0
}

// readMark returns the mark of the folder that holds the names.
func (s *Store) readMark(names []string) (mark, error) {
	if !slices.Contains(names, markName) {
		return mark{}, nil
	}
	f, err := s.disk.Open(markName)
	if err != nil {
		return mark{}, err
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, headerSize+1)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return mark{}, err
	}
	h, err := parseHeader(b[:min(n, headerSize)], markMagic)
	if err == nil && n > headerSize {
		err = &damage{offset: headerSize, why: "something follows its end"}
	}
	if err != nil {
		return mark{}, s.refusedMark(err)
	}
	return mark{h.sequence, int64(h.salt)}, nil //nolint:gosec // a size that was written by setMark
}

func (s *Store) refusedMark(err error) error {
	path := s.disk.Path(markName)
	if _, ok := errors.AsType[*damage](err); ok {
		return fmt.Errorf("%s is damaged %w; it was left as it is: bring it back from a backup, or remove it: it holds no data, "+
			"but the agent then cannot tell whether the journal was truncated", path, err)
	}
	return fmt.Errorf("read %s: %w", path, err)
}

// setMark notes that so much of the journal is on disk. Where that fails, on a full disk, the one before stays true.
func (s *Store) setMark(m mark) {
	if m == s.mark {
		return
	}
	head, _ := header(markMagic, m.sequence, uint64(m.size)) //nolint:gosec // a size, never negative
	if err := writeWhole(s.disk, markName, head); err != nil {
		s.logger.Warn("the size of the journal was not noted: were the file truncated, the next start might not tell", "file", s.disk.Path(markName), "error", err)
		return
	}
	s.mark = m
}
