package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// disk is a folder and what is asked of it, so that tests can let any of it fail. Names have no separator.
type disk interface {
	List() ([]string, error)
	Open(name string) (file, error)   // an existing file, to read and write
	Create(name string) (file, error) // an empty file, in place of one that exists
	Rename(from, to string) error
	Remove(name string) error
	Sync() error // makes what Create, Rename and Remove did last
	Path(name string) string
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// folder is a real one.
type folder string

const onlyOwner = 0o600

func (d folder) Path(name string) string { return filepath.Join(string(d), name) }

func (d folder) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d folder) Open(name string) (file, error) {
	return opened(os.OpenFile(d.Path(name), os.O_RDWR, 0))
}

func (d folder) Create(name string) (file, error) {
	return opened(os.OpenFile(d.Path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, onlyOwner))
}

func opened(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return sizedFile{f}, nil
}

func (d folder) Rename(from, to string) error { return os.Rename(d.Path(from), d.Path(to)) }

func (d folder) Remove(name string) error { return os.Remove(d.Path(name)) }

func (d folder) Sync() error { return syncFolder(string(d)) }

// syncFolder makes the names in a folder last. Windows has no such call and keeps them by itself.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // the folder that the user names
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

type sizedFile struct{ *os.File }

func (f sizedFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
