package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// What was cut off a journal is kept beside it, that of the last mostAside cuts: nobody was told of it if a crash has
// left it, but that is not known.
const (
	asidePrefix = "cut-"
	asideSuffix = ".panda"
	mostAside   = 8
)

// asideName names what was cut off a journal at an offset. The names sort as the cuts were made.
func asideName(sequence uint64, offset int64) string {
	return fmt.Sprintf("%s%08d-%012d%s", asidePrefix, sequence, offset, asideSuffix)
}

// keepAside copies the end of a journal into a file of its own, and returns the file's path.
func (s *Store) keepAside(r *reader, sequence uint64, offset int64) (path string, err error) {
	rest := make([]byte, r.size-offset)
	if _, err := r.source.ReadAt(rest, offset); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	name := asideName(sequence, offset)
	if err := writeWhole(s.disk, name, rest); err != nil {
		return "", err
	}
	return s.disk.Path(name), s.dropOldest()
}

// dropOldest removes what was kept aside beyond mostAside.
func (s *Store) dropOldest() error {
	names, err := s.disk.List()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, asidePrefix) || !strings.HasSuffix(name, asideSuffix)
	})
	slices.Sort(names)
	for len(names) > mostAside {
		err = errors.Join(err, s.disk.Remove(names[0]))
		names = names[1:]
	}
	return err
}
